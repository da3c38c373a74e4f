"""Timers: jobs that run at intervals, in one process of all that could run them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import psycopg
import structlog

from ledger import waits
from ledger.errors import LedgerError, StoreUnavailable
from ledger.postgres.database import Database
from ledger.postgres.failures import told
from ledger.postgres.leadership import POLL_SECONDS, TIMERS, leading

logger = structlog.get_logger(__name__)


class Job(NamedTuple):
    """Something to do at once, and again `every_seconds` after each beginning.

    It is told when to stop in the middle.
    """

    name: str
    every_seconds: float
    call: Callable[[Event], object]


class Scheduler:
    """Runs jobs, each in a separate thread; one process at a time does, the others wait.

    When the one that leads dies or hangs, another takes over within five seconds.
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
                with leading(self._database, "reader", TIMERS, stop) as leader:
                    if leader is not None:
                        self._run_jobs(leader, stop)
            except (StoreUnavailable, psycopg.OperationalError) as error:
                logger.warning("timers_lost_the_database", error=told(error))
                stop.wait(POLL_SECONDS)

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
    """Run a job; one that fails for reasons outside is logged, and runs again when next due."""
    try:
        with waits.ending_with(stop):
            job.call(stop)
    except LedgerError as error:
        logger.warning("job_failed", job=job.name, error=told(error))
