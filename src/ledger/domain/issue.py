"""Issues: what is wrong until its cause is gone or a person decides, and what a report changes."""

from typing import ClassVar, assert_never

from msgspec import Struct

from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import (
    Finding,
    IssueEvidenceChanged,
    IssueOpened,
    IssueReopened,
    IssueResolved,
)
from ledger.domain.limits import check_text
from ledger.errors import UnknownIssue

# ── Commands ────────────────────────────────────────────────────────────────────────────────────


class ReportIssue(Command, frozen=True, kw_only=True):
    """A check finds this."""

    finding: Finding

    @property
    def issue_id(self) -> str:
        """The issue that it is about."""
        return self.finding.issue_id


class ClearIssue(Command, frozen=True, kw_only=True):
    """A check finds it no more."""

    issue_id: str


class ResolveIssue(Command, frozen=True, kw_only=True):
    """A person decides that nothing more is to be done."""

    NEEDS_REASON: ClassVar = True

    issue_id: str


class ReopenIssue(Command, frozen=True, kw_only=True):
    """A person wants it back."""

    NEEDS_REASON: ClassVar = True

    issue_id: str


IssueCommand = ReportIssue | ClearIssue | ResolveIssue | ReopenIssue
IssueEvent = IssueOpened | IssueEvidenceChanged | IssueResolved | IssueReopened

# ── State ───────────────────────────────────────────────────────────────────────────────────────


class NoIssue(Struct, frozen=True):
    """Nothing of the kind was ever found."""


class Open(Struct, frozen=True, kw_only=True):
    """A person should look; `kept` open for a person, whether or not a check finds it."""

    finding: Finding
    reopened: int = 0
    kept: bool = False


class Gone(Struct, frozen=True, kw_only=True):
    """Its cause went away."""

    finding: Finding
    reopened: int


class Settled(Struct, frozen=True, kw_only=True):
    """A person decided on this finding."""

    finding: Finding
    reopened: int


Issue = NoIssue | Open | Gone | Settled


def evolve(issue: Issue, event: IssueEvent) -> Issue:
    """The issue after an event of its stream."""
    reopened = 0 if isinstance(issue, NoIssue) else issue.reopened
    match event:
        case IssueOpened(finding=finding):
            return Open(finding=finding)
        case IssueEvidenceChanged(finding=finding):
            kept = isinstance(issue, Open) and issue.kept
            return Open(finding=finding, reopened=reopened, kept=kept)
        case IssueResolved(finding=finding, by_itself=True):
            return Gone(finding=finding, reopened=reopened)
        case IssueResolved(finding=finding):
            return Settled(finding=finding, reopened=reopened)
        case IssueReopened(finding=finding, times=times, by_itself=by_itself):
            kept = isinstance(issue, Gone) and not by_itself
            return Open(finding=finding, reopened=times, kept=kept)
        case _:
            assert_never(event)


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────


def decide(command: IssueCommand, issue: Issue) -> list[IssueEvent]:
    """What a command does to an issue; no events: it is so already. Raises a `Refused`.

    * What a person settled stays so while the evidence is what they saw, and comes back with other
      evidence.
    * An issue that a person reopened although its cause was gone is closed by a person only.
    """
    match command:
        case ReportIssue():
            return _report(command.finding, issue)
        case ClearIssue():
            if isinstance(issue, Open) and not issue.kept:
                return [IssueResolved(finding=issue.finding, by_itself=True)]
            return []
        case ResolveIssue():
            known = _known(command.issue_id, issue)
            return [IssueResolved(finding=known.finding)] if isinstance(known, Open) else []
        case ReopenIssue():
            known = _known(command.issue_id, issue)
            if isinstance(known, Open):
                return []
            return [IssueReopened(finding=known.finding, times=known.reopened + 1)]
        case _:
            assert_never(command)


def _report(finding: Finding, issue: Issue) -> list[IssueEvent]:
    match issue:
        case NoIssue():
            return [IssueOpened(finding=finding)]
        case Open():
            same = finding.evidence == issue.finding.evidence
            return [] if same else [IssueEvidenceChanged(finding=finding)]
        case Settled() if finding.evidence == issue.finding.evidence:
            return []
        case Gone() | Settled():
            return [IssueReopened(finding=finding, times=issue.reopened + 1, by_itself=True)]
        case _:
            assert_never(issue)


def _known(issue_id: str, issue: Issue) -> Open | Gone | Settled:
    if isinstance(issue, NoIssue):
        raise UnknownIssue(f"There is no issue {issue_id[:100]!r}; `ledger issues list` has all.")
    return issue


# ── The aggregate ───────────────────────────────────────────────────────────────────────────────

# An issue is called as a check decided, after what Stripe may have named: any text is an id.
AGGREGATE = Aggregate(
    initial=NoIssue(),
    events=IssueEvent,
    evolve=evolve,
    stream_id=lambda event: event.finding.issue_id,
    commands=IssueCommand,
    key="issue_id",
    decide=lambda command, issue, _: decide(command, issue),
    check=lambda command: check_text("issue id", command.issue_id),
)
