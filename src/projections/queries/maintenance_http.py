"""What proofs and rebuilds have in common over HTTP: they begin, take their time, and end."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request

from api.operations import Schema
from ledger.domain.events import Event, RecordedEvent
from projections.engine.background import TASK_ID, BackgroundTasks, Progress
from projections.queries.answers import not_there
from projections.queries.schemas import reads_of


class StartedResponse(Schema):
    """What was begun, to be looked at under its id, and where its start stands in the log."""

    id: str
    position: int


class TaskResponse(Schema):
    """Who began it and when; `reached` of `upto` events are in while it is running."""

    id: str
    started_at: datetime
    started_by: str
    reached: int | None
    upto: int | None
    finished_at: datetime | None


class TaskRecord(NamedTuple):
    """Its first event and its last one, if it ended; how far it is, if it runs in this process."""

    id: str
    started: RecordedEvent
    ended: RecordedEvent | None
    running: Progress | None

    @property
    def end(self) -> Event | None:
        """How it ended."""
        return self.ended and self.ended.event

    @property
    def unfinished(self) -> Any:
        """The state of one that has no end on record."""
        return "running" if self.running else "lost"

    def told(self) -> dict[str, Any]:
        """The columns of a `TaskResponse`."""
        return {
            "id": self.id,
            "started_at": self.started.effective_at,
            "started_by": self.started.meta.actor_name or self.started.meta.actor,
            "reached": self.running and self.running.reached,
            "upto": self.running and self.running.upto,
            "finished_at": self.ended and self.ended.effective_at,
        }


def prover_of(request: Request) -> BackgroundTasks:
    """What makes proofs and rebuilds, as the application opened it."""
    return request.state.background_tasks


def task_of(request: Request, kind: str) -> TaskRecord:
    """The proof or rebuild that a call names; raises `NotFound`."""
    task_id: str = request.path_params["id"]
    log = reads_of(request).engine.log
    if not TASK_ID.fullmatch(task_id):
        raise not_there(kind, task_id, log.head())
    progress = prover_of(request).progress(task_id)  # before the log: it may end in between
    events = log.stream(f"{kind}/{task_id}")
    if not events:
        raise not_there(kind, task_id, log.head())
    started, *ended = events
    return TaskRecord(task_id, started, ended[0] if ended else None, None if ended else progress)
