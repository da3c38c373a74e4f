"""The live follower: reads the log once for all projections, and commits rows with positions."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psycopg
import structlog

from ledger import waits
from ledger.domain.events import RecordedEvent
from ledger.errors import NotCaughtUp, ProjectionStopped, StoreUnavailable
from ledger.log import CHANNEL
from ledger.postgres.leadership import limit_silence
from projections.engine import positions
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.fold import ProjectionFailed
from projections.engine.positions import ProjectionStatus
from projections.engine.tables import LIVE, AnyCursor

BATCH_EVENTS = 1_000
POLL_SECONDS = 1.0
BELL_SECONDS = 3.0
LEADER = "select pg_try_advisory_lock(hashtext('ledger follower'))"

FEW = 3

logger = structlog.get_logger("ledger.follow")


class Follower:
    """Keeps the live read models up to date; one process at a time does, the others stand by."""

    def __init__(self, engine: ProjectionContext) -> None:
        self.engine = engine

    def run(self, stop: Event, beat: Callable[[], None] = lambda: None) -> None:
        """Follow until told to stop; survives the loss of its connections and of leadership.

        Calls `beat` before each stretch of events that it takes in, before each table that it
        writes, and before each wait. Of a stretch that is being taken in at a stop nothing is
        stored.
        """
        with waits.ending_with(stop), waits.telling(beat):
            self._run(stop)

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            waits.go_on()
            try:
                with self._leading(stop) as leader, self._listening() as bell:
                    while leader and not stop.is_set():
                        if not leader.step():
                            _wait(bell)
            except (StoreUnavailable, psycopg.OperationalError) as error:
                logger.warning("database_lost", error=type(error).__name__)
                stop.wait(POLL_SECONDS)

    def catch_up(self, *, timeout_seconds: float = 600) -> int:
        """Bring the read models up to the last event of now, or wait for another follower to.

        Answers its position. Raises `ProjectionStopped` where one does not follow, and
        `NotCaughtUp` after the timeout.
        """
        head = self.engine.log.end()
        deadline = time.monotonic() + timeout_seconds
        with (
            self.engine.database.connect("projector", autocommit=True) as conn,
            conn.cursor() as cursor,
        ):
            while time.monotonic() < deadline:
                if _lead(cursor):
                    leader = Leader(cursor, self.engine)
                    while leader.step():
                        pass
                states = positions.standings(cursor, self.engine.registry, self.engine.reader)
                if _reached(states, head):
                    return head
                time.sleep(0.02)
        raise NotCaughtUp(f"The read models did not reach position {head} in {timeout_seconds} s.")

    @contextmanager
    def _leading(self, stop: Event) -> Generator[Leader | None]:
        with (
            self.engine.database.connect("projector", autocommit=True) as conn,
            conn.cursor() as cursor,
        ):
            limit_silence(conn)
            while not _lead(cursor):
                waits.go_on()
                if stop.wait(POLL_SECONDS):
                    yield None
                    return
            yield Leader(cursor, self.engine)

    @contextmanager
    def _listening(self) -> Generator[psycopg.Connection]:
        with self.engine.database.connect("projector", autocommit=True) as conn:
            conn.execute(f"listen {CHANNEL}")
            yield conn


def _lead(cursor: AnyCursor) -> bool:
    row = cursor.execute(LEADER).fetchone()
    assert row is not None
    return row[0]


def _wait(bell: psycopg.Connection) -> None:
    """Until an append rings, or a poll's time is over: a ring may be lost, a poll is not.

    A connection that does not ring may be dead, and would never: it is asked.
    """
    if not list(bell.notifies(timeout=POLL_SECONDS, stop_after=1)):
        with waits.within(BELL_SECONDS):
            bell.execute("")


def _reached(states: Sequence[ProjectionStatus], head: int) -> bool:
    halted = [s for s in states if s.state != "following"]
    if len(halted) > FEW:
        names = ", ".join(s.name for s in halted)
        raise ProjectionStopped(f"Not following: {names}; `ledger status` says why.")
    if halted:
        causes = "; ".join(f"{s.name}: {s.because}" for s in halted)
        raise ProjectionStopped(f"Not following: {causes}.")
    return all(s.position >= head for s in states)


class Leader:
    """What the one leading follower does with its connection."""

    def __init__(self, cursor: AnyCursor, engine: ProjectionContext) -> None:
        self.cursor = cursor
        self.log = engine.log
        self.registry = engine.registry
        self.reader = engine.reader
        self.copies: dict[tuple[str, ...], ReadModelTables] = {}

    def step(self) -> int:
        """Take in the next stretch for those that are furthest behind; how many events it had.

        Where some are of another history, all that it does is to stop those: it counts as one.
        """
        waits.go_on()
        states = positions.standings(self.cursor, self.registry, self.reader)
        elsewhere = [s for s in states if s.state in positions.ELSEWHERE]
        if new := [s for s in elsewhere if s.stopped_at is None]:
            self._stop_elsewhere(new)
            return 1
        following = {s.name: s.position for s in states if s.state == "following"}
        if not following:
            return 0
        last = min(following.values())
        ahead = [position for position in following.values() if position > last]
        events = self.log.read(last, upto=min(ahead, default=None), limit=BATCH_EVENTS)
        if events:
            self._take_in([name for name in following if following[name] == last], last, events)
        return len(events)

    def _take_in(self, names: list[str], last: int, events: list[RecordedEvent]) -> None:
        waits.go_on()
        copy = self._copy(names)
        try:
            fold = copy.fold(events)
            with self.cursor.connection.transaction():
                if positions.locked(self.cursor, names) == dict.fromkeys(names, last):
                    copy.flush(fold)
                    positions.move(self.cursor, names, events[-1])
            copy.tidy()
        except ProjectionFailed as failure:
            if len(events) > 1:
                self._take_in(names, last, events[: len(events) // 2])
            else:
                self._stop(failure, events[0].position)

    def _copy(self, names: list[str]) -> ReadModelTables:
        """The live tables of these projections, with what this session needs to write them."""
        copy = self.copies.get(tuple(names))
        if copy is None:
            copy = ReadModelTables(self.cursor, self.registry.only(names), self.reader, LIVE)
            copy.follow_durably()
            copy.stage()
            self.copies[tuple(names)] = copy
        return copy

    def _stop_elsewhere(self, elsewhere: Sequence[ProjectionStatus]) -> None:
        """Stop these with what reads them, until they are rebuilt."""
        names = self.registry.readers({standing.name for standing in elsewhere})
        before = {standing.name: standing.position for standing in elsewhere}
        with self.cursor.connection.transaction():
            if positions.locked(self.cursor, before) != before:
                return  # a rebuild was faster
            head = self.log.head()
            because = elsewhere[0].because
            assert because is not None
            positions.stop(self.cursor, names, head, because)
        logger.error("projections_of_another_history", projections=sorted(names), head=head)

    def _stop(self, failure: ProjectionFailed, position: int) -> None:
        cause = failure.__cause__
        assert cause is not None
        because = f"{type(cause).__name__} at {_place(cause)}"
        names = self.registry.readers({failure.projection})
        positions.stop(self.cursor, names, position, because)
        logger.error(
            "projection_stopped", projections=sorted(names), position=position, cause=because
        )


def _place(error: BaseException) -> str:
    """File and line where it was raised; its text stays out, it may hold a customer's data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
