"""Background tasks: proofs and rebuilds, one at a time, on record with their end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

import structlog
from msgspec import to_builtins

from ledger import waits
from ledger.domain.events import (
    Event,
    Metadata,
    NewEvent,
    ProofFailed,
    ProofFinished,
    ProofStarted,
    RebuildFailed,
    RebuildFinished,
    RebuildStarted,
)
from ledger.errors import StoreUnavailable
from ledger.telemetry import where
from projections.engine.build import ProjectionContext
from projections.engine.digest import TableDifference
from projections.engine.log_check import Fault
from projections.engine.rebuild import Progress as Report
from projections.engine.rebuild import rebuild_lock, rebuild_locked
from projections.engine.tables import AnyCursor
from projections.engine.verify import Proof, prove

PROOF: Final = "proof"
REBUILD: Final = "rebuild"
MOST_PLACES: Final = 100
TASK_ID: Final = re.compile(r"[0-9a-f]{32}")

logger = structlog.get_logger("projections.prover")


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

    `failed` makes the event of an end without an answer, from its `cause`.
    """

    kind: str
    id: str
    started: Event
    work: Callable[[AnyCursor, Report], Event]
    failed: Callable[..., Event]
    meta: Metadata


class BackgroundTasks:
    """Makes proofs and rebuilds for callers who do not wait; `close` ends one that is at work.

    A database has one rebuild or proof at a time, of all processes.
    """

    def __init__(self, engine: ProjectionContext) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "prover")
        self._progress: dict[str, Progress] = {}
        self._stop = threading.Event()

    def start(self, meta: Metadata) -> Started:
        """Begin a proof, and put on record who wanted it.

        Raises `RebuildRunning`, or `StoreUnavailable`; then nothing began.
        """
        proof_id = uuid4().hex

        def work(cursor: AnyCursor, report: Report) -> Event:
            return _answer(proof_id, prove(self._engine, cursor, report))

        started, failed = ProofStarted(proof_id=proof_id), partial(ProofFailed, proof_id=proof_id)
        return self._begin(Task(PROOF, proof_id, started, work, failed, meta))

    def rebuild(self, names: Sequence[str], meta: Metadata) -> Started:
        """Begin to rebuild these read models with all connected to them; all for no name.

        Who wanted it is put on record. Raises `UnknownProjection`, `RebuildRunning`, or
        `StoreUnavailable`; then nothing began.
        """
        rebuild_id = uuid4().hex
        self._engine.registry.pick(names)

        def work(cursor: AnyCursor, report: Report) -> Event:
            chosen, position = rebuild_locked(self._engine, cursor, names, report)
            built = tuple(sorted(chosen.by_name))
            return RebuildFinished(rebuild_id=rebuild_id, names=built, position=position)

        started = RebuildStarted(rebuild_id=rebuild_id, names=tuple(names))
        failed = partial(RebuildFailed, rebuild_id=rebuild_id)
        return self._begin(Task(REBUILD, rebuild_id, started, work, failed, meta))

    def progress(self, task_id: str) -> Progress | None:
        """How far a proof or rebuild is that this process makes; None for what it does not."""
        return self._progress.get(task_id)

    def close(self) -> None:
        """End what is at work, if anything, with its next wait; wait for that."""
        self._stop.set()
        self._thread.shutdown()

    def _begin(self, task: Task) -> Started:
        with ExitStack() as stack:
            cursor = stack.enter_context(rebuild_lock(self._engine))
            position = self._record(task, 1, task.started)
            self._progress[task.id] = Progress(0, 0)
            self._thread.submit(self._finish, task, cursor, stack.pop_all())
        return Started(task.id, position)

    def _finish(self, task: Task, cursor: AnyCursor, stack: ExitStack) -> None:
        try:
            self._record(task, 2, self._end(task, cursor, stack))
        except StoreUnavailable:
            logger.warning("end_not_recorded", kind=task.kind, id=task.id)
        finally:
            del self._progress[task.id]

    def _end(self, task: Task, cursor: AnyCursor, stack: ExitStack) -> Event:
        """Do it; the event that says what came of it."""

        def report(reached: int, upto: int) -> None:
            self._progress[task.id] = Progress(reached, upto)

        try:
            with stack, waits.until(self._stop):
                return task.work(cursor, report)
        except Exception as error:  # noqa: BLE001 - whatever ended it is told and put on record
            cause = type(error).__name__
            logger.warning("task_failed", kind=task.kind, error=cause, where=where(error))
            return task.failed(cause=cause)

    def _record(self, task: Task, version: int, event: Event) -> int:
        stream = f"{task.kind}/{task.id}"
        entry = NewEvent(stream, version, event, datetime.now(UTC), task.meta)
        return self._engine.log.append([entry])[0]


def _answer(proof_id: str, proof: Proof) -> ProofFinished:
    return ProofFinished(
        proof_id=proof_id,
        holds=proof.holds,
        position=proof.position,
        tables=proof.tables,
        halted={standing.name: standing.because or standing.state for standing in proof.halted},
        differences=tuple(_difference(each) for each in proof.differences),
        faults={kind: _fault(faults) for kind, faults in proof.log.by_kind().items()},
        signatures={str(said): count for said, count in proof.log.signatures.items()},
    )


def _difference(found: TableDifference) -> dict[str, Any]:
    return {**found._asdict(), "first": found.first and found.first._asdict()}


def _fault(faults: Sequence[Fault]) -> dict[str, Any]:
    """How often there is one, and the first places: an event is no place for a million of them."""
    return {
        "count": sum(fault.count for fault in faults),
        "places": [to_builtins(fault) for fault in faults[:MOST_PLACES]],
    }
