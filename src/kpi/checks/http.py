"""Checks and issues over HTTP: what is asked, asking it now, and what a person decides."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.commands import execute
from api.operations import Schema, operation
from api.permissions import Permission, meta_of
from api.schemas import Recorded, Text
from kpi.checks.ask import Limits
from kpi.checks.declare import Check, catalogue
from kpi.checks.run import Outcome, run_checks
from ledger.domain.events import Severity
from ledger.domain.issue import ReopenIssue, ResolveIssue
from ledger.errors import (
    Conflict,
    IdempotencyMismatch,
    InvalidCommand,
    LedgerError,
    NotCaughtUp,
    ProjectionStopped,
    StoreUnavailable,
    UnknownIssue,
)
from projections.engine.build import ProjectionContext
from projections.engine.reads import Reads
from projections.issues import projection as issues
from projections.queries.schemas import READ, AsOf, One, reads_of

_DECIDE: Final[tuple[type[LedgerError], ...]] = (
    InvalidCommand,
    UnknownIssue,
    IdempotencyMismatch,
    Conflict,
    StoreUnavailable,
)
RUN_SECONDS: Final = 300.0
"""How long a caller waits for a run of all checks."""

OPEN: Final = """
select "check", count(*) as open
from issues
where state = 'open'
group by "check"
"""


class CheckResponse(Schema):
    """A check: what it asks, how long it waits before it names something, and its open issues."""

    name: str
    question: str
    severity: Severity
    kind: str
    waits: str | None
    open: int


class ChecksResponse(AsOf):
    """All checks."""

    items: list[CheckResponse]


class RunQuery(Schema):
    """How many sentences each check may say."""

    top: Annotated[int, Field(ge=0, le=100, description="How many sentences a check.")] = 5


class OutcomeResponse(Schema):
    """What one check came to; `crashed` says why it has no answer.

    `withheld` issues stay open although the check finds them no more: what it looked at is damaged,
    as the last proof says, and was not rebuilt since.
    """

    name: str
    severity: Severity
    open: int
    opened: int
    reopened: int
    resolved: int
    withheld: int
    crashed: str | None
    top: list[str]


class RunResponse(Schema):
    """What a run came to, and the position from which `GET /issues?after=position` shows it."""

    position: int
    open: int
    crashed_checks: list[str]
    checks: list[OutcomeResponse]


class DecisionRequest(Schema):
    """Why a person decides so."""

    reason: Text


class IssueResponse(Schema):
    """The issue, and the position from which reads show what was done (`?after=position`)."""

    id: str
    position: int
    recorded: Recorded


@operation(Permission.SEE_ISSUES, "checks", errors=READ)
def list_checks(request: Request, query: One) -> ChecksResponse:
    """List the checks, and how many issues of each are open."""
    with reads_of(request).snapshot([issues.name], query.after) as cursor:
        found = {row["check"]: row["open"] for row in cursor.execute(OPEN).fetchall()}
        position = cursor.position
    limits = Limits.of(request.state.settings)
    return ChecksResponse(
        items=[_check(each, limits, found.get(each.name, 0)) for each in catalogue()],
        as_of_position=position,
    )


@operation(
    Permission.RUN_CHECKS,
    "checks",
    errors=(NotCaughtUp, Conflict, StoreUnavailable),
    seconds=RUN_SECONDS,
)
def run_all_checks(request: Request, query: RunQuery) -> RunResponse:
    """Run all checks on what the log says by now: open and resolve issues.

    Nothing is resolved that rests on damage which the last proof found, until a rebuild or a proof
    that holds. A check that crashes is listed with the reason; the others still run.
    """
    engine: ProjectionContext = request.state.engine
    _catch_up(reads_of(request), engine)
    report = run_checks(
        engine, engine.log.now(), meta_of(request), limits=Limits.of(request.state.settings)
    )
    return RunResponse(
        position=report.position,
        open=report.open,
        crashed_checks=[outcome.check.name for outcome in report.crashed],
        checks=[_outcome(outcome, query.top) for outcome in report.outcomes],
    )


@operation(Permission.DECIDE_ISSUE, "issues", errors=_DECIDE, idempotent=True)
def resolve_issue(request: Request, body: DecisionRequest) -> IssueResponse:
    """Say that nothing more is to be done about an issue.

    It stays resolved while its evidence is what it is now. One that is resolved stays so.
    """
    command = ResolveIssue(issue_id=request.path_params["id"], at=datetime.now(UTC))
    return IssueResponse(**execute(request, command, body, body.reason).document())


@operation(Permission.DECIDE_ISSUE, "issues", errors=_DECIDE, idempotent=True)
def reopen_issue(request: Request, body: DecisionRequest) -> IssueResponse:
    """Take an issue up again.

    One whose cause is gone then waits for a person to resolve it.
    """
    command = ReopenIssue(issue_id=request.path_params["id"], at=datetime.now(UTC))
    return IssueResponse(**execute(request, command, body, body.reason).document())


routes = [
    Route("/checks", list_checks),
    Route("/checks/run", run_all_checks, methods=["POST"]),
    Route("/issues/{id}/resolve", resolve_issue, methods=["POST"]),
    Route("/issues/{id}/reopen", reopen_issue, methods=["POST"]),
]


def _catch_up(reads: Reads, engine: ProjectionContext) -> None:
    """Wait for the log's head; a read model that stopped makes its checks crash, no more."""
    with suppress(ProjectionStopped), reads.snapshot(engine.registry.by_name, engine.log.head()):
        pass


def _check(check: Check, limits: Limits, count: int) -> CheckResponse:
    return CheckResponse(
        name=check.name,
        question=check.question,
        severity=check.severity,
        kind=check.kind,
        waits=limits.told(check) or None,
        open=count,
    )


def _outcome(outcome: Outcome, top: int) -> OutcomeResponse:
    return OutcomeResponse(
        name=outcome.check.name,
        severity=outcome.check.severity,
        open=outcome.still_open,
        opened=outcome.events["issue.opened.v1"],
        reopened=outcome.events["issue.reopened.v1"],
        resolved=outcome.events["issue.resolved.v1"],
        withheld=outcome.withheld,
        crashed=outcome.crashed,
        top=[finding.sentence for finding in outcome.findings[:top]],
    )
