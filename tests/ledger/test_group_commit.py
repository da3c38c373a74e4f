"""Flat combining: every job is done once, in order, and answered to its caller."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock
from time import sleep

import pytest

from ledger.group_commit import GroupCommit


class Gate:
    """Work that waits at its first batch, so that jobs pile up behind it."""

    def __init__(self) -> None:
        self.started, self.open = Event(), Event()
        self.batches: list[list[int]] = []
        self.running = Lock()

    def __call__(self, jobs: Sequence[int]) -> list[int | BaseException]:
        assert self.running.acquire(blocking=False), "two threads lead at once"
        self.batches.append(list(jobs))
        self.started.set()
        self.open.wait()
        self.running.release()
        return [ValueError(job) if job < 0 else job * 2 for job in jobs]


def waiting(combiner: GroupCommit[int, int]) -> int:
    return len(combiner._waiting)


def test_jobs_that_wait_are_done_together_up_to_the_limit() -> None:
    gate = Gate()
    combiner = GroupCommit[int, int](gate, limit=4)
    with ThreadPoolExecutor(11) as pool:
        first = pool.submit(combiner.submit, 0)
        gate.started.wait()
        others = [pool.submit(combiner.submit, job) for job in range(1, 11)]
        while waiting(combiner) < 10:
            sleep(0.001)
        gate.open.set()
        assert [first.result(), *(other.result() for other in others)] == list(range(0, 22, 2))
    assert [len(batch) for batch in gate.batches] == [1, 4, 4, 2]
    assert sorted(job for batch in gate.batches for job in batch) == list(range(11))


def test_an_error_goes_to_its_own_caller() -> None:
    gate = Gate()
    combiner = GroupCommit[int, int](gate, limit=4)
    gate.open.set()
    with pytest.raises(ValueError, match="-3"):
        combiner.submit(-3)
    assert combiner.submit(3) == 6


def test_work_that_fails_fails_all_of_its_batch_and_nobody_after_it() -> None:
    barrier = Barrier(2)

    def work(jobs: Sequence[int]) -> list[int | BaseException]:
        if jobs == [0]:
            barrier.wait()
            barrier.wait()
        if 1 in jobs:
            raise OSError("the disk is gone")
        return list(jobs)

    combiner = GroupCommit[int, int](work, limit=2)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(combiner.submit, 0)
        barrier.wait()
        others = []
        for job in (1, 2, 3):
            others.append(pool.submit(combiner.submit, job))
            while waiting(combiner) < len(others):
                sleep(0.001)
        barrier.wait()
        assert first.result() == 0
        for failed in others[:2]:
            with pytest.raises(OSError, match="disk"):
                failed.result()
        assert others[2].result() == 3


def test_many_threads_lose_no_job() -> None:
    done: list[int] = []

    def work(jobs: Sequence[int]) -> list[int | BaseException]:
        done.extend(jobs)
        return [job + 1 for job in jobs]

    combiner = GroupCommit[int, int](work, limit=8)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(combiner.submit, range(2000))) == list(range(1, 2001))
    assert sorted(done) == list(range(2000))
