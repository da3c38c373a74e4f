"""Take objects that Stripe's API showed into the log, where they say something new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, cast

from msgspec import json

from ledger.domain.accounts import qualified_id
from ledger.domain.events import (
    ConflictFound,
    Event,
    Metadata,
    NewEvent,
    RecordedEvent,
    StripeObjectNotTold,
    StripeObjectObserved,
)
from ledger.domain.streams import stream_of
from ledger.errors import Conflict, PermissionMissing, StripeNotFound, StripeRefused
from ledger.json_text import storable
from ledger.log import Log
from webhooks.cut_lists import completed
from webhooks.ingest.append import conflict_of
from webhooks.stripe_client import StripeClient

Outcome = Literal["new", "changed", "same"]
NewerReports = Callable[[str, Collection[str]], Collection[str]]
"""Of a kind's ids (with their accounts), those whose newest report was an event, not a fetch."""

TRIES: Final = 5
NEVER_CHANGES: Final = "balance_transaction"
_FOLLOWS: Final = {"balance_transaction": frozenset({"status"})}
"""Fields that follow from others: a transaction becomes available on `available_on`."""
_MADE_FOR_A_CALL: Final = ("_url", "_pdf", "_secret")
"""How names of fields end whose value Stripe makes for each call: links that end by themselves."""


def no_reports(_kind: str, _ids: Collection[str]) -> Collection[str]:
    """For a log that holds no events of these objects."""
    return ()


def append_observed(
    log: Log,
    objects: Sequence[StripeObjectObserved],
    meta: Metadata,
    newer_reports: NewerReports = no_reports,
) -> list[Outcome]:
    """Append each object that is new, or says something else than when it was fetched last.

    One answer for each, in order; no object may be there twice. What was last told by an event is
    appended even if it is as it was fetched before: the event may have told of a change that was
    taken back since. A balance transaction never changes: where one does, a conflict goes on
    record, and the first stays. Raises `StoreUnavailable`, and `Conflict` where other writers were
    faster again and again; trying again is safe.
    """
    streams = [str(stream_of(each)) for each in objects]
    for _ in range(TRIES):
        known = log.latest(streams)
        newer = _newer(objects, newer_reports)
        outcomes: list[Outcome] = []
        entries: list[NewEvent] = []
        for each, stream in zip(objects, streams, strict=True):
            last = known.get(stream)
            if last is None:
                outcomes.append("new")
                entries.append(NewEvent(stream, 1, each, each.fetched_at, meta))
            elif _says_the_same(last.event, each) and stream not in newer:
                outcomes.append("same")
            elif each.kind == NEVER_CHANGES:
                outcomes.append("changed")
                entries.append(_conflict(stream, each, last, meta))
            else:
                outcomes.append("changed")
                entries.append(NewEvent(stream, last.version + 1, each, each.fetched_at, meta))
        positions = log.append_new(entries)
        if all(
            position is not None or isinstance(entry.event, ConflictFound)
            for position, entry in zip(positions, entries, strict=True)
        ):
            return outcomes
    raise Conflict("Others fetch the same objects at the same time, again and again; try again.")


def append_not_told(
    log: Log,
    client: StripeClient,
    kind: str,
    object_id: str,
    path: str,
    *,
    refusal: StripeRefused,
    now: datetime,
    livemode: bool,
    meta: Metadata,
) -> None:
    """Append that an object was asked for in vain, once more; of two at a time one is kept.

    `now` is by Stripe's clock.
    """
    told = StripeObjectNotTold(
        kind=kind,
        object_id=object_id,
        path=path,
        cause=_cause_of(refusal),
        asked_at=now,
        livemode=livemode,
        account=client.account,
    )
    stream = str(stream_of(told))
    log.append_new([NewEvent(stream, log.version(stream) + 1, told, told.asked_at, meta)])


def _cause_of(refusal: StripeRefused) -> str:
    """Why an object is not told, in a word: see `StripeObjectNotTold`."""
    if isinstance(refusal, PermissionMissing):
        return refusal.permission
    return "not_found" if isinstance(refusal, StripeNotFound) else "refused"


def _newer(objects: Sequence[StripeObjectObserved], newer_reports: NewerReports) -> set[str]:
    """The streams of those that an event told of last."""
    by_kind: dict[str, dict[str, str]] = {}
    for each in objects:
        own_id = qualified_id(each.object_id, each.account)
        by_kind.setdefault(each.kind, {})[own_id] = str(stream_of(each))
    return {
        streams[own_id]
        for kind, streams in by_kind.items()
        for own_id in newer_reports(kind, streams)
    }


def _says_the_same(stored: Event, fetched: StripeObjectObserved) -> bool:
    if not isinstance(stored, StripeObjectObserved):
        return False  # it cannot be read any longer
    if stored.body == fetched.body and stored.rest == fetched.rest:
        return True
    try:
        return _content(stored) == _content(fetched)
    except (ValueError, RecursionError):
        return False


def _content(observed: StripeObjectObserved) -> Any:
    whole = completed(observed.body, observed.rest)
    return _lasting(json.decode(storable(whole)), _FOLLOWS.get(observed.kind, frozenset()))


def _lasting(value: Any, follows: frozenset[str] = frozenset()) -> Any:
    """What of an object is the same until somebody changes it."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            name: _lasting(child)
            for name, child in fields.items()
            if name not in follows and not name.endswith(_MADE_FOR_A_CALL)
        }
    if isinstance(value, list):
        return [_lasting(child) for child in cast("list[Any]", value)]
    return value


def _conflict(
    stream: str, fetched: StripeObjectObserved, stored: RecordedEvent, meta: Metadata
) -> NewEvent:
    event = stored.event
    body = event.body if isinstance(event, StripeObjectObserved) else None
    content = sha256(json.encode(_content(fetched), order="sorted")).hexdigest()
    return conflict_of(
        stream,
        (stored.position, body),
        fetched.body,
        other_content=content,
        source="pull",
        found_at=fetched.fetched_at,
        meta=meta,
    )
