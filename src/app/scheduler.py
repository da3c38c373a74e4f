"""Timers: what the system does again and again by itself, in one process of all that could."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Final, NamedTuple

import psycopg
import structlog

from ledger import waits
from ledger.errors import LedgerError, StoreUnavailable
from ledger.postgres.database import Database
from ledger.postgres.leadership import limit_silence

POLL_SECONDS: Final = 1.0
LEADER: Final = "select pg_try_advisory_lock(hashtext('ledger timers'))"

logger = structlog.get_logger("app.scheduler")


class Job(NamedTuple):
    """Something to do at once, and again `every_seconds` after each beginning.

    It is told when to stop in the middle.
    """

    name: str
    every_seconds: float
    call: Callable[[Event], object]


class Scheduler:
    """Runs jobs, each in a thread of its own; one process at a time does, the others stand by.

    The one that leads holds an advisory lock on a connection of its own. When it dies or hangs, the
    lock is free, and another takes over within five seconds.
    """

    def __init__(self, database: Database, jobs: Sequence[Job]) -> None:
        self._database = database
        self._jobs = jobs

    def run(self, stop: Event) -> None:
        """Run the jobs until told to stop; survives the loss of its connection and of its lead.

        A job that runs then ends with its next wait.
        """
        with waits.ending_with(stop):
            self._run(stop)

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                with self._leading(stop) as leader:
                    self._run_jobs(leader, stop)
            except (StoreUnavailable, psycopg.OperationalError) as error:
                logger.warning("timers_lost_the_database", error=type(error).__name__)
                stop.wait(POLL_SECONDS)

    @contextmanager
    def _leading(self, stop: Event) -> Generator[psycopg.Connection]:
        with self._database.connect("reader", autocommit=True) as conn:
            limit_silence(conn)
            while not stop.is_set() and conn.execute(LEADER).fetchone() != (True,):
                stop.wait(POLL_SECONDS)
            yield conn

    def _run_jobs(self, leader: psycopg.Connection, stop: Event) -> None:
        due = dict.fromkeys(self._jobs, time.monotonic())
        running = dict[Job, Future[None]]()
        with ThreadPoolExecutor(len(self._jobs) or 1, "timer") as threads:
            while not stop.is_set():
                leader.execute("select 1")  # a lock that was lost with its connection leads no more
                for job in self._jobs:
                    if job in running and running[job].done():
                        running.pop(job).result()  # raises what ended it
                    if job not in running and time.monotonic() >= due[job]:
                        due[job] = time.monotonic() + job.every_seconds
                        running[job] = threads.submit(_run, job, stop)
                stop.wait(POLL_SECONDS)
        for last in running.values():
            last.result()


def _run(job: Job, stop: Event) -> None:
    """Run a job; what the world got in its way is told, and it is tried again when next due."""
    try:
        with waits.ending_with(stop):
            job.call(stop)
    except LedgerError as error:
        logger.warning("job_failed", job=job.name, error=type(error).__name__)
