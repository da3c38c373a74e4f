"""States of events that left the database for the archive, read back for whoever asks the log."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from psycopg import Cursor

from ledger.archive.segments import GROUP_EVENTS, NAME, as_stored, schema
from ledger.archive.store import Store, arrow
from ledger.errors import ArchiveUnavailable

GROUPS: Final = 4
"""So many row groups of segments are kept at hand, about 25 MB each."""

NOWHERE: Final = (
    "States of old events left the database for the archive, and LEDGER_ARCHIVE does not say where"
    " that is: set it to what it was when they left."
)


LEAVES: Final = """
select e.notification_id, e.leaf_hash
from ledger.stored_events as e
where e.notification_id = any(%s) and exists (
    select from ledger.offloaded as o
    where e.notification_id between o.first_position and o.last_position
)
"""
POSITION, STATE = 0, 5
"""Where both stand in a row of the log, as `ledger.log` and `ledger.leaves` select it."""


class _Place(NamedTuple):
    """A row group of a segment's file, by its number."""

    segment: str
    group: int


class OffloadedStates:
    """The archive as a place where states lie; `address` is None where no archive is known.

    Threads may share one.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._segments: list[tuple[int, int, str]] = []
        self._groups: OrderedDict[_Place, Any] = OrderedDict()

    def fill(
        self, rows: Sequence[tuple[Any, ...]], cursor: Cursor[tuple[Any, ...]]
    ) -> Sequence[tuple[Any, ...]]:
        """Rows of the log, with the states that left it; `cursor` is on the same log.

        What the archive has not as it was keeps an empty state, which no event ever had. Raises
        `ArchiveUnavailable` as `states` does.
        """
        gone = [row[POSITION] for row in rows if not row[STATE]]
        if not gone:
            return rows
        leaves = dict[int, bytes](cursor.execute(LEAVES, [gone]).fetchall())
        states = self.states(leaves) if leaves else {}
        return [
            row
            if row[STATE] or row[POSITION] not in states
            else (*row[:STATE], states[row[POSITION]], *row[STATE + 1 :])
            for row in rows
        ]

    def states(self, leaves: Mapping[int, bytes]) -> dict[int, bytes]:
        """The states of events, by position, of which the log has these leaf hashes.

        One that the archive has not, or not so that its event has that hash, is left out. Raises
        `ArchiveUnavailable` where the archive cannot be reached, or none is known.
        """
        if self._address is None:
            raise ArchiveUnavailable(NOWHERE)
        store = Store(self._address)
        found: dict[int, bytes] = {}
        for place, positions in groupby(sorted(leaves), key=lambda p: self._place(store, p)):
            for row in self._rows(store, place, positions):
                stored = as_stored(row)
                if stored.leaf_hash == leaves.get(stored.position):
                    found[stored.position] = stored.state
        return found

    def _place(self, store: Store, position: int) -> _Place | None:
        """Where an event lies; the archive is listed again where none of its segments has it."""
        for listed_again in (False, True):
            if listed_again:
                self._segments = sorted(_segments(store.names()))
            number = bisect_right(self._segments, position, key=lambda each: each[0]) - 1
            if number >= 0 and position <= self._segments[number][1]:
                first, _, name = self._segments[number]
                return _Place(name, (position - first) // GROUP_EVENTS)
        return None

    def _rows(
        self, store: Store, place: _Place | None, positions: Iterable[int]
    ) -> Iterator[tuple[Any, ...]]:
        group = None if place is None else self._group(store, place)
        if group is None:
            return
        first = group.column("position")[0].as_py()
        there = [p - first for p in positions if 0 <= p - first < group.num_rows]
        if there:
            yield from zip(*group.take(there).to_pydict().values(), strict=True)

    def _group(self, store: Store, place: _Place) -> Any:
        """The events of a row group; None where the file is missing, or is none of ours."""
        if (group := self._groups.pop(place, None)) is None:
            group = _read(store, place)
        self._groups[place] = group
        while len(self._groups) > GROUPS:
            self._groups.popitem(last=False)
        return group


def _segments(names: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for name in names:
        found: re.Match[str] | None = NAME.fullmatch(name)
        if found and found[3] == "parquet":
            yield int(found[1]), int(found[2]), name


def _read(store: Store, place: _Place) -> Any:
    """Only what is asked for is read; where that fails, the whole tells damage from an outage."""
    try:
        with store.opened(place.segment) as file:
            return None if file is None else _row_group(file, place.group)
    except ArchiveUnavailable:
        data = store.get(place.segment)
        try:
            return None if data is None else _row_group(arrow().BufferReader(data), place.group)
        except (OSError, ValueError, arrow().ArrowException):
            return None


def _row_group(file: Any, number: int) -> Any:
    group = arrow("pyarrow.parquet").ParquetFile(file).read_row_group(number)
    return group if group.num_rows and group.schema.equals(schema()) else None
