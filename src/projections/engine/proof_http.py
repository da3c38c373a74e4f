"""The proof over HTTP: starting one, and looking how far it is and what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from ledger.access import Surface, meta_of
from ledger.domain.events import Event, ProofFailed, ProofFinished, Recorded
from ledger.errors import NotFound, RebuildRunning, StoreUnavailable
from ledger.openapi import Shape, operation
from ledger.shapes import ReasonBody
from projections.engine.prover import PROOF, TASK_ID, Progress, Prover
from projections.engine.shapes import reads_of

State = Literal["running", "proven", "refuted", "failed", "lost"]


class StartedAnswer(Shape):
    """The proof, to be looked at under its id, and where its start stands in the log."""

    id: str
    position: int


class DifferenceAnswer(Shape):
    """The first difference between live and rebuilt tables; a missing row has no column."""

    table: str
    key: list[str]
    column: str | None
    live: str | None
    proof: str | None


class ReportAnswer(Shape):
    """What was proven up to `position`, with the SHA-256 of each table, and what was not.

    `halted` are projections of which nothing can be said, and why.
    """

    holds: bool
    position: int
    tables: dict[str, str]
    difference: DifferenceAnswer | None
    halted: dict[str, str]
    log_fault: str | None


class ProofAnswer(Shape):
    """A proof: `reached` of `upto` events are in while it is `running`, `report` is what it found.

    It ended as `proven`, `refuted`, or, without an answer, `failed` with a cause. A `lost` one has
    no end on record: another process is making it, or died over it.
    """

    id: str
    state: State
    started_at: datetime
    started_by: str
    reached: int | None
    upto: int | None
    finished_at: datetime | None
    report: ReportAnswer | None
    cause: str | None


@operation(
    surface=Surface.PROVE,
    tag="proofs",
    body=ReasonBody,
    answers=StartedAnswer,
    status=202,
    errors=(RebuildRunning, StoreUnavailable),
)
def start_proof(request: Request, body: ReasonBody) -> StartedAnswer:
    """Begin to prove that the read models are what the log says.

    They are rebuilt from event 1 beside the live ones and compared byte by byte. Who asked for it
    and what it came to are events.
    """
    started = _prover(request).start(meta_of(request, body.reason))
    return StartedAnswer(id=started.id, position=started.position)


@operation(
    surface=Surface.PROVE,
    tag="proofs",
    answers=ProofAnswer,
    errors=(NotFound, StoreUnavailable),
)
def show_proof(request: Request) -> ProofAnswer:
    """Show how far a proof is, and in the end what it came to."""
    proof_id: str = request.path_params["id"]
    if not TASK_ID.fullmatch(proof_id):
        raise NotFound("There is no such proof.")
    progress = _prover(request).progress(proof_id)
    events = reads_of(request).engine.log.stream(f"{PROOF}/{proof_id}")
    if not events:
        raise NotFound(f"There is no proof {proof_id}.")
    return _proof(proof_id, events[0], events[1:], progress)


routes = [
    Route("/verify", start_proof, methods=["POST"]),
    Route("/verify/{id}", show_proof),
]


def _prover(request: Request) -> Prover:
    return request.state.prover


def _proof(
    proof_id: str, started: Recorded, ended: list[Recorded], progress: Progress | None
) -> ProofAnswer:
    end = ended[0] if ended else None
    running = progress if end is None else None
    return ProofAnswer(
        id=proof_id,
        state=_state(end and end.event, running),
        started_at=started.effective_at,
        started_by=started.meta.actor_name or started.meta.actor,
        reached=running and running.reached,
        upto=running and running.upto,
        finished_at=end and end.effective_at,
        report=_report(end.event) if end else None,
        cause=end.event.cause if end and isinstance(end.event, ProofFailed) else None,
    )


def _state(end: Event | None, running: Progress | None) -> State:
    match end:
        case ProofFinished():
            return "proven" if end.holds else "refuted"
        case ProofFailed():
            return "failed"
        case _:
            return "running" if running else "lost"


def _report(event: Event) -> ReportAnswer | None:
    if not isinstance(event, ProofFinished):
        return None
    return ReportAnswer.model_validate(
        {name: value for name, value in asdict(event).items() if name != "proof_id"}
    )
