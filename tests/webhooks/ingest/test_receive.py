"""Deliveries share transactions, and yet each has an answer of its own."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from threading import Event
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from ledger.domain.events import NewEvent, StripeEventReceived
from ledger.errors import StoreUnavailable
from ledger.log import APPEND_BYTES, APPEND_EVENTS, Log
from ledger.postgres.database import Database
from ledger.postgres.supervisor import EmbeddedPostgres
from simulator import sign
from tests.support import loops
from tests.support.servers import Server, short_lived_home
from webhooks.ingest import receive
from webhooks.ingest.receive import Receipt, Receiver
from webhooks.ingest.signature import verify_signature

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SECRET = "whsec_test"


class SlowLog(Log):
    """The log; notes the size of every append, and holds appends back while `open` is clear."""

    name = ""  # the library would name tables after the class

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo)
        self.open = Event()
        self.open.set()
        self.started = Event()
        self.appends: list[list[str]] = []

    def append_new(self, entries: Sequence[NewEvent]) -> Sequence[int | None]:
        self.appends.append([entry.originator_id for entry in entries])
        self.started.set()
        self.open.wait()
        return super().append_new(entries)


@pytest.fixture
def log(database: Database) -> Iterator[SlowLog]:
    with SlowLog(database.conninfo("app")) as log:
        yield log
        log.open.set()


def event(number: int, **changes: object) -> bytes:
    fields = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.created",
        "created": 1_767_600_000,
        "data": {"object": {"id": f"cus_{number}", "object": "customer"}},
        "livemode": False,
    }
    return json.dumps(fields | changes).encode()


def run(log: Log, story: Callable[[Receiver], Coroutine[Any, Any, Any]]) -> Any:
    """What the story answers, told with a receiver."""

    async def main() -> Any:
        async with Receiver(log) as receiver:
            return await story(receiver)

    return loops.run(main())


def deliver(receiver: Receiver, body: bytes) -> asyncio.Task[Receipt]:
    return asyncio.ensure_future(receiver.receive(body, "t=1,v1=x", NOW))


async def deliver_again(receiver: Receiver, body: bytes) -> Receipt:
    for _ in range(10):
        with suppress(StoreUnavailable):
            return await deliver(receiver, body)
    raise AssertionError("the store did not come back")


async def all_of(tasks: Sequence[asyncio.Task[Receipt]]) -> list[Receipt | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def first_commit_started(log: SlowLog) -> None:
    await asyncio.to_thread(log.started.wait, 10)


def stored(log: Log) -> list[StripeEventReceived]:
    return [r.event for r in log.read() if isinstance(r.event, StripeEventReceived)]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_arrives_during_a_commit_shares_the_next_one(log: SlowLog) -> None:
    async def story(receiver: Receiver) -> list[Receipt | BaseException]:
        log.open.clear()
        first = deliver(receiver, event(0))
        await first_commit_started(log)
        rest = [deliver(receiver, event(n)) for n in range(1, 100)]
        await asyncio.sleep(0)
        log.open.set()
        return await all_of([first, *rest])

    receipts = run(log, story)
    assert [len(append) for append in log.appends] == [1, 99]
    assert receipts == [Receipt(n, duplicate=False) for n in range(1, 101)]
    assert [e.event_id for e in stored(log)] == [f"evt_{n}" for n in range(100)]


def test_a_receipt_comes_after_the_commit(log: SlowLog) -> None:
    async def story(receiver: Receiver) -> Receipt:
        log.open.clear()
        delivery = deliver(receiver, event(1))
        await first_commit_started(log)
        await asyncio.sleep(0.02)
        assert not delivery.done()
        log.open.set()
        return await delivery

    assert run(log, story).position == log.head() == 1


def test_one_transaction_takes_so_many_events_and_bytes(log: SlowLog) -> None:
    long = "x" * (APPEND_BYTES // 4)

    async def story(receiver: Receiver) -> None:
        small = [event(n) for n in range(APPEND_EVENTS + 1)]
        large = [event(1000 + n, padding=long) for n in range(5)]
        await all_of([deliver(receiver, body) for body in small + large])

    run(log, story)
    assert [len(append) for append in log.appends] == [256, 4, 2]
    assert log.head() == APPEND_EVENTS + 6


def test_fifty_deliveries_of_one_event_store_one(log: SlowLog) -> None:
    async def story(receiver: Receiver) -> list[Receipt | BaseException]:
        return await all_of([deliver(receiver, event(7)) for _ in range(50)])

    receipts = run(log, story)
    assert sorted(receipts) == [Receipt(1, duplicate=False)] + [Receipt(1, duplicate=True)] * 49
    assert log.head() == 1


def test_a_later_delivery_is_a_duplicate_whatever_stripe_may_change_in_it(log: SlowLog) -> None:
    async def story(receiver: Receiver) -> list[Receipt]:
        again = json.dumps(json.loads(event(1, pending_webhooks=3)), indent=2, sort_keys=True)
        return [await deliver(receiver, event(1)), await deliver(receiver, again.encode())]

    before = counted("ledger_webhook_events_total", outcome="duplicate")
    with capture_logs() as alarms:
        assert run(log, story) == [Receipt(1, duplicate=False), Receipt(1, duplicate=True)]
    assert counted("ledger_webhook_events_total", outcome="duplicate") == before + 1
    assert alarms == []
    assert [e.body for e in stored(log)] == [event(1)]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize(
    "other", [{"type": "customer.deleted"}, {"created": 1}, {"data": {"object": {"id": "cus_2"}}}]
)
def test_other_content_under_one_id_is_an_alarm(
    log: SlowLog, other: dict[str, object], *, together: bool
) -> None:
    """The first content stays; the sender gets no error, the operator an alarm without content."""

    async def story(receiver: Receiver) -> None:
        first = deliver(receiver, event(1))
        if not together:
            await first
        assert await deliver(receiver, event(1, **other)) == Receipt(1, duplicate=True)
        assert await first == Receipt(1, duplicate=False)

    before = counted("ledger_webhook_events_total", outcome="conflict")
    with capture_logs() as alarms:
        run(log, story)
    assert counted("ledger_webhook_events_total", outcome="conflict") == before + 1
    assert alarms == [
        {
            "event": "SameIdOtherContent",
            "log_level": "error",
            "event_id": "evt_1",
            "stored_position": 1,
        }
    ]
    assert [e.body for e in stored(log)] == [event(1)]


VERBATIM = {
    "compact": b'{"id":"evt_1","type":"a","created":1,"data":{"object":{}}}',
    "pretty": json.dumps(json.loads(event(1)), indent=2).encode(),
    "white space": b' \r\n\t{"id": "evt_1" ,"type":"a","created":1,"data":{"object":{}}}\n',
    "letters of all kinds": event(1, note="x").replace(b'"x"', '"Zoë 日本 🙂\u2028"'.encode()),
    "escapes": event(1, note="x").replace(b'"x"', rb'"\u00e9\/\ud83d\ude42\u0000"'),
    "a lone surrogate": event(1, note="x").replace(b'"x"', rb'"\ud83d"'),
    "odd numbers": event(1, note="x").replace(b'"x"', b"[1.0,1E2,-0,12345678901234567890]"),
    "a key twice": event(1).replace(b'"livemode"', b'"note": 1, "note": 2, "livemode"'),
}


@pytest.mark.parametrize("body", VERBATIM.values(), ids=VERBATIM)
def test_the_body_is_stored_byte_for_byte(log: SlowLog, body: bytes) -> None:
    """Years later its signature can still be checked."""
    header = sign(body, SECRET, int(NOW.timestamp()))
    run(log, lambda receiver: receiver.receive(body, header, NOW))
    [recorded] = log.read()
    kept = recorded.event
    assert isinstance(kept, StripeEventReceived)
    assert (kept.body, kept.signature, kept.event_id) == (body, header, "evt_1")
    assert (kept.source, kept.received_at, recorded.effective_at) == ("webhook", NOW, NOW)
    assert (recorded.stream, recorded.version, recorded.meta.actor) == ("stripe/evt_1", 1, "stripe")
    verify_signature(kept.body, kept.signature, [SECRET], kept.received_at)


def test_what_is_no_event_is_stored_under_the_hash_of_its_bytes(log: SlowLog) -> None:
    """It was signed, or nobody would hand it in."""
    for duplicate in (False, True):
        receipt = run(log, lambda receiver: receiver.receive(b"{}", None, NOW))
        assert receipt == Receipt(1, duplicate=duplicate)
    (event,) = stored(log)
    assert (event.event_id, event.body) == (f"sha256-{sha256(b'{}').hexdigest()}", b"{}")


def test_one_failure_spares_its_neighbours(log: SlowLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes one event impossible to store, the others of its batch are stored."""

    class Impossible(Exception):
        pass

    append_new = log.append_new

    def refusing(entries: Sequence[NewEvent]) -> Sequence[int | None]:
        if any(entry.originator_id == "stripe/evt_3" for entry in entries):
            raise Impossible
        return append_new(entries)

    monkeypatch.setattr(log, "append_new", refusing)

    async def story(receiver: Receiver) -> list[Receipt | BaseException]:
        return await all_of([deliver(receiver, event(n)) for n in range(1, 6)])

    receipts = run(log, story)
    assert isinstance(receipts.pop(2), Impossible)
    assert receipts == [Receipt(n, duplicate=False) for n in range(1, 5)]
    assert [e.event_id for e in stored(log)] == ["evt_1", "evt_2", "evt_4", "evt_5"]


def test_a_caller_who_goes_away_takes_nobody_along(log: SlowLog) -> None:
    async def story(receiver: Receiver) -> list[Receipt | BaseException]:
        log.open.clear()
        committing = deliver(receiver, event(1))
        await first_commit_started(log)
        waiting, staying = deliver(receiver, event(2)), deliver(receiver, event(3))
        await asyncio.sleep(0)
        committing.cancel()
        waiting.cancel()
        log.open.set()
        return await all_of([committing, waiting, staying])

    receipts = run(log, story)
    assert [type(receipt) for receipt in receipts[:2]] == [asyncio.CancelledError] * 2
    assert receipts[2] == Receipt(3, duplicate=False)


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_WAITING_EVENTS", 3), ("MAX_WAITING_BYTES", 3 * len(event(1)))]
)
def test_only_so_many_wait(
    log: SlowLog, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(receive, limit, value)

    async def story(receiver: Receiver) -> list[Receipt | BaseException]:
        log.open.clear()
        committing = deliver(receiver, event(1))
        await first_commit_started(log)
        waiting = [deliver(receiver, event(n)) for n in range(2, 7)]
        await asyncio.wait(waiting, timeout=0.02)
        log.open.set()
        receipts = await all_of([committing, *waiting])
        assert await deliver(receiver, event(9)) == Receipt(5, duplicate=False)
        return receipts

    receipts = run(log, story)
    assert receipts[:4] == [Receipt(n, duplicate=False) for n in range(1, 5)]
    assert [type(receipt) for receipt in receipts[4:]] == [StoreUnavailable] * 2


def test_stopping_commits_what_waits_and_takes_no_more(log: SlowLog) -> None:
    async def main() -> tuple[list[Receipt | BaseException], BaseException | None]:
        async with Receiver(log) as receiver:
            log.open.clear()
            tasks = [deliver(receiver, event(1))]
            await first_commit_started(log)
            tasks.append(deliver(receiver, event(2)))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.02, log.open.set)
        late = deliver(receiver, event(3))
        await asyncio.wait([late])
        return await all_of(tasks), late.exception()

    receipts, late = loops.run(main())
    assert receipts == [Receipt(1, duplicate=False), Receipt(2, duplicate=False)]
    assert isinstance(late, StoreUnavailable)


def test_the_store_goes_and_comes_back() -> None:
    """Every caller hears of it, and the same receiver stores again when the database is there.

    A pooled connection that the server closed may cost one more answer; Stripe tries again too.
    """

    async def story(receiver: Receiver, postgres: EmbeddedPostgres) -> None:
        assert await deliver(receiver, event(1)) == Receipt(1, duplicate=False)
        await asyncio.to_thread(postgres.stop)
        try:
            lost = await all_of([deliver(receiver, event(n)) for n in range(1, 6)])
        finally:
            await asyncio.to_thread(postgres.start)
        assert [type(answer) for answer in lost] == [StoreUnavailable] * 5
        assert await deliver_again(receiver, event(1)) == Receipt(1, duplicate=True)
        again = await all_of([deliver(receiver, event(n)) for n in range(2, 6)])
        assert again == [Receipt(n, duplicate=False) for n in range(2, 6)]

    with short_lived_home() as home, EmbeddedPostgres(home) as postgres:
        database = Server(postgres).create()
        with Log(database.conninfo("app")) as log:
            run(log, lambda receiver: story(receiver, postgres))
            assert log.head() == 5
