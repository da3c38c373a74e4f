"""States of events that left the database for the archive, read back where the log is read."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from itertools import groupby
from threading import Thread
from typing import Any, Final, NamedTuple, TypeVar

from psycopg import Cursor

from ledger import waits
from ledger.archive.segments import GROUP_EVENTS, NAME, Row, as_stored, rows_of, schema
from ledger.archive.store import Store, arrow
from ledger.errors import ArchiveUnavailable, InvalidRequest, SegmentDamaged, StatesMissing

T = TypeVar("T")

GROUPS: Final = 4
"""So many row groups of segments are kept at hand, about 25 MB each."""

DAMAGED_SECONDS: Final = 30
"""How long what is damaged is not looked at again; then it may have been brought back."""

MOST_HANGING: Final = 4
"""So many reads that were given up may still go on; until one of them ends, no other begins."""

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


class _Segment(NamedTuple):
    """A segment's file, of positions `first` to `last`."""

    first: int
    last: int
    name: str


class _Place(NamedTuple):
    """A row group of a segment's file, by its number."""

    segment: _Segment
    group: int

    @property
    def first(self) -> int:
        """The position of its first event."""
        return self.segment.first + self.group * GROUP_EVENTS


class OffloadedStates:
    """The archive as a place where states lie; `address` is None where no archive is known.

    Threads may share one.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._opened: Store | None = None
        self._segments: list[_Segment] = []
        self._groups: OrderedDict[_Place, Any] = OrderedDict()
        self._damaged: dict[_Place, float] = {}
        self._hanging: list[Future[Any]] = []

    def look(
        self, rows: Sequence[tuple[Any, ...]], cursor: Cursor[tuple[Any, ...]]
    ) -> Sequence[tuple[Any, ...]]:
        """Rows of the log with the states that left it; `cursor` is on the same log.

        A state that the archive does not have as it was stays empty, which no event's ever was.
        Raises `ArchiveUnavailable` as `states` does.
        """
        leaves = leaves_that_left(rows, cursor)
        return _filled(rows, self.states(leaves)) if leaves else rows

    def fill(
        self, rows: Sequence[tuple[Any, ...]], leaves: Mapping[int, bytes], seconds: float
    ) -> Sequence[tuple[Any, ...]]:
        """Rows of the log with the states that left it: those of `leaves`, by position.

        Raises `StatesMissing` where the archive does not have one as it was, and
        `ArchiveUnavailable` also where it does not answer within so many seconds. Needs no
        connection to the database.
        """
        if not leaves:
            return rows
        states = self._in_time(lambda: self.states(leaves), seconds)
        if missing := sorted(leaves.keys() - states.keys()):
            told = f"The state of the event at position {missing[0]:,}"
            if len(missing) > 1:
                told = f"The states of {len(missing):,} events from position {missing[0]:,} on"
            raise StatesMissing(
                f"{told} left the database for the archive, and {self._address} has not what left:"
                " set LEDGER_ARCHIVE to what it was then, or bring back from a copy of the archive"
                " what `ledger archive verify` names."
            )
        return _filled(rows, states)

    def _in_time(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` answers; an object store may try for minutes, and cannot be interrupted."""
        self._hanging = [each for each in self._hanging if not each.done()]
        if len(self._hanging) >= MOST_HANGING:
            raise ArchiveUnavailable(f"The archive at {self._address} does not answer.")
        end, answer = time.monotonic() + seconds, Future[T]()

        def run() -> None:
            try:
                answer.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
                answer.set_exception(error)

        Thread(target=run, daemon=True, name="archive").start()
        while not wait([answer], waits.LOOK_SECONDS).done:
            waits.go_on()
            if time.monotonic() >= end:
                self._hanging.append(answer)
                raise ArchiveUnavailable(f"The archive at {self._address} did not answer in time.")
        return answer.result()

    def states(self, leaves: Mapping[int, bytes]) -> dict[int, bytes]:
        """The states of events, by position, of which the log has these leaf hashes.

        One that the archive does not have, or whose event has another hash there, is left out.
        The archive is listed again where none of its segments has one of them. Raises
        `ArchiveUnavailable` where the archive cannot be reached or read, or none is known.
        """
        store = self._store()
        if any(_place_in(self._segments, position) is None for position in leaves):
            self._segments = _segments(store.names())
        segments, found = self._segments, dict[int, bytes]()
        for place, positions in groupby(sorted(leaves), key=lambda p: _place_in(segments, p)):
            for row in self._rows(store, place, positions):
                stored = as_stored(row)
                if stored.leaf_hash == leaves.get(stored.position):
                    found[stored.position] = stored.state
        return found

    def _store(self) -> Store:
        if self._address is None:
            raise ArchiveUnavailable(NOWHERE)
        if self._opened is None:
            try:
                self._opened = Store(self._address)
            except InvalidRequest as error:  # of the settings here, not of what a caller asked
                raise ArchiveUnavailable(str(error)) from error
        return self._opened

    def _rows(self, store: Store, place: _Place | None, positions: Iterable[int]) -> Iterator[Row]:
        group = None if place is None else self._group(store, place)
        if place is None or group is None:
            return
        there = [p - place.first for p in positions if p - place.first < group.num_rows]
        yield from _values(group.take(there))

    def _group(self, store: Store, place: _Place) -> Any:
        """The events of a row group; None where the file is missing, or is none of ours.

        What is damaged is not read again at once: to know that takes all of a file.
        """
        if time.monotonic() < self._damaged.get(place, 0):
            return None
        if (group := self._groups.pop(place, None)) is None:
            try:
                group = _read(store, place)
            except SegmentDamaged:
                self._damaged[place] = time.monotonic() + DAMAGED_SECONDS
                return None
        if group is not None:
            self._groups[place] = group
        while len(self._groups) > GROUPS:
            self._groups.popitem(last=False)
        return group


def leaves_that_left(
    rows: Sequence[tuple[Any, ...]], cursor: Cursor[tuple[Any, ...]]
) -> dict[int, bytes]:
    """The leaf hashes of those rows whose state left the log, by position."""
    gone = [row[POSITION] for row in rows if not row[STATE]]
    return dict[int, bytes](cursor.execute(LEAVES, [gone]).fetchall()) if gone else {}


def _filled(
    rows: Sequence[tuple[Any, ...]], states: Mapping[int, bytes]
) -> Sequence[tuple[Any, ...]]:
    return [
        (*row[:STATE], states.get(row[POSITION], row[STATE]), *row[STATE + 1 :]) for row in rows
    ]


def _place_in(segments: Sequence[_Segment], position: int) -> _Place | None:
    number = bisect_right(segments, position, key=lambda each: each.first) - 1
    if number < 0 or position > segments[number].last:
        return None
    segment = segments[number]
    return _Place(segment, (position - segment.first) // GROUP_EVENTS)


def _values(group: Any) -> Iterator[Row]:
    """The rows of a row group, without those of which a value is none of its kind: damage."""
    try:
        yield from rows_of(group)
    except (ValueError, OverflowError, arrow().ArrowException):
        if group.num_rows > 1:
            for number in range(group.num_rows):
                yield from _values(group.slice(number, 1))


def _segments(names: Sequence[str]) -> list[_Segment]:
    """The segments, in the log's order; of two that overlap, one that has a manifest.

    A seal that was killed leaves files without one; where segments have another size since, those
    overlap what was sealed later.
    """
    there, kept = set(names), list[_Segment]()
    found = [match for name in names if (match := NAME.fullmatch(name)) and match[3] == "parquet"]
    for match in sorted(found, key=lambda match: f"{match[1]}-{match[2]}.json" not in there):
        segment = _Segment(int(match[1]), int(match[2]), match[0])
        at = bisect_right(kept, segment)
        before, after = kept[at - 1 : at], kept[at : at + 1]
        if all(each.last < segment.first for each in before) and all(
            segment.last < each.first for each in after
        ):
            kept.insert(at, segment)
    return kept


def _read(store: Store, place: _Place) -> Any:
    """Only what is asked for is read; where that fails, the whole tells damage from an outage.

    None where there is no such file. Raises `SegmentDamaged`, `ArchiveUnavailable`.
    """
    name = place.segment.name
    try:
        with store.opened(name) as file:
            return None if file is None else _row_group(file, place.group)
    except ArchiveUnavailable:
        data = store.get(name)
        try:
            return None if data is None else _row_group(arrow().BufferReader(data), place.group)
        except (OSError, ValueError, arrow().ArrowException) as error:
            raise SegmentDamaged(f"The segment {name} cannot be read.") from error


def _row_group(file: Any, number: int) -> Any:
    group = arrow("pyarrow.parquet").ParquetFile(file).read_row_group(number)
    return group if group.num_rows and group.schema.equals(schema()) else None
