"""Races between writers: what is one, what is none, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import pytest
from structlog.testing import capture_logs

from ledger import races
from ledger.command_handler import CommandHandler
from ledger.disclosures import DisclosureLog
from ledger.domain.events import Line, Metadata, NewEvent, StripeEventReceived
from ledger.domain.order_commands import PlaceOrder
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.errors import Conflict, Unstorable
from ledger.group_commit import GroupCommit
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.races import until_fastest
from ledger.recorder import VersionTaken
from tests.support.waiting import wait_for

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
META = Metadata(actor="shop")
POISON = """
alter table ledger.stored_events
add constraint no_poison check (position('POISON'::bytea in state) = 0)
"""


class GatedLog(Log):
    """The log; its first append waits for `open`, and the sizes of all are noted."""

    name = ""  # the library would name tables after the class

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo)
        self.started, self.open = Event(), Event()
        self.sizes: list[int] = []

    def append(self, entries: Sequence[NewEvent]) -> list[int]:
        self.sizes.append(len(entries))
        self.started.set()
        self.open.wait()
        return super().append(entries)


@pytest.fixture
def log(database: Database) -> Iterator[GatedLog]:
    """A log whose database refuses whatever holds POISON."""
    with psycopg.connect(database.admin_conninfo) as admin:
        admin.execute(POISON)
    with GatedLog(database.conninfo("app")) as opened:
        yield opened


def place(order_id: str, customer_id: str) -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id,
        at=NOW,
        currency="eur",
        lines=(Line(sku="MUG", name="MUG", quantity=1, unit_minor=500),),
        expires_at=NOW + timedelta(minutes=30),
        customer_id=customer_id,
    )


def together(
    log: GatedLog, combiner: GroupCommit[object, object], calls: Sequence[Callable[[], object]]
) -> list[object]:
    """What each of the calls comes to, all but the first of them in one batch."""

    def outcome(call: Callable[[], object]) -> object:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - what each caller gets is what is asked
            return type(error)

    log.started.clear()
    log.open.clear()
    with ThreadPoolExecutor(len(calls)) as pool:
        first, *others = calls
        coming = [pool.submit(outcome, first)]
        log.started.wait()
        coming += [pool.submit(outcome, other) for other in others]
        wait_for(lambda: len(combiner._waiting) == len(others))
        log.open.set()
        return [each.result() for each in coming]


def test_a_poisoned_command_fails_alone_and_at_once(log: GatedLog) -> None:
    """The database refuses what one of many brings: the others notice nothing of it."""
    command_handler = CommandHandler(log, lambda _: pytest.fail("placing rests on no money"))
    log.open.set()
    command_handler.execute(ListProduct(sku="MUG", at=NOW, name="MUG", prices={"eur": 500}), META)
    command_handler.execute(ReceiveStock(sku="MUG", at=NOW, quantity=100), META)
    log.sizes.clear()

    def call(number: int, customer_id: str) -> Callable[[], object]:
        return lambda: command_handler.execute(place(f"A{number}", customer_id), META).value["id"]

    customers = ["ada", "bob", "cid", "POISON", "dan", "eve", "POISON", "fay"]
    calls = [call(number, customer) for number, customer in enumerate(customers)]
    with capture_logs() as lines:
        found = together(log, command_handler._combiner, calls)  # pyright: ignore[reportArgumentType]
    assert found == [
        Unstorable if customer == "POISON" else f"A{number}"
        for number, customer in enumerate(customers)
    ]
    assert log.sizes == [2, 14, *[2] * 7], "once together, once each, and no race is run"
    assert not [line for line in lines if line["event"] == "tried_again"]


def test_evidence_that_cannot_be_stored_spares_the_evidence_beside_it(log: GatedLog) -> None:
    disclosure_log = DisclosureLog(log)

    def call(subject: str) -> Callable[[], object]:
        return lambda: type(disclosure_log.saw(subject, [1], META))

    subjects = ["order/A1", "order/A2", "order/POISON", "order/A3"]
    found = together(log, disclosure_log._combiner, [*map(call, subjects)])  # pyright: ignore[reportArgumentType]
    assert found == [int, int, Unstorable, int]


def test_a_webhook_that_cannot_be_stored_spares_those_beside_it(log: GatedLog) -> None:
    from ledger.group_commit import sparing
    from webhooks.ingest.append import Taken, append_events

    log.open.set()
    events = [
        StripeEventReceived(event_id=f"evt_{n}", body=body, received_at=NOW, source="webhook")
        for n, body in enumerate([b'{"id":"a"}', b'{"id":"POISON"}', b'{"id":"b"}'])
    ]
    answers = sparing(lambda jobs: append_events(log, jobs, META), events)
    assert [type(answer) for answer in answers] == [Taken, Unstorable, Taken]


@pytest.mark.parametrize("customer_id", ["x" * 5_000, "a\x00b", "\ud800"])
def test_what_no_stream_can_be_called_is_refused_and_no_race(
    database: Database, customer_id: str
) -> None:
    """Whatever the edge lets through: a name too long for the log, or one that is no text."""
    received = StripeEventReceived(event_id="e", body=b"{}", received_at=NOW, source="webhook")
    with Log(database.conninfo("app")) as log:
        entry = NewEvent(f"wishlist/{customer_id}", 1, received, NOW, META)
        for offer in (log.append, log.append_new):
            with pytest.raises(Unstorable) as refused:
                offer([entry])
            assert customer_id not in str(refused.value)
        assert log.append([NewEvent("wishlist/ada", 1, received, NOW, META)]) == [1]


def test_only_a_version_that_is_taken_is_a_race(log: GatedLog) -> None:
    tried: list[int] = []

    def attempt(error: Exception) -> None:
        tried.append(1)
        raise error

    for error, raised in ((VersionTaken("taken"), Conflict), (Unstorable("no"), Unstorable)):
        tried.clear()
        with pytest.raises(raised):
            until_fastest(attempt, error)
        assert len(tried) == (races.ATTEMPTS if raised is Conflict else 1)


def test_a_retry_is_told_by_name_and_place_and_never_by_what_it_was_about(
    log: GatedLog,
) -> None:
    """Neither arguments nor PostgreSQL's message with its DETAIL, which quotes the row."""
    log.open.set()
    received = StripeEventReceived(event_id="e", body=b"{}", received_at=NOW, source="webhook")
    secret = NewEvent("order/of-ada-example", 1, received, NOW, META)
    log.append([secret])
    with capture_logs() as lines, pytest.raises(Conflict):
        until_fastest(log.append, [secret])
    told = [line for line in lines if line["event"] == "tried_again"]
    assert len(told) == races.ATTEMPTS - 1
    assert told[0]["attempt"] == 1
    assert told[0]["error"] == "VersionTaken (23505, stored_events_pkey)"
    assert told[0]["operation"].endswith("GatedLog.append")
    assert told[0]["where"][0].startswith("recorder.py:")
    assert "ada" not in str(lines)
    assert "select" not in str(lines).lower()
