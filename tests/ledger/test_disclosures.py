"""Reads of evidence and exports in the log: one event each, however many there are at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.disclosures import DisclosureLog
from ledger.domain.events import EvidenceRead, ExportMade, Metadata
from ledger.errors import StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database


def test_reads_at_one_time_are_events_of_their_own(database: Database) -> None:
    with Log(database.conninfo("app")) as log, ThreadPoolExecutor(16) as readers:
        disclosure_log = DisclosureLog(log)
        told = [
            readers.submit(disclosure_log.saw, f"order/A{n}", [n], Metadata(actor=f"token/{n}"))
            for n in range(100)
        ]
        positions = [each.result() for each in told]
        stored = {event.position: event for event in log.read()}
    assert sorted(positions) == [*range(1, 101)]
    for number, position in enumerate(positions):
        read = stored[position]
        assert read.event == EvidenceRead(subject=f"order/A{number}", positions=(number,))
        assert (read.meta.actor, read.version) == (f"token/{number}", 1)
        assert read.meta.correlation == f"order/A{number}"


def test_an_export_is_an_event_of_its_own(database: Database) -> None:
    """The id that is answered is its stream's; its meta stays as it came."""
    made = ExportMade(
        name="orders",
        format="csv",
        filter={"window": "30"},
        rows=2,
        sha256="ab" * 32,
        position=7,
        contract_version=1,
        columns=("OrderID", "Email"),
        complete=True,
    )
    meta = Metadata(actor="token/9", reason="monthly report")
    with Log(database.conninfo("app")) as log:
        disclosure_log = DisclosureLog(log)
        told = [disclosure_log.exported(made, meta) for _ in range(2)]
        stored = log.read()
    assert [(e.stream, e.position) for e in stored] == [(f"export/{i}", p) for i, p in told]
    assert len({export_id for export_id, _ in told}) == 2
    for recorded in stored:
        assert (recorded.event, recorded.meta, recorded.version) == (made, meta, 1)


def test_what_cannot_be_written_down_is_not_shown(database: Database) -> None:
    """The caller hears so before anything is answered."""
    with Log(database.conninfo("app")) as log:
        disclosure_log = DisclosureLog(log)
        log.close()
        with pytest.raises(StoreUnavailable):
            disclosure_log.saw("order/A1", [1], Metadata())
