"""Issues: what checks found wrong, and what became of it; one row a check and object."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec

from api.permissions import Permission
from ledger.domain.events import (
    Finding,
    IssueEvidenceChanged,
    IssueOpened,
    IssueReopened,
    IssueResolved,
    Severity,
)
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
    latest,
    least,
)
from projections.engine.row import Few, Row


class Issue(Row):
    """What a check found wrong with one object, and what became of it."""

    issue_id: str
    state: Literal["open", "resolved"]
    severity: Severity
    sentence: str
    evidence: dict[str, Any]
    """The columns of the check's row, as it found them."""
    by_itself: bool
    """Whether a check made the issue what it is; else `actor` did."""
    actor: str
    actor_name: str | None
    reason: str | None
    changed_at: datetime
    resolved_at: datetime | None
    check: Few
    kind: Few
    """The kind of object that it is about."""
    reference: str
    """The id of that."""
    times_reopened: int
    opened_at: datetime


# `by_itself` says whether a check made the issue what it is, or the person of `actor`. `check` is a
# word of SQL: it needs quotes there.
issues = Mirror(
    "issues",
    issue_id=key(),
    state=latest("text"),
    severity=latest("text"),
    sentence=latest("text"),
    evidence=latest("jsonb"),
    by_itself=latest("boolean"),
    actor=latest("text"),
    actor_name=latest("text"),
    reason=latest("text"),
    changed_at=latest("timestamptz"),
    resolved_at=latest("timestamptz"),
    check=known("text"),
    kind=known("text"),
    reference=known("text"),
    times_reopened=greatest("bigint"),
    opened_at=least("timestamptz"),
    indexes=("opened_at, issue_id", "changed_at, issue_id", "state, severity", '"check", state'),
)
projection = Projection(
    "issues",
    tables=(issues,),
    listing=Listing(
        issues,
        Issue,
        noun="issue",
        filled_by="The checks open one where something is wrong: the service runs them by"
        " itself, and `ledger checks run` runs them now.",
        sort="opened_at",
        sorts=("changed_at",),
        filters=("state", "severity", "check", "kind", "reference"),
        link="issue",
        permission=Permission.SEE_ISSUES,
        past=Permission.SEE_ISSUES,
    ),
)


@projection.handles(IssueOpened)
def opened(fact: IssueOpened, at: EventContext) -> Iterator[Change]:
    """Found for the first time."""
    yield _change(at, fact.finding, "open", by_itself=True)


@projection.handles(IssueEvidenceChanged)
def changed(fact: IssueEvidenceChanged, at: EventContext) -> Iterator[Change]:
    """Found still, in another shape."""
    yield _change(at, fact.finding, "open", by_itself=True)


@projection.handles(IssueResolved)
def resolved(fact: IssueResolved, at: EventContext) -> Iterator[Change]:
    """Gone, or decided."""
    yield _change(at, fact.finding, "resolved", by_itself=fact.by_itself)


@projection.handles(IssueReopened)
def reopened(fact: IssueReopened, at: EventContext) -> Iterator[Change]:
    """Back, with its history."""
    yield _change(at, fact.finding, "open", by_itself=fact.by_itself, times_reopened=fact.times)


def _change(
    at: EventContext, finding: Finding, state: str, *, by_itself: bool, times_reopened: int = 0
) -> Change:
    return issues.action(
        at,
        issue_id=finding.issue_id,
        state=state,
        severity=finding.severity,
        sentence=finding.sentence,
        evidence=msgspec.json.encode(finding.evidence).decode(),
        by_itself=by_itself,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        changed_at=at.effective_at,
        resolved_at=at.effective_at if state == "resolved" else None,
        check=finding.check,
        kind=finding.kind,
        reference=finding.reference,
        times_reopened=times_reopened,
        opened_at=at.effective_at,
    )
