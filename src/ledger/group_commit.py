"""Flat combining: of the threads that come with a job, one does the work of all that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from threading import Event, Lock
from typing import Generic, TypeVar

from ledger import waits
from ledger.errors import Stopped, StoreUnavailable

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class _Seat(Generic[Job, Answer]):
    """A thread that waits with its job until it is answered, or until it is its turn to lead."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.woken = Event()
        self.outcome: tuple[Answer | BaseException] | None = None

    def answer(self) -> Answer:
        assert self.outcome is not None
        (outcome,) = self.outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class GroupCommit(Generic[Job, Answer]):
    """Hands jobs of many threads to `work`, up to `limit` at once and never two calls at a time.

    `work` answers each job in order, with a result or with the error that its caller shall get.
    An error that it raises goes to all callers of that batch. Jobs are taken first come, first
    served; a thread leads for one batch, its own, and then hands over to the first that waits.
    """

    def __init__(
        self, work: Callable[[Sequence[Job]], Sequence[Answer | BaseException]], limit: int
    ) -> None:
        self._work = work
        self._limit = limit
        self._lock = Lock()
        self._waiting: deque[_Seat[Job, Answer]] = deque()
        self._led = False

    def submit(self, job: Job) -> Answer:
        """Wait for the job's answer, and return or raise it.

        Raises `StoreUnavailable` when the caller's deadline (`ledger.waits`) is over before that;
        the job may be done all the same.
        """
        seat: _Seat[Job, Answer] = _Seat(job)
        if not self._sit_down(seat) and not seat.woken.wait(_seconds_left()):
            self._get_up(seat)
            if seat.outcome is None:
                raise StoreUnavailable("The database did not answer in time.")
        if seat.outcome is None:
            self._lead()
        return seat.answer()

    def _sit_down(self, seat: _Seat[Job, Answer]) -> bool:
        """Join the queue; true when no thread leads, so that this one must."""
        with self._lock:
            self._waiting.append(seat)
            leads, self._led = not self._led, True
        return leads

    def _get_up(self, seat: _Seat[Job, Answer]) -> None:
        """Leave the queue; whose turn it had become to lead hands on."""
        with self._lock:
            if seat in self._waiting:
                self._waiting.remove(seat)
                if seat.woken.is_set():
                    self._pass_on()

    def _lead(self) -> None:
        with self._lock:
            count = min(self._limit, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
        outcomes: Sequence[Answer | BaseException] = ()
        try:
            outcomes = self._work([seat.job for seat in batch])
        except BaseException as error:
            outcomes = [error] * len(batch)
            raise
        finally:
            self._hand_over()
            for seat, outcome in zip(batch, outcomes, strict=True):
                seat.outcome = (outcome,)
                seat.woken.set()

    def _hand_over(self) -> None:
        with self._lock:
            self._pass_on()

    def _pass_on(self) -> None:
        self._led = bool(self._waiting)
        if self._led:
            self._waiting[0].woken.set()


def _seconds_left() -> float | None:
    """As `Event.wait` takes it."""
    seconds = waits.left()
    return None if seconds == inf else seconds


def sparing(
    work: Callable[[Sequence[Job]], Sequence[Answer]], jobs: Sequence[Job]
) -> Sequence[Answer | BaseException]:
    """Do jobs together, and where that fails, each alone: a bad one does not take others along.

    `work` does the first ones of its jobs, all at once, or raises and has done none. While the
    database is away, or the work was told to stop, each would only wait: that error goes to all.
    """
    try:
        return work(jobs)
    except (StoreUnavailable, Stopped) as error:
        return [type(error)(*error.args) for _ in jobs]  # one for each caller's traceback
    except Exception as error:  # noqa: BLE001 - it becomes the answer of the one that caused it
        return [error] if len(jobs) == 1 else [a for job in jobs for a in sparing(work, [job])]
