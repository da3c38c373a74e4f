"""The live follower: reads the log once for all projections, and commits rows with positions."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import NamedTuple, ParamSpec, TypeVar

import psycopg
import structlog

from ledger import waits
from ledger.domain.events import RecordedEvent
from ledger.errors import NotCaughtUp, ProjectionStopped, StoreUnavailable
from ledger.log import CHANNEL
from ledger.postgres.database import FOLLOW_SECONDS
from ledger.postgres.failures import told
from ledger.postgres.leadership import FOLLOWER, POLL_SECONDS, leading, take
from projections.engine import positions
from projections.engine.build import ProjectionContext, ReadModelTables, folded
from projections.engine.causes import by_cause
from projections.engine.fold import Fold, ProjectionFailed
from projections.engine.positions import ProjectionStatus
from projections.engine.step import Step
from projections.engine.tables import LIVE, AnyCursor

FIRST_EVENTS = 1_000
BATCH_EVENTS = 4_000
QUICK_SECONDS, SLOW_SECONDS = 1.0, 4.0
"""How many events a batch has at first and at most; it grows where one is quick, and shrinks."""

NOTIFICATION_SECONDS = 3.0
FEW = 3

P = ParamSpec("P")
T = TypeVar("T")

logger = structlog.get_logger(__name__)


class Follower:
    """Keeps the live read models up to date; one process at a time does, the others stand by."""

    def __init__(self, engine: ProjectionContext) -> None:
        self.engine = engine

    def run(self, stop: Event, beat: Callable[[], None] = lambda: None) -> None:
        """Follow until told to stop; survives the loss of its connections and of leadership.

        Calls `beat` before each batch of events that it takes in, before it sends the batch's
        changes, and before each wait. Of a batch that is being taken in at a stop nothing is
        stored.
        """
        with waits.ending_with(stop), waits.telling(beat):
            self._run(stop)

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            waits.go_on()
            try:
                with (
                    leading(self.engine.database, "projector", FOLLOWER, stop) as conn,
                    self._listening() as notifications,
                ):
                    if conn is None:
                        return
                    with closing(Leader(conn.cursor(), self.engine)) as leader:
                        while not stop.is_set():
                            if not leader.step():
                                _wait(notifications)
            except (StoreUnavailable, psycopg.OperationalError) as error:
                logger.warning("database_lost", error=told(error))
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
            closing(Leader(cursor, self.engine)) as leader,
        ):
            while time.monotonic() < deadline:
                if take(cursor, FOLLOWER):
                    while leader.step():
                        pass
                states = positions.statuses(cursor, self.engine.registry, self.engine.reader)
                if _reached(states, head):
                    return head
                time.sleep(0.02)
        raise NotCaughtUp(f"The read models did not reach position {head} in {timeout_seconds} s.")

    @contextmanager
    def _listening(self) -> Generator[psycopg.Connection]:
        with self.engine.database.connect("projector", autocommit=True) as conn:
            conn.execute(f"listen {CHANNEL}")
            yield conn


def _wait(notifications: psycopg.Connection) -> None:
    """Wait for a notification, which may be lost, or until it is time to poll.

    A connection without notifications may be dead, so it is tried.
    """
    if not list(notifications.notifies(timeout=POLL_SECONDS, stop_after=1)):
        with waits.within(NOTIFICATION_SECONDS):
            notifications.execute("")


def _reached(states: Sequence[ProjectionStatus], head: int) -> bool:
    halted = [s for s in states if s.state != "following"]
    if len(halted) > FEW:
        names = ", ".join(s.name for s in halted)
        raise ProjectionStopped(f"Not following: {names}; `ledger status` says why.")
    if halted:
        causes = "; ".join(f"{', '.join(n)}: {cause}" for cause, n in by_cause(halted).items())
        raise ProjectionStopped(f"Not following: {causes}.")
    return all(s.position >= head for s in states)


class Batch(NamedTuple):
    """Events after a position, and their fold for these projections; none where one fails.

    There may be `more` events than were asked for.
    """

    names: list[str]
    after: int
    events: list[RecordedEvent]
    fold: Fold | None
    more: bool = False


class Leader:
    """What the one leading follower does with its connection.

    Behind by more than a batch, it reads and folds the next one while the database takes one in.
    """

    def __init__(self, cursor: AnyCursor, engine: ProjectionContext) -> None:
        self.cursor = cursor
        self.log = engine.log
        self.registry = engine.registry
        self.reader = engine.reader
        self._steps: dict[tuple[str, ...], Step] = {}
        self._size = FIRST_EVENTS
        self._pool = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: Future[Batch] | None = None

    def close(self) -> None:
        """Leave the thread that reads ahead; what it has begun, it ends."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def step(self) -> int:
        """Take in the next batch for those that are furthest behind; how many events it had.

        Where some are of another history, all that it does is to stop those: it counts as one. Over
        a log that was emptied nothing is written: once that is restored, they follow on.
        """
        waits.go_on()
        states = positions.statuses(self.cursor, self.registry, self.reader)
        elsewhere = [s for s in states if s.state in positions.ELSEWHERE]
        new = [s for s in elsewhere if s.stopped_at is None]
        if new and self.log.end() > 0:
            self._stop_elsewhere(new)
            return 1
        following = {s.name: s.position for s in states if s.state == "following"}
        if not following:
            return 0
        last = min(following.values())
        names = [name for name in following if following[name] == last]
        others = [position for position in following.values() if position > last]
        began = time.monotonic()
        batch = self._next(names, last, min(others, default=None))
        if batch.events:
            size = self._size
            self._take_in(batch)
            if self._size == size:
                self._fit(time.monotonic() - began)
        return len(batch.events)

    def _fit(self, seconds: float) -> None:
        """Let batches grow or shrink by how long one took."""
        if seconds < QUICK_SECONDS:
            self._size = min(2 * self._size, BATCH_EVENTS)
        elif seconds > SLOW_SECONDS:
            self._size = max(1, self._size // 2)

    def _next(self, names: list[str], after: int, upto: int | None) -> Batch:
        ahead, self._ahead = self._ahead, None
        batch = self._awaited(ahead) if ahead else None
        if batch is None or (batch.names, batch.after) != (names, after) or upto is not None:
            batch = self._awaited(self._begun(self._read, names, after, upto))
        if upto is None and batch.more:
            self._ahead = self._begun(self._read, names, batch.events[-1].position, None)
        return batch

    def _begun(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(copy_context().run, partial(work, *args, **kwargs))

    def _awaited(self, work: Future[T]) -> T:
        """The result of work that asks nothing of the leading session.

        Meanwhile the session sends a statement now and then, as long as one of its own might take:
        PostgreSQL ends the session of a leader that sends nothing.
        """
        deadline = time.monotonic() + FOLLOW_SECONDS
        while wait([work], timeout=POLL_SECONDS).not_done and time.monotonic() < deadline:
            waits.go_on()
            self.cursor.execute("")
        return work.result()

    def _read(self, names: list[str], after: int, upto: int | None) -> Batch:
        size = self._size
        events = self.log.read(after, upto=upto, limit=size)
        batch = Batch(names, after, events, None, len(events) == size)
        try:
            return batch._replace(fold=self._fold(names, events))
        except ProjectionFailed:
            return batch

    def _take_in(self, batch: Batch) -> None:
        waits.go_on()
        names, last, events, fold, _ = batch
        try:
            step = self._step_of(names)
            if fold is None:
                fold = self._awaited(self._begun(self._fold, names, events))
            step(fold, last, events[-1])
        except (ProjectionFailed, psycopg.errors.QueryCanceled) as failure:
            if len(events) > 1:
                if isinstance(failure, psycopg.errors.QueryCanceled):
                    self._size = len(events) // 2
                self._take_in(Batch(names, last, events[: len(events) // 2], None))
            elif isinstance(failure, ProjectionFailed):
                self._stop(failure, events[0].position)
            else:
                raise

    def _fold(self, names: list[str], events: list[RecordedEvent]) -> Fold:
        """What these events come to, without the database."""
        return folded(events, self.reader, Fold(self.registry.only(names)))

    def _step_of(self, names: list[str]) -> Step:
        """What takes folds into the live tables of these projections, made once a session."""
        step = self._steps.get(tuple(names))
        if step is None:
            copy = ReadModelTables(self.cursor, self.registry.only(names), self.reader, LIVE)
            step = Step(self.cursor, copy.follow_durably(), names)
            self._steps[tuple(names)] = step
        return step

    def _stop_elsewhere(self, elsewhere: Sequence[ProjectionStatus]) -> None:
        """Stop these with what reads them, until they are rebuilt."""
        names = self.registry.readers({status.name for status in elsewhere})
        before = {status.name: status.position for status in elsewhere}
        with self.cursor.connection.transaction():
            if positions.locked(self.cursor, before) != before:
                return  # a rebuild was faster
            head = self.log.head()
            because = elsewhere[0].because
            assert because is not None
            positions.stop(self.cursor, names, head, because)
        logger.error("projections_of_another_history", projections=sorted(names), head=head)

    def _stop(self, failure: ProjectionFailed, position: int) -> None:
        names = self.registry.readers({failure.projection})
        positions.stop(self.cursor, names, position, failure.because)
        logger.error(
            "projection_stopped",
            projections=sorted(names),
            position=position,
            cause=failure.because,
        )
