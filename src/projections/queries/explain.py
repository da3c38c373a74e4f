"""Explain: which event made each column of an object, and each row within it, what it is.

The object's own events are taken in one after the other, into temporary tables by the same code
that keeps the live ones, and what `GET` shows of it is looked at after each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from ledger.errors import InvalidRequest
from projections.audit import LINES
from projections.engine.declare import Projection
from projections.engine.reads import Reads, rows
from projections.engine.row import Part
from projections.queries import history
from projections.queries.answers import AS_OF, not_there
from projections.queries.history import Shown
from projections.queries.listing import Lister

EXPLAINED_EVENTS: Final = 500
SHOWN: Final = (
    "position",
    "kind",
    "effective_at",
    "recorded_at",
    "source",
    "actor",
    "actor_name",
    "reason",
)


class Step(NamedTuple):
    """What one event changed of an object, and what that was afterwards; see `_changed`."""

    position: int
    changed: dict[str, tuple[Any, Any]]
    after: Shown


def steps(
    reads: Reads, projection: Projection, name: str, known: Sequence[int], positions: Sequence[int]
) -> Iterator[Step]:
    """What each of the events at `positions` changed of an object, those at `known` taken as given.

    What is not there yet is empty, as if all its columns were None and its parts had no rows.
    """
    listing = projection.listing
    assert listing is not None
    lister = Lister(listing)
    with reads.replay(projection.name, known) as (cursor, copy):
        before = lister.whole(cursor, name) or {}
        for event in reads.engine.log.at(positions):
            copy.flush(copy.fold([event]))
            after = lister.whole(cursor, name) or {}
            yield Step(event.position, _changed(listing.parts, before, after), after)
            before = after


def _changed(parts: Mapping[str, Part], before: Shown, after: Shown) -> dict[str, tuple[Any, Any]]:
    """By column, the value before and after; by part, its rows that differ, side by side."""
    pairs = {
        name: _rows_changed(parts[name], before.get(name, []), after.get(name, []))
        if name in parts
        else (before.get(name), after.get(name))
        for name in after or before
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _rows_changed(
    part: Part, before: Sequence[Shown], after: Sequence[Shown]
) -> tuple[list[Shown | None], list[Shown | None]]:
    """The rows of a part that differ, each beside itself as it became; None where it is not."""
    old, new = _by_key(part, before), _by_key(part, after)
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [old.get(key) for key in keys], [new.get(key) for key in keys]


def _by_key(part: Part, found: Sequence[Shown]) -> dict[tuple[Any, ...], Shown]:
    """Rows by what they go by and, where Stripe gave two of them the same, their number."""
    numbers = defaultdict[tuple[Any, ...], "count[int]"](count)
    return {(key := part.key_of(row), next(numbers[key])): row for row in found}


def with_changes(reads: Reads, projection: Projection, name: str, page: list[Shown]) -> list[Shown]:
    """A page of an object's history, each line with what `changed` by its event."""
    if not page:
        return page
    first, last = sorted((page[0]["position"], page[-1]["position"]))
    found = history.known_at(reads, projection, name, last, since=first).events
    shown = bisect_left(found, first)
    walked = steps(reads, projection, name, found[:shown], found[shown:])
    made = {step.position: step.changed for step in walked}
    return [line | {"changed": made[line["position"]]} for line in page]


def explain(
    reads: Reads,
    projection: Projection,
    name: str,
    *,
    as_of: int | None = None,
    wait_for: int = 0,
) -> Shown:
    """For each column and part of an object, its value and the events that made it so, in order.

    As it was known at a position, or is known now: see `history.known_at`.
    Raises `NotFound` for what has no row, `InvalidRequest` where there are too many events.
    """
    known = history.known_at(reads, projection, name, as_of, since=0, wait_for=wait_for)
    found = known.events
    if len(found) > EXPLAINED_EVENTS:
        raise InvalidRequest(
            f"{len(found)} events touch {name[:100]!r}, more than the {EXPLAINED_EVENTS} that are"
            " explained at once; its history with `changes` goes page by page."
        )
    walked = list(steps(reads, projection, name, (), found))
    if not walked or not walked[-1].after:
        assert projection.listing is not None
        raise not_there(projection.listing.noun, name, known.position)
    lines = _lines(reads, found)
    fields = {
        column: {"value": value, "changes": list(_changes(walked, lines, column))}
        for column, value in walked[-1].after.items()
    }
    return {
        "id": name,
        "position": found[-1],
        "events": len(found),
        "fields": fields,
        AS_OF: known.position,
    }


def _changes(walked: Sequence[Step], lines: Mapping[int, Shown], column: str) -> Iterator[Shown]:
    for step in walked:
        if column in step.changed:
            before, after = step.changed[column]
            yield lines[step.position] | {"before": before, "after": after}


def _lines(reads: Reads, positions: list[int]) -> dict[int, Shown]:
    with reads.snapshot(["audit"], positions[-1]) as cursor:
        found = rows(cursor, LINES, positions=positions)
    return {line["position"]: {column: line[column] for column in SHOWN} for line in found}
