"""Take Stripe events into the log, each id once, and say what became of each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import repeat
from typing import Literal, NamedTuple

from msgspec import Struct

from ledger.domain.accounts import qualified_id
from ledger.domain.events import ConflictFound, Event, Metadata, NewEvent, StripeEventReceived
from ledger.log import APPEND_BYTES, APPEND_EVENTS, Log
from webhooks.translate.objects import account_of, content_sha256, same_event

Outcome = Literal["appended", "duplicate", "conflict"]


class Taken(NamedTuple):
    """What became of an event; `position` is where that of its id and account stands in the log.

    A `duplicate` says what the stored event says, a `conflict` something else: the first stays.
    """

    position: int
    outcome: Outcome


def append_events(log: Log, events: Sequence[StripeEventReceived], meta: Metadata) -> list[Taken]:
    """Append the events whose ids are new, in one transaction; one answer for each, in order.

    Ids are an account's: two accounts may have the same. Events of one id among `events` are
    compared with each other as well: the first is stored. A conflict goes on record, once for the
    same content. Raises `StoreUnavailable`; whether the events were stored is then not known, and
    trying again is safe.
    """
    streams = _streams(log, events)
    positions = log.append_new(list(map(_entry, streams, events, repeat(meta))))
    offered = list(zip(streams, events, positions, strict=True))
    stored = _stored(log, [stream for stream, _, position in offered if position is None])
    taken = [
        Taken(position, "appended") if position else _compared(event, *stored[stream])
        for stream, event, position in offered
    ]
    conflicts = [
        conflict_of(
            stream,
            stored[stream],
            event.body,
            other_content=content_sha256(event.body),
            source=event.source,
            found_at=event.received_at,
            meta=meta,
        )
        for (stream, event, _), each in zip(offered, taken, strict=True)
        if each.outcome == "conflict"
    ]
    if conflicts:
        log.append_new(conflicts)
    return taken


class Offer(NamedTuple):
    """An event on its way into the log, and where it was found, for the report."""

    where: str
    event: StripeEventReceived


class Difference(Struct, frozen=True):
    """An event that was not stored: `stored_position` holds another content under its id."""

    where: str
    event_id: str
    stored_position: int


class Rejection(Struct, frozen=True):
    """Something that is no Stripe event."""

    where: str
    cause: str


class IngestReport(Struct, kw_only=True):
    """What became of everything that was offered; `conflicts` and `rejected` were not stored."""

    appended: int = 0
    duplicates: int = 0
    conflicts: list[Difference] = []
    rejected: list[Rejection] = []

    def count(self, offer: Offer, taken: Taken) -> None:
        """Count what became of one event."""
        match taken.outcome:
            case "appended":
                self.appended += 1
            case "duplicate":
                self.duplicates += 1
            case "conflict":
                difference = Difference(offer.where, offer.event.event_id, taken.position)
                self.conflicts.append(difference)


def append_all(
    log: Log, offers: Iterable[Offer], meta: Metadata, report: IngestReport
) -> Iterator[None]:
    """Take in batch after batch, and count into `report`; pauses after each commit."""
    for batch in _batches(offers):
        taken = append_events(log, [offer.event for offer in batch], meta)
        for offer, outcome in zip(batch, taken, strict=True):
            report.count(offer, outcome)
        yield


def _batches(offers: Iterable[Offer]) -> Iterator[list[Offer]]:
    """What one append takes: up to `APPEND_EVENTS` and `APPEND_BYTES`, or one larger event."""
    batch: list[Offer] = []
    size = 0
    for offer in offers:
        size += len(offer.event.body)
        if batch and (size > APPEND_BYTES or len(batch) == APPEND_EVENTS):
            yield batch
            batch, size = [], len(offer.event.body)
        batch.append(offer)
    if batch:
        yield batch


def _streams(log: Log, events: Sequence[StripeEventReceived]) -> list[str]:
    """Where each event belongs: an id is one event of one account.

    Logs of before streams named accounts hold those of connected ones under the id alone, and what
    is there already stays there.
    """
    accounts = [_account(event) for event in events]
    connected = [event for event, account in zip(events, accounts, strict=True) if account]
    before = _stored(log, [_stream(event, None) for event in connected])
    return [
        _stream(event, None if _is_stored(event, account, before) else account)
        for event, account in zip(events, accounts, strict=True)
    ]


def _is_stored(
    event: StripeEventReceived, account: str | None, before: Mapping[str, tuple[int, bytes | None]]
) -> bool:
    found = before.get(_stream(event, None))
    return found is not None and account_of(found[1] or b"") == account


def _account(event: StripeEventReceived) -> str | None:
    """Whose event it is: its body says so, or else the list that showed it."""
    return account_of(event.body) or event.account


def _stream(event: StripeEventReceived, account: str | None) -> str:
    return f"stripe/{qualified_id(event.event_id, account)}"


def _entry(stream: str, event: StripeEventReceived, meta: Metadata) -> NewEvent:
    return NewEvent(stream, 1, event, event.received_at, meta)


def _stored(log: Log, streams: Iterable[str]) -> dict[str, tuple[int, bytes | None]]:
    """Position and body of what the log holds in these streams."""
    after_versions = dict.fromkeys(streams, 0)
    if not after_versions:
        return {}
    return {
        recorded.stream: (recorded.position, _body(recorded.event))
        for recorded in log.streams(after_versions)
    }


def _body(event: Event) -> bytes | None:
    """What a stored event holds; None if it cannot be read any longer."""
    return event.body if isinstance(event, StripeEventReceived) else None


def _compared(event: StripeEventReceived, position: int, body: bytes | None) -> Taken:
    is_same = body is not None and same_event(body, event.body)
    return Taken(position, "duplicate" if is_same else "conflict")


def conflict_of(
    stream: str,
    stored: tuple[int, bytes | None],
    other: bytes,
    *,
    other_content: str,
    source: str,
    found_at: datetime,
    meta: Metadata,
) -> NewEvent:
    """What goes on record of a conflict, in a stream of the other content, and so once.

    `stored` is the position and the bytes of the first content, None where they cannot be read;
    `other_content` is a hash of what is compared of the other one.
    """
    position, body = stored
    found = ConflictFound(
        event_id=stream.removeprefix("stripe/"),
        stored_position=position,
        stored_sha256=None if body is None else sha256(body).hexdigest(),
        other_sha256=sha256(other).hexdigest(),
        source=source,
    )
    content = sha256(f"{stream}\n{other_content}".encode()).hexdigest()
    return NewEvent(f"conflict/{content}", 1, found, found_at, meta)
