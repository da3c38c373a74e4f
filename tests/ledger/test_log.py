"""The log gives back exactly what went in, in one order, and says how it was stored."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.events import (
    Metadata,
    NewEvent,
    RecordedEvent,
    StockAdjusted,
    StockReceived,
    StripeEventReceived,
)
from ledger.errors import StoreUnavailable, UnknownTopic
from ledger.log import Log
from ledger.mapper import LedgerMapper
from ledger.postgres.database import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


def received(sku: str, version: int = 1, quantity: int = 5) -> NewEvent:
    meta = Metadata(actor="shop", reason="delivery")
    return NewEvent(f"stock/{sku}", version, StockReceived(sku=sku, quantity=quantity), NOON, meta)


def stripe(event_id: str, body: bytes, signature: str | None = None) -> NewEvent:
    event = StripeEventReceived(
        event_id=event_id, body=body, received_at=NOON, source="webhook", signature=signature
    )
    return NewEvent(f"stripe/{event_id}", 1, event, NOON, Metadata(actor="stripe"))


def body_of(recorded: RecordedEvent) -> bytes:
    assert isinstance(recorded.event, StripeEventReceived)
    return recorded.event.body


@pytest.mark.every_server
def test_what_goes_in_comes_out(log: Log):
    entries = [received("A"), stripe("evt_1", b'{"id": "evt_1"}', "t=1,v1=ab"), received("A", 2)]
    assert log.append(entries) == [1, 2, 3]
    out = log.read()
    assert [NewEvent(r.stream, r.version, r.event, r.effective_at, r.meta) for r in out] == entries
    assert [r.position for r in out] == [1, 2, 3]
    assert log.head() == 3


def test_reading_by_position_stream_and_number(log: Log):
    log.append([received("A"), received("B"), received("A", 2), received("C")])
    assert [r.position for r in log.read(1, upto=3)] == [2, 3]
    assert [r.position for r in log.read(limit=2)] == [1, 2]
    assert [r.position for r in log.at([4, 1, 99])] == [1, 4]
    assert [r.version for r in log.stream("stock/A")] == [1, 2]
    assert [r.position for r in log.streams({"stock/A": 1, "stock/C": 0})] == [3, 4]


def test_a_taken_version_fails_the_whole_append(log: Log):
    log.append([received("A")])
    with pytest.raises(IntegrityError):
        log.append([received("B"), received("A")])
    assert log.head() == 1


def test_new_events_only(log: Log):
    log.append([stripe("evt_1", b"{}")])
    assert log.append_new([stripe("evt_2", b"{}"), stripe("evt_1", b'{"other": 1}')]) == [2, None]
    assert body_of(log.at([1])[0]) == b"{}"


def test_recorded_times_never_decrease_and_answer_as_of(log: Log):
    log.append([received("A", n) for n in range(1, 4)])
    log.append([received("B")])
    first, *_, last = log.read()
    assert first.recorded_at <= last.recorded_at
    assert log.position_at(first.recorded_at - timedelta(microseconds=1)) == 0
    assert log.position_at(first.recorded_at) == 3
    assert log.position_at(last.recorded_at) == 4


@pytest.mark.every_server
def test_the_leaf_hash_is_what_the_design_says(log: Log, database: Database):
    """0x00 ‖ format version ‖ the stored bytes, each text and the state prefixed by its length."""
    log.append([received("Ä"), stripe("evt_1", b'{"a": 1}')])
    with database.connect("reader") as conn:
        rows = conn.execute(
            "select notification_id, originator_id, originator_version, topic, recorded_at, state,"
            " leaf_hash from ledger.stored_events order by 1"
        ).fetchall()
    for position, stream, version, topic, at, state, leaf_hash in rows:
        microseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        parts = b"\x00\x01" + position.to_bytes(8)
        parts += len(stream.encode()).to_bytes(4) + stream.encode() + version.to_bytes(8)
        parts += len(topic.encode()).to_bytes(4) + topic.encode() + microseconds.to_bytes(8)
        parts += len(state).to_bytes(4) + state
        assert leaf_hash == hashlib.sha256(parts).digest()


HOSTILE_BODIES = [
    b'{"id": "evt_1"}',
    b' {"id": "evt_1"}',
    b'{"id": "evt_1"}\n',
    b'{\n  "id" : "evt_1" ,\t"z": 1.0e5, "z": 2}',
    b'{"a": "\\u0000\\ud800", "b": "\xc3\xa9"}',
    b'{"a": 123456789012345678901234567890}',
    b"\xff\xfe not json",
    b"",
    b"null",
]


@pytest.mark.parametrize("body", HOSTILE_BODIES)
def test_a_body_is_kept_byte_for_byte(log: Log, body: bytes):
    log.append([stripe("evt_1", body)])
    assert body_of(log.read()[0]) == body


@given(body=st.binary() | st.text().map(str.encode) | st.from_regex(rb'\s*\{"a": [^"]*\}\s*'))
def test_any_body_is_kept_byte_for_byte(body: bytes):
    mapper = LedgerMapper(None)  # pyright: ignore[reportArgumentType] - it needs no transcoder
    entry = stripe("evt_1", body)
    assert mapper.to_domain_event(mapper.to_stored_event(entry)) == entry


def test_an_unknown_topic_is_said_clearly(log: Log):
    entry = NewEvent("stock/A", 1, StockAdjusted(sku="A", change=1), NOON, Metadata())
    stored = log.mapper.to_stored_event(entry)
    with pytest.raises(UnknownTopic, match=r"stock\.teleported\.v1"):
        log.mapper.open("stock.teleported.v1", stored.state)


def test_the_library_reads_what_we_append(log: Log):
    """The library's own event store and notification log see the same events."""
    log.append([received("A"), received("A", 2)])
    assert list(log.events.get("stock/A", gt=1)) == [received("A", 2)]
    assert [n.id for n in log.notification_log.select(start=1, limit=10)] == [1, 2]


def test_a_database_that_is_away_is_said_clearly():
    with pytest.raises(StoreUnavailable):
        Log("host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=1")
