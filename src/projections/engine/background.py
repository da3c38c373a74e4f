"""Background tasks: proofs and rebuilds, one at a time, on record with their end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import uuid4

import psycopg
import structlog

from ledger import waits
from ledger.domain.events import (
    Event,
    Metadata,
    NewEvent,
    ProofFailed,
    ProofStarted,
    RebuildFailed,
    RebuildFinished,
    RebuildStarted,
)
from ledger.errors import LedgerError
from ledger.telemetry import where
from projections.engine.build import ProjectionContext
from projections.engine.fold import cause_told
from projections.engine.folding import FoldedArchive, doing_without, readable
from projections.engine.proofs import answer
from projections.engine.rebuild import Progress as Report
from projections.engine.rebuild import check_free, check_log, rebuild_lock, rebuild_locked
from projections.engine.tables import AnyCursor
from projections.engine.verify import prove

PROOF: Final = "proof"
REBUILD: Final = "rebuild"
TASK_ID: Final = re.compile(r"[0-9a-f]{32}")

logger = structlog.get_logger(__name__)


class Progress(NamedTuple):
    """How many events were taken in, of those that are needed; 0 of 0 at first."""

    reached: int
    upto: int


class Started(NamedTuple):
    """What began: its stream is `proof/<id>` or `rebuild/<id>`, with its end as second event."""

    id: str
    position: int


class Task(NamedTuple):
    """What is to be done: the event of its start, and how the one of its end is made.

    `failed` makes the event of an end without an answer, from its `cause`; `check` raises what
    refuses it before it begins.
    """

    kind: str
    id: str
    started: Event
    work: Callable[[AnyCursor, Report], Event]
    failed: Callable[..., Event]
    meta: Metadata
    check: Callable[[AnyCursor], None] = lambda _: None


class BackgroundTasks:
    """Makes proofs and rebuilds for callers who do not wait; `close` ends one that is at work.

    `archive` finds the one of the settings, if there is any, as each of them begins. A database has
    one rebuild or proof at a time, of all processes.
    """

    def __init__(
        self,
        engine: ProjectionContext,
        archive: Callable[[], FoldedArchive | None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._thread = ThreadPoolExecutor(1, "background_tasks")
        self._progress: dict[str, Progress] = {}
        self._stop = threading.Event()

    def start(self, meta: Metadata) -> Started:
        """Begin a proof, and put on record who wanted it.

        Raises `RebuildRunning`, or `StoreUnavailable`; then nothing began.
        """
        proof_id = uuid4().hex

        def work(cursor: AnyCursor, report: Report) -> Event:
            return answer(proof_id, prove(self._engine, cursor, report, readable(self._archive)))

        started, failed = ProofStarted(proof_id=proof_id), partial(ProofFailed, proof_id=proof_id)
        return self._begin(Task(PROOF, proof_id, started, work, failed, meta))

    def rebuild(
        self, names: Sequence[str], meta: Metadata, *, believe_log: bool = False
    ) -> Started:
        """Begin to rebuild these read models with all connected to them; all for no name.

        Who wanted it is put on record. Raises `UnknownProjection`, `RebuildRunning`,
        `RebuildBlocked`, `StoreUnavailable`, or, unless the caller asks to `believe_log`,
        `RebuildRefused`; then nothing began.
        """
        rebuild_id = uuid4().hex
        self._engine.registry.pick(names)

        def work(cursor: AnyCursor, report: Report) -> Event:
            with doing_without():
                archive = None if names else self._archive()
                chosen, position = rebuild_locked(self._engine, cursor, names, report, archive)
            built = tuple(sorted(chosen.by_name))
            return RebuildFinished(rebuild_id=rebuild_id, names=built, position=position)

        started = RebuildStarted(rebuild_id=rebuild_id, names=tuple(names), believe_log=believe_log)
        failed = partial(RebuildFailed, rebuild_id=rebuild_id)

        def check(cursor: AnyCursor) -> None:
            check_free(self._engine, cursor, names)
            if not believe_log:
                check_log(self._engine, cursor)

        return self._begin(Task(REBUILD, rebuild_id, started, work, failed, meta, check))

    def progress(self, task_id: str) -> Progress | None:
        """How far a proof or rebuild is that this process makes; None for what it does not."""
        return self._progress.get(task_id)

    def close(self) -> None:
        """End what is at work, if anything, with its next wait; wait for that."""
        self._stop.set()
        self._thread.shutdown()

    def _begin(self, task: Task) -> Started:
        with ExitStack() as stack:
            cursor = stack.enter_context(rebuild_lock(self._engine.database))
            task.check(cursor)
            position = self._record(task, 1, task.started)
            self._progress[task.id] = Progress(0, 0)
            self._thread.submit(self._finish, task, cursor, stack.pop_all())
        return Started(task.id, position)

    def _finish(self, task: Task, cursor: AnyCursor, stack: ExitStack) -> None:
        """Do it, and put on record what came of it before another one may begin."""
        try:
            with stack:
                self._record(task, 2, self._end(task, cursor))
        except (LedgerError, psycopg.Error):
            logger.warning("end_not_recorded", kind=task.kind, id=task.id)
        finally:
            del self._progress[task.id]

    def _end(self, task: Task, cursor: AnyCursor) -> Event:
        """Do it; the event that says what came of it."""

        def report(reached: int, upto: int) -> None:
            self._progress[task.id] = Progress(reached, upto)

        try:
            with waits.until(self._stop):
                return task.work(cursor, report)
        except Exception as error:  # noqa: BLE001 - whatever ended it is told and put on record
            cause = cause_told(error)
            logger.warning("task_failed", kind=task.kind, error=cause, where=where(error))
            return task.failed(cause=cause)

    def _record(self, task: Task, version: int, event: Event) -> int:
        stream = f"{task.kind}/{task.id}"
        entry = NewEvent(stream, version, event, datetime.now(UTC), task.meta)
        return self._engine.log.append([entry])[0]
