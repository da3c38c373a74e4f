"""Events of the log for a reader: envelopes, contents, and what one object went through."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import asdict

from ledger.domain.events import Event, RecordedEvent, StripeEventReceived, StripeObjectObserved
from ledger.errors import InvalidRequest
from ledger.leaves import leaf_hash
from ledger.log import Log
from projections.audit import LINES
from projections.engine.build import Reader
from projections.engine.declare import Listing, Projection
from projections.engine.reads import Reads, rows
from projections.engine.tables import AnyCursor
from projections.links import RELATED
from projections.queries.answers import not_there
from projections.queries.listing import BEYOND, EARLIEST_FIRST, ORDER, Positions

AS_OF_EVENTS: Final = 10_000
READS: Final = ("audit", "links")

Shown = dict[str, Any]


class History(NamedTuple):
    """Lines of an object's history, and up to which position it was looked for them."""

    lines: list[Shown]
    position: int


class Known(NamedTuple):
    """Where the events stand that make up an object as of a position."""

    events: list[int]
    position: int


IsSigned = Callable[[bytes, str], bool]
"""Whether Stripe signed a body, by the header that came with it; the application passes it in."""


def between(log: Log, since: datetime | None, until: datetime | None) -> Positions:
    """What was recorded from one time on and before another."""
    after = 0 if since is None else _last_before(log, since)
    return Positions(after, BEYOND if until is None else _last_before(log, until) + 1)


def _last_before(log: Log, time: datetime) -> int:
    try:
        return log.position_at(time - timedelta(microseconds=1))
    except OverflowError:
        return 0


def positions(
    cursor: AnyCursor,
    kind: str,
    name: str,
    span: Positions = EARLIEST_FIRST,
    *,
    limit: int = AS_OF_EVENTS,
    others: Sequence[tuple[str, str]] = (),
) -> list[int]:
    """Where the events stand that touched an object or, for an order, its payments and theirs.

    Those that touched `others` (kinds and names) are among them.
    """
    kinds, names = zip((kind, name), *others, strict=True)
    found = rows(
        cursor,
        RELATED + ORDER[span.latest_first],
        kinds=list(kinds),
        ids=list(names),
        after=span.after,
        before=span.before,
        limit=limit,
    )
    return [row["position"] for row in found]


def history(
    reads: Reads,
    kind: str,
    name: str,
    span: Positions = EARLIEST_FIRST,
    *,
    limit: int = AS_OF_EVENTS,
    wait_for: int = 0,
) -> History:
    """The events of a span that touched an object, in the order of the span.

    Raises `NotFound` for an object that no event touched, in the span or not.
    """
    with reads.snapshot(READS, wait_for) as cursor:
        found = positions(cursor, kind, name, span, limit=limit)
        if not found and not positions(cursor, kind, name, limit=1):
            raise not_there(f"event of {kind}", name, cursor.position)
        lines = rows(cursor, LINES, positions=found)
        return History(lines[::-1] if span.latest_first else lines, cursor.position)


def known_at(
    reads: Reads,
    projection: Projection,
    name: str,
    position: int | None,
    *,
    since: int | None = None,
    wait_for: int = 0,
) -> Known:
    """Where the events stand that make up what was known of an object at a position.

    Without one: what is known now, or once everything up to `wait_for` is taken in. To know it at
    every position from `since` on takes the events of what its row rested on meanwhile, too.
    """
    listing = projection.listing
    assert listing is not None
    assert listing.link is not None
    upto = BEYOND if position is None else position
    read = (*READS, projection.name)
    with reads.snapshot(read, wait_for if position is None else position) as cursor:
        reached = cursor.position if position is None else position
        others = _others(cursor, listing, name, upto + 1 if since is None else since, upto)
        found = positions(cursor, listing.link, name, limit=AS_OF_EVENTS + 1, others=others)
    if len(found) > AS_OF_EVENTS:
        raise InvalidRequest(
            f"More than {AS_OF_EVENTS} events touch this {listing.link}; too many to fold."
        )
    return Known([each for each in found if each <= upto], reached)


def _others(
    cursor: AnyCursor, listing: Listing, name: str, since: int, upto: int
) -> list[tuple[str, str]]:
    if listing.rests_on is None:
        return []
    found = rows(cursor, listing.rests_on, id=name, since=since, upto=upto)
    return [(row["kind"], row["id"]) for row in found]


def envelope(recorded: RecordedEvent, reader: Reader) -> Shown:
    """Where, when and by whom: everything but what the event holds.

    When it happened is what its facts say, Stripe's `created` for an event of Stripe's: the same
    in a history, in the audit log, and here.
    """
    moment, _ = reader(recorded)
    return {
        "position": recorded.position,
        "source": recorded.stream,
        "version": recorded.version,
        "topic": recorded.topic,
        "recorded_at": recorded.recorded_at,
        "effective_at": moment.effective_at,
        "meta": asdict(recorded.meta),
    }


def contents(event: Event) -> Shown:
    """What an event holds; Stripe's body verbatim, as text or (where it is none) as base64."""
    if not isinstance(event, StripeEventReceived | StripeObjectObserved):  # bytes become base64
        return msgspec.json.decode(msgspec.json.encode(event))
    try:
        body = {"body": event.body.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        body = {"body": b64encode(event.body).decode(), "encoding": "base64"}
    told = {name: value for name, value in asdict(event).items() if name not in _NOT_SHOWN}
    return told | body


_NOT_SHOWN = ("body", "signed_by")


def signature_check(event: Event, is_signed: IsSigned) -> str | None:
    """What a check of Stripe's signature says now; None for an event that is not Stripe's.

    `valid`, `no_present_secret_fits` (the secret was replaced, or the body is not Stripe's), or
    `not_signed`: what was imported or pulled came without a signature.
    """
    if isinstance(event, StripeObjectObserved):
        return "not_signed"
    if not isinstance(event, StripeEventReceived):
        return None
    if event.signature is None:
        return "not_signed"
    return "valid" if is_signed(event.body, event.signature) else "no_present_secret_fits"


def event_at(reads: Reads, position: int, is_signed: IsSigned) -> Shown:
    """One event with all it holds, its leaf hash and signature checked again; raises `NotFound`."""
    log: Log = reads.engine.log
    found: Sequence[RecordedEvent] = log.at([position])
    if not found:
        raise not_there("event", f"{position}", log.head())
    event = found[0].event
    stored = log.stored(position)
    assert stored is not None, "an event that was read is there"
    leaf = {
        "leaf_hash": stored.leaf_hash.hex(),
        "leaf_hash_fits": stored.leaf_hash == leaf_hash(stored),
    }
    checked = {"signature_check": signature_check(event, is_signed)}
    return envelope(found[0], reads.engine.reader) | leaf | checked | {"data": contents(event)}
