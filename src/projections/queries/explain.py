"""Explain: which event made each column of an object's row what it is.

The object's own events are taken in one after the other, into temporary tables by the same code
that keeps the live ones, and the row is looked at after each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.errors import InvalidRequest, NotFound
from projections.audit import LINES
from projections.engine.declare import Projection
from projections.engine.reads import Reads, rows
from projections.queries import history
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
    """What one event changed in a row (by column, the value before and after it), and the row."""

    position: int
    changed: dict[str, tuple[Any, Any]]
    row: Shown


def steps(
    reads: Reads, projection: Projection, name: str, known: Sequence[int], positions: Sequence[int]
) -> Iterator[Step]:
    """What each of the events at `positions` changed in a row, those at `known` taken as given.

    A row that is not there yet is empty, as if all its columns were None.
    """
    assert projection.listing is not None
    lister = Lister(projection.listing)
    with reads.replay(projection.name, known) as (cursor, copy):
        before = lister.one(cursor, name) or {}
        for event in reads.engine.log.at(positions):
            copy.flush(copy.fold([event]))
            after = lister.one(cursor, name) or {}
            yield Step(event.position, _changed(before, after), after)
            before = after


def _changed(before: Shown, after: Shown) -> dict[str, tuple[Any, Any]]:
    columns = after or before
    pairs = {column: (before.get(column), after.get(column)) for column in columns}
    return {column: pair for column, pair in pairs.items() if pair[0] != pair[1]}


def with_changes(reads: Reads, projection: Projection, name: str, page: list[Shown]) -> list[Shown]:
    """A page of an object's history, each line with what `changed` by its event."""
    if not page:
        return page
    first, last = sorted((page[0]["position"], page[-1]["position"]))
    found = history.known_at(reads, projection, name, last, since=first)
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
    """For each column of an object's row, its value and the events that made it so, in order.

    As it was known at a position, or is known now: see `history.known_at`.
    Raises `NotFound` for what has no row, `InvalidRequest` where there are too many events.
    """
    found = history.known_at(reads, projection, name, as_of, since=0, wait_for=wait_for)
    if len(found) > EXPLAINED_EVENTS:
        raise InvalidRequest(
            f"{len(found)} events touch {name[:100]!r}, more than the {EXPLAINED_EVENTS} that are"
            " explained at once; its history with `changes` goes page by page."
        )
    walked = list(steps(reads, projection, name, (), found))
    if not walked or not walked[-1].row:
        raise NotFound(f"{projection.name} has no {name[:100]!r}.")
    lines = _lines(reads, found)
    fields = {
        column: {"value": value, "changes": list(_changes(walked, lines, column))}
        for column, value in walked[-1].row.items()
    }
    return {"id": name, "position": found[-1], "events": len(found), "fields": fields}


def _changes(walked: Sequence[Step], lines: Mapping[int, Shown], column: str) -> Iterator[Shown]:
    for step in walked:
        if column in step.changed:
            before, after = step.changed[column]
            yield lines[step.position] | {"before": before, "after": after}


def _lines(reads: Reads, positions: list[int]) -> dict[int, Shown]:
    with reads.snapshot(["audit"], positions[-1]) as cursor:
        found = rows(cursor, LINES, positions=positions)
    return {line["position"]: {column: line[column] for column in SHOWN} for line in found}
