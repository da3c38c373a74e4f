"""The rebuild over HTTP: starting one, and looking how far it is and how it ended."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.operations import operation
from api.permissions import Permission, meta_of
from api.schemas import ReasonRequest
from ledger.domain.events import RebuildFailed, RebuildFinished, RebuildStarted
from ledger.errors import (
    NotFound,
    RebuildBlocked,
    RebuildRefused,
    RebuildRunning,
    StoreUnavailable,
    UnknownProjection,
)
from projections.engine.background import REBUILD
from projections.queries.maintenance_http import (
    StartedResponse,
    TaskRecord,
    TaskResponse,
    prover_of,
    task_of,
)

MAX_NAMES: Final = 200

State = Literal["running", "rebuilt", "failed", "lost"]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class RebuildRequest(ReasonRequest):
    """Which read models, by name, with all that is connected to them by reading; none: all.

    `believe_log`: rebuild from the log although it is known to be damaged.
    """

    names: Annotated[tuple[Name, ...], Field(max_length=MAX_NAMES)] = ()
    believe_log: bool = False


class RebuildResponse(TaskResponse):
    """A rebuild: `reached` of `upto` events are in while it is `running`.

    `asked` are the names that were given, none for all. It ended as `rebuilt`, with the `names` of
    what took its place and the `position` it stood at then, or as `failed` with a cause, and
    changed nothing. The end of a `lost` one is not recorded: another process still works on it, or
    stopped before the end.
    """

    state: State
    asked: list[str]
    names: list[str]
    position: int | None
    cause: str | None


@operation(
    Permission.REBUILD,
    "rebuilds",
    status=202,
    errors=(UnknownProjection, RebuildRunning, RebuildRefused, RebuildBlocked, StoreUnavailable),
)
def start_rebuild(request: Request, body: RebuildRequest) -> StartedResponse:
    """Begin to make read models again from event 1.

    They are made beside the live ones, and take their place in one transaction. Who asked for it
    and how it ended are events. Refused where the log is known to be damaged, unless `believe_log`
    says that the caller asked to believe it.
    """
    started = prover_of(request).rebuild(
        body.names, meta_of(request, body.reason), believe_log=body.believe_log
    )
    return StartedResponse(id=started.id, position=started.position)


@operation(Permission.REBUILD, "rebuilds", errors=(NotFound, StoreUnavailable))
def show_rebuild(request: Request) -> RebuildResponse:
    """Show how far a rebuild is, and in the end what it came to."""
    task = task_of(request, REBUILD)
    began, end = task.started.event, task.end
    finished = end if isinstance(end, RebuildFinished) else None
    return RebuildResponse(
        **task.told(),
        state=_state(task),
        asked=list(began.names) if isinstance(began, RebuildStarted) else [],
        names=list(finished.names) if finished else [],
        position=finished and finished.position,
        cause=end.cause if isinstance(end, RebuildFailed) else None,
    )


routes = [
    Route("/rebuild", start_rebuild, methods=["POST"]),
    Route("/rebuild/{id}", show_rebuild),
]


def _state(task: TaskRecord) -> State:
    match task.end:
        case RebuildFinished():
            return "rebuilt"
        case RebuildFailed():
            return "failed"
        case _:
            return task.unfinished
