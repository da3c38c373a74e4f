"""The rebuild over HTTP: starting one, and looking how far it is and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from ledger.access import Surface, meta_of
from ledger.domain.events import Event, RebuildFailed, RebuildFinished, RebuildStarted, Recorded
from ledger.errors import NotFound, RebuildRunning, StoreUnavailable, UnknownProjection
from ledger.openapi import Shape, operation
from ledger.shapes import ReasonBody
from projections.engine.prover import REBUILD, TASK_ID, Progress, Prover
from projections.engine.shapes import reads_of

MAX_NAMES: Final = 200

State = Literal["running", "rebuilt", "failed", "lost"]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class RebuildBody(ReasonBody):
    """Which read models, by name, with all that is connected to them by reading; none: all."""

    names: Annotated[tuple[Name, ...], Field(max_length=MAX_NAMES)] = ()


class RebuildStartedAnswer(Shape):
    """The rebuild, to be looked at under its id, and where its start stands in the log."""

    id: str
    position: int


class RebuildAnswer(Shape):
    """A rebuild: `reached` of `upto` events are in while it is `running`.

    `asked` are the names that were given, none for all. It ended as `rebuilt`, with the `names` of
    what took its place and the `position` it stood at then, or as `failed` with a cause, and
    changed nothing. A `lost` one has no end on record: another process is making it, or died over
    it.
    """

    id: str
    state: State
    asked: list[str]
    started_at: datetime
    started_by: str
    reached: int | None
    upto: int | None
    finished_at: datetime | None
    names: list[str]
    position: int | None
    cause: str | None


@operation(
    surface=Surface.REBUILD,
    tag="rebuilds",
    body=RebuildBody,
    answers=RebuildStartedAnswer,
    status=202,
    errors=(UnknownProjection, RebuildRunning, StoreUnavailable),
)
def start_rebuild(request: Request, body: RebuildBody) -> RebuildStartedAnswer:
    """Begin to make read models anew from event 1.

    They are made beside the live ones, and take their place in one transaction. Who asked for it
    and how it ended are events.
    """
    started = _prover(request).rebuild(body.names, meta_of(request, body.reason))
    return RebuildStartedAnswer(id=started.id, position=started.position)


@operation(
    surface=Surface.REBUILD,
    tag="rebuilds",
    answers=RebuildAnswer,
    errors=(NotFound, StoreUnavailable),
)
def show_rebuild(request: Request) -> RebuildAnswer:
    """Show how far a rebuild is, and in the end what it came to."""
    rebuild_id: str = request.path_params["id"]
    if not TASK_ID.fullmatch(rebuild_id):
        raise NotFound("There is no such rebuild.")
    progress = _prover(request).progress(rebuild_id)
    events = reads_of(request).engine.log.stream(f"{REBUILD}/{rebuild_id}")
    if not events:
        raise NotFound(f"There is no rebuild {rebuild_id}.")
    return _rebuild(rebuild_id, events[0], events[1:], progress)


routes = [
    Route("/rebuild", start_rebuild, methods=["POST"]),
    Route("/rebuild/{id}", show_rebuild),
]


def _prover(request: Request) -> Prover:
    return request.state.prover


def _rebuild(
    rebuild_id: str, started: Recorded, ended: list[Recorded], progress: Progress | None
) -> RebuildAnswer:
    end = ended[0] if ended else None
    event = end and end.event
    running = progress if end is None else None
    finished = event if isinstance(event, RebuildFinished) else None
    return RebuildAnswer(
        id=rebuild_id,
        state=_state(event, running),
        asked=list(started.event.names) if isinstance(started.event, RebuildStarted) else [],
        started_at=started.effective_at,
        started_by=started.meta.actor_name or started.meta.actor,
        reached=running and running.reached,
        upto=running and running.upto,
        finished_at=end and end.effective_at,
        names=list(finished.names) if finished else [],
        position=finished and finished.position,
        cause=event.cause if isinstance(event, RebuildFailed) else None,
    )


def _state(end: Event | None, running: Progress | None) -> State:
    match end:
        case RebuildFinished():
            return "rebuilt"
        case RebuildFailed():
            return "failed"
        case _:
            return "running" if running else "lost"
