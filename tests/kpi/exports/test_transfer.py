"""A transfer: of one moment, at constant memory, and never without a record."""

import tracemalloc
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from typing import NoReturn

import psycopg
import pytest

from kpi.declare import CONTRACT_VERSION
from kpi.exports.declare import export
from kpi.exports.formats import Format, formats_of
from kpi.exports.manifest import manifest
from kpi.exports.transfer import Transfer, begin
from ledger.disclosures import DisclosureLog
from ledger.domain.events import ExportMade, Metadata, RecordedEvent
from ledger.errors import InvalidRequest, NotFound, ProjectionStopped, StoreUnavailable
from projections.engine import positions
from projections.engine.reads import Reads
from tests.kpi.builder import LedgerBuilder
from tests.kpi.exports.conftest import Take
from tests.kpi.exports.examples import asked, keep_shop, many_orders, sell

OnRecord = Callable[[], list[RecordedEvent]]
ANN = Metadata(actor="token/9", actor_name="Ann", reason="monthly report")


@pytest.fixture
def disclosure_log(builder: LedgerBuilder) -> DisclosureLog:
    return DisclosureLog(builder.engine.log)


class Away(DisclosureLog):
    """A log that is lost while an export is on its way."""

    def exported(self, event: ExportMade, meta: Metadata, export_id: str | None = None) -> NoReturn:
        raise StoreUnavailable


def test_what_was_sent_is_on_record(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, on_record: OnRecord
) -> None:
    keep_shop(builder)
    with closing(begin(reads, disclosure_log, asked(filters={"currency": "gbp"}), ANN)) as transfer:
        file = b"".join(transfer.chunks)
    (made,) = on_record()
    assert (made.stream, made.meta) == (f"export/{transfer.export_id}", ANN)
    assert made.event == ExportMade(
        name="orders",
        format="csv",
        filter={
            "from": "2026-03-01",
            "to": "2026-03-31",
            "time_zone": "UTC",
            "currency": "gbp",
        },
        rows=3,
        sha256=sha256(file).hexdigest(),
        position=made.position - 1,
        contract_version=CONTRACT_VERSION,
        columns=tuple(column.name for column in asked().export.columns),
        complete=True,
    )


@pytest.mark.parametrize("chosen", formats_of(export("products")))
def test_a_manifest_tells_whether_a_file_is_whole(
    builder: LedgerBuilder, take: Take, on_record: OnRecord, chosen: Format
) -> None:
    keep_shop(builder)
    file = take(asked("products", chosen, filters={"sku": "MUG"}))
    (made,) = on_record()
    shown = manifest(builder.engine.log, made.stream.removeprefix("export/"))
    assert shown.sha256 == sha256(file).hexdigest()
    assert (shown.file, shown.rows) == (f"best_sellers_2026-03-01_2026-03-31.{chosen}", 1)
    assert (shown.window.days, shown.time_zone) == (31, "UTC")
    assert (shown.filter, shown.complete) == ({"sku": "MUG"}, True)
    assert shown.columns[2].model_dump() == {"name": "Revenue", "kind": "decimal"}
    assert shown.made_at == made.effective_at


@pytest.mark.parametrize("export_id", ["0" * 32, "A1", "../order/A1", ""])
def test_what_was_never_made_has_no_manifest(builder: LedgerBuilder, export_id: str) -> None:
    with pytest.raises(NotFound):
        manifest(builder.engine.log, export_id)


def test_an_export_is_of_one_moment(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, on_record: OnRecord
) -> None:
    """What happens while it is sent is in the next one."""
    sell(builder, "A1", 1000)
    builder.follow()
    head = builder.engine.log.head()
    with closing(begin(reads, disclosure_log, asked(), ANN)) as transfer:
        heading = next(transfer.chunks)
        sell(builder, "A2", 2000)
        builder.follow()
        file = heading + b"".join(transfer.chunks)
    assert file.count(b"\r\n") == 2
    (made,) = on_record()
    assert isinstance(made.event, ExportMade)
    assert made.event.position == transfer.rests_on.position == head


def test_who_hangs_up_is_on_record_with_what_was_sent(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, on_record: OnRecord
) -> None:
    many_orders(builder, 5_000)
    transfer = begin(reads, disclosure_log, asked(), ANN)
    sent = next(transfer.chunks) + next(transfer.chunks)
    transfer.close()
    transfer.close()
    (made,) = on_record()
    event = made.event
    assert isinstance(event, ExportMade)
    assert (event.complete, event.rows) == (False, 2_000)
    assert event.sha256 == sha256(sent).hexdigest()
    with reads.snapshot():
        pass  # the only connection is free again


def test_who_takes_nothing_leaves_nothing(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, on_record: OnRecord
) -> None:
    builder.follow()
    begin(reads, disclosure_log, asked(), ANN).close()
    assert on_record() == []
    with reads.snapshot():
        pass


def test_a_transfer_that_cannot_be_put_on_record_does_not_end_well(
    builder: LedgerBuilder, reads: Reads
) -> None:
    keep_shop(builder)
    transfer = begin(reads, Away(builder.engine.log), asked(), ANN)
    with pytest.raises(StoreUnavailable):
        list(transfer.chunks)
    transfer.close()
    hung_up = begin(reads, Away(builder.engine.log), asked(), ANN)
    next(hung_up.chunks)
    with pytest.raises(StoreUnavailable):
        hung_up.close()


def test_a_transfer_whose_database_goes_away_is_not_complete(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, on_record: OnRecord
) -> None:
    many_orders(builder, 5_000)
    transfer = begin(reads, disclosure_log, asked(), ANN)
    next(transfer.chunks)
    fetching = end_the_readers(builder)
    with pytest.raises(StoreUnavailable):
        list(transfer.chunks)
    transfer.close()
    assert fetching, "rows wait in the server until they are asked for"
    (made,) = on_record()
    assert isinstance(made.event, ExportMade)
    assert not made.event.complete


def end_the_readers(builder: LedgerBuilder) -> bool:
    """Answers whether one of them had a cursor open."""
    with psycopg.connect(builder.engine.database.admin_conninfo, autocommit=True) as conn:
        found = conn.execute(
            "select query, pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'ledger reader' and datname = current_database()"
        ).fetchall()
    return any("declare" in query.lower() for query, _ in found)


def test_nothing_begins_while_the_log_is_away(
    builder: LedgerBuilder,
    reads: Reads,
    disclosure_log: DisclosureLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away() -> int:
        raise StoreUnavailable

    builder.follow()
    monkeypatch.setattr(builder.engine.log, "head", away)
    with pytest.raises(StoreUnavailable):
        begin(reads, disclosure_log, asked(), ANN)


def test_a_read_model_that_stopped_is_not_exported(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog
) -> None:
    builder.follow()
    with builder.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["sales_daily"], 1, "a bug")
    with pytest.raises(ProjectionStopped):
        begin(reads, disclosure_log, asked(), ANN)


@pytest.mark.parametrize(
    ("filters", "why"),
    [({"colour": "red"}, "it has currency, state"), ({"state": "a\0b"}, r"U\+0000")],
)
def test_a_filter_that_cannot_be_is_refused(
    builder: LedgerBuilder,
    reads: Reads,
    disclosure_log: DisclosureLog,
    filters: dict[str, str],
    why: str,
) -> None:
    builder.follow()
    with pytest.raises(InvalidRequest, match=why):
        begin(reads, disclosure_log, asked(filters=filters), ANN)
    with reads.snapshot():
        pass


@pytest.mark.parametrize("chosen", [Format.CSV, Format.JSONL])
def test_memory_does_not_grow_with_the_rows(
    builder: LedgerBuilder, reads: Reads, disclosure_log: DisclosureLog, chosen: Format
) -> None:
    many_orders(builder, 20_000)
    some = peak(begin(reads, disclosure_log, asked(chosen=chosen), ANN), 4_000)
    every = peak(begin(reads, disclosure_log, asked(chosen=chosen), ANN), 20_000)
    assert every < some * 1.25


def peak(transfer: Transfer, rows: int) -> int:
    """The most memory that was in use, until so many rows were sent."""
    tracemalloc.start()
    try:
        with closing(transfer):
            while transfer.rows < rows:
                next(transfer.chunks)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
