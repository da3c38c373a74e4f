"""The proof over HTTP: starting one, and looking how far it is and what it came to."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from api.operations import Schema, operation
from api.permissions import Permission, meta_of
from api.schemas import ReasonRequest
from ledger.domain.events import Event, ProofFailed, ProofFinished
from ledger.errors import NotFound, RebuildRunning, StoreUnavailable
from projections.engine.background import PROOF
from projections.engine.log_report import not_covered
from projections.queries.maintenance_http import (
    StartedResponse,
    TaskRecord,
    TaskResponse,
    prover_of,
    task_of,
)

State = Literal["running", "proven", "refuted", "failed", "lost"]


class DifferenceResponse(Schema):
    """The first difference between live and rebuilt tables; a missing row has no column."""

    table: str
    key: list[str]
    column: str | None
    live: str | None
    proof: str | None


class TableDifferenceResponse(Schema):
    """A table that differs: rows that are missing live, too many, or other ones; and the first.

    `columns` says what is wrong with its columns, view or triggers, where something is.
    """

    table: str
    missing: int
    extra: int
    changed: int
    first: DifferenceResponse | None
    columns: str | None


class PlaceResponse(Schema):
    """Where the log is damaged: at the positions from `first` to `last`."""

    kind: str
    first: int
    last: int
    detail: str = ""


class FaultResponse(Schema):
    """How often the log has one kind of damage, and the first places of it."""

    count: int
    places: list[PlaceResponse]


class ReportResponse(Schema):
    """What was proven up to `position`, with the SHA-256 of each table, and what was not.

    `differences` are all tables that differ; `halted` projections of which nothing can be said,
    and why; `faults` what is wrong with the log, by kind; `signatures` counts what a check of
    Stripe's said: `right`, `wrong`, `unsigned` (imported or pulled), `unknown_secret`.
    Up to position `sealed`, and in the spans `sealed_beyond` a gap, the log was compared with an
    archive; `not_compared` says what of it was not, and why. Of the folds beside it
    `believed_folds` were taken as they are, and `differing_folds` were not what their events come
    to; `not_folded` says why none was made or believed, where the archive stood in the way.
    `not_covered` says what a proof cannot see. `difference` and `log_fault` are what
    proofs of earlier versions have instead.
    """

    holds: bool
    position: int
    tables: dict[str, str]
    difference: DifferenceResponse | None
    halted: dict[str, str]
    log_fault: str | None
    differences: list[TableDifferenceResponse]
    faults: dict[str, FaultResponse]
    signatures: dict[str, int]
    sealed: int
    sealed_beyond: list[tuple[int, int]]
    not_compared: list[str]
    believed_folds: int
    differing_folds: list[str]
    not_folded: str
    not_covered: str


class ProofResponse(TaskResponse):
    """A proof: `reached` of `upto` events are in while it is `running`, `report` is what it found.

    It ended as `proven`, `refuted`, or, without an answer, `failed` with a cause. The end of a
    `lost` one is not recorded: another process still works on it, or stopped before the end.
    """

    state: State
    report: ReportResponse | None
    cause: str | None


@operation(Permission.PROVE, "proofs", status=202, errors=(RebuildRunning, StoreUnavailable))
def start_proof(request: Request, body: ReasonRequest) -> StartedResponse:
    """Begin to prove that the read models are what the log says.

    They are rebuilt from event 1 beside the live ones and compared byte by byte. Who asked for it
    and what it came to are events.
    """
    started = prover_of(request).start(meta_of(request, body.reason))
    return StartedResponse(id=started.id, position=started.position)


@operation(Permission.PROVE, "proofs", errors=(NotFound, StoreUnavailable))
def show_proof(request: Request) -> ProofResponse:
    """Show how far a proof is, and in the end what it came to."""
    task = task_of(request, PROOF)
    return ProofResponse(
        **task.told(),
        state=_state(task),
        report=_report(task.end),
        cause=task.end.cause if isinstance(task.end, ProofFailed) else None,
    )


routes = [
    Route("/verify", start_proof, methods=["POST"]),
    Route("/verify/{id}", show_proof),
]


def _state(task: TaskRecord) -> State:
    match task.end:
        case ProofFinished(holds=holds):
            return "proven" if holds else "refuted"
        case ProofFailed():
            return "failed"
        case _:
            return task.unfinished


def _report(event: Event | None) -> ReportResponse | None:
    if not isinstance(event, ProofFinished):
        return None
    told = {name: value for name, value in asdict(event).items() if name != "proof_id"}
    seen = not_covered(event.sealed, event.sealed_beyond)
    return ReportResponse.model_validate({**told, "not_covered": seen})
