"""Checks and issues over HTTP: what is asked, asking it now, and what a person decides."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.commands import execute
from api.operations import Schema, operation
from api.permissions import Permission, meta_of
from api.schemas import Text
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
from projections.queries.schemas import READ, One, reads_of

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


class CheckAnswer(Schema):
    """A check: what it asks, and how many of its issues are open."""

    name: str
    question: str
    severity: Severity
    kind: str
    open: int


class ChecksAnswer(Schema):
    """All checks."""

    items: list[CheckAnswer]


class RunQuery(Schema):
    """How many sentences each check may say."""

    top: Annotated[int, Field(ge=0, le=100, description="How many sentences a check.")] = 5


class OutcomeAnswer(Schema):
    """What one check came to; `crashed` says why it has no answer."""

    name: str
    severity: Severity
    open: int
    opened: int
    reopened: int
    resolved: int
    crashed: str | None
    top: list[str]


class RunAnswer(Schema):
    """What a run came to, and the position from which `GET /issues?after=position` shows it."""

    position: int
    open: int
    crashed_checks: list[str]
    checks: list[OutcomeAnswer]


class DecisionBody(Schema):
    """Why a person decides so."""

    reason: Text


class IssueAnswer(Schema):
    """The issue, and the position from which reads show what was done (`?after=position`)."""

    id: str
    position: int


@operation(
    surface=Permission.SEE_ISSUES, tag="checks", query=One, answers=ChecksAnswer, errors=READ
)
def list_checks(request: Request, query: One) -> ChecksAnswer:
    """List the checks, and how many issues of each are open."""
    with reads_of(request).snapshot([issues.name], query.after) as cursor:
        found = {row["check"]: row["open"] for row in cursor.execute(OPEN).fetchall()}
    return ChecksAnswer(items=[_check(each, found.get(each.name, 0)) for each in catalogue()])


@operation(
    surface=Permission.RUN_CHECKS,
    tag="checks",
    query=RunQuery,
    answers=RunAnswer,
    errors=(NotCaughtUp, Conflict, StoreUnavailable),
    seconds=RUN_SECONDS,
)
def run_all_checks(request: Request, query: RunQuery) -> RunAnswer:
    """Run all checks on what the log says by now: open and resolve issues.

    A check that crashes is listed with the reason; the others still run.
    """
    engine: ProjectionContext = request.state.engine
    _catch_up(reads_of(request), engine)
    report = run_checks(
        engine, engine.log.now(), meta_of(request), limits=Limits.of(request.state.settings)
    )
    return RunAnswer(
        position=report.position,
        open=report.open,
        crashed_checks=[outcome.check.name for outcome in report.crashed],
        checks=[_outcome(outcome, query.top) for outcome in report.outcomes],
    )


@operation(
    surface=Permission.DECIDE_ISSUE,
    tag="issues",
    body=DecisionBody,
    answers=IssueAnswer,
    errors=_DECIDE,
    idempotent=True,
)
def resolve_issue(request: Request, body: DecisionBody) -> IssueAnswer:
    """Say that nothing more is to be done about an issue.

    It stays resolved while its evidence is what it is now. One that is resolved stays so.
    """
    command = ResolveIssue(issue_id=request.path_params["id"], at=datetime.now(UTC))
    return _decided(execute(request, command, body, body.reason))


@operation(
    surface=Permission.DECIDE_ISSUE,
    tag="issues",
    body=DecisionBody,
    answers=IssueAnswer,
    errors=_DECIDE,
    idempotent=True,
)
def reopen_issue(request: Request, body: DecisionBody) -> IssueAnswer:
    """Take an issue up again.

    One whose cause is gone then waits for a person to resolve it.
    """
    command = ReopenIssue(issue_id=request.path_params["id"], at=datetime.now(UTC))
    return _decided(execute(request, command, body, body.reason))


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


def _check(check: Check, count: int) -> CheckAnswer:
    return CheckAnswer(
        name=check.name,
        question=check.question,
        severity=check.severity,
        kind=check.kind,
        open=count,
    )


def _outcome(outcome: Outcome, top: int) -> OutcomeAnswer:
    return OutcomeAnswer(
        name=outcome.check.name,
        severity=outcome.check.severity,
        open=outcome.still_open,
        opened=outcome.events["issue.opened.v1"],
        reopened=outcome.events["issue.reopened.v1"],
        resolved=outcome.events["issue.resolved.v1"],
        crashed=outcome.crashed,
        top=[finding.sentence for finding in outcome.findings[:top]],
    )


def _decided(result: Any) -> IssueAnswer:
    return IssueAnswer(id=result.value["id"], position=result.position)
