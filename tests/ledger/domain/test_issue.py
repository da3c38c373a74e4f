"""Issues: what a check finds, and what a person decides, one line a case."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from ledger.domain.events import (
    Finding,
    IssueEvidenceChanged,
    IssueOpened,
    IssueReopened,
    IssueResolved,
)
from ledger.domain.issue import (
    ClearIssue,
    Issue,
    IssueCommand,
    IssueEvent,
    NoIssue,
    Open,
    ReopenIssue,
    ReportIssue,
    ResolveIssue,
    decide,
    evolve,
)
from ledger.errors import UnknownIssue

AT = datetime(2026, 3, 1, tzinfo=UTC)
FOUND = Finding(
    check="paid_twice",
    kind="order",
    reference="A1",
    severity="high",
    sentence="Order A1 was paid twice.",
    evidence={"order_id": "A1", "held_minor": 2000},
)
OTHER = replace(FOUND, evidence={"order_id": "A1", "held_minor": 3000})

report, report_other = ReportIssue(finding=FOUND, at=AT), ReportIssue(finding=OTHER, at=AT)
clear = ClearIssue(issue_id=FOUND.issue_id, at=AT)
resolve = ResolveIssue(issue_id=FOUND.issue_id, at=AT)
reopen = ReopenIssue(issue_id=FOUND.issue_id, at=AT)

opened = IssueOpened(finding=FOUND)
changed = IssueEvidenceChanged(finding=OTHER)
cleared = IssueResolved(finding=FOUND, by_itself=True)
settled = IssueResolved(finding=FOUND)


def back(times: int = 1, finding: Finding = FOUND) -> IssueReopened:
    return IssueReopened(finding=finding, times=times, by_itself=True)


def wanted(times: int = 1, finding: Finding = FOUND) -> IssueReopened:
    return IssueReopened(finding=finding, times=times)


def given(*events: IssueEvent) -> Issue:
    issue: Issue = NoIssue()
    for event in events:
        issue = evolve(issue, event)
    return issue


@pytest.mark.parametrize(
    ("before", "command", "then"),
    [
        ([], report, [opened]),
        ([], clear, []),
        ([opened], report, []),
        ([opened], report_other, [changed]),
        ([opened], clear, [cleared]),
        ([opened], resolve, [settled]),
        ([opened], reopen, []),
        ([opened, changed], report_other, []),
        ([opened, changed], resolve, [IssueResolved(finding=OTHER)]),
        ([opened, cleared], report, [back()]),
        ([opened, cleared], report_other, [back(finding=OTHER)]),
        ([opened, cleared], clear, []),
        ([opened, cleared], resolve, []),
        ([opened, cleared], reopen, [wanted()]),
        # What a person settled stays so while the evidence is what they saw.
        ([opened, settled], report, []),
        ([opened, settled], report_other, [back(finding=OTHER)]),
        ([opened, settled], clear, []),
        ([opened, settled], resolve, []),
        ([opened, settled], reopen, [wanted()]),
        ([opened, settled, wanted()], clear, [cleared]),
        # A person who reopens what is gone must close it.
        ([opened, cleared, wanted()], clear, []),
        ([opened, cleared, wanted()], report, []),
        ([opened, cleared, wanted(), changed], clear, []),
        ([opened, cleared, wanted()], resolve, [settled]),
        ([opened, cleared, back(), cleared], report, [back(2)]),
        ([opened, cleared, back(), settled], reopen, [wanted(2)]),
    ],
)
def test_what_a_command_does(
    before: list[IssueEvent], command: IssueCommand, then: list[IssueEvent]
) -> None:
    assert decide(command, given(*before)) == then


@pytest.mark.parametrize("command", [resolve, reopen])
def test_a_person_decides_on_what_was_found_only(command: IssueCommand) -> None:
    with pytest.raises(UnknownIssue, match="paid_twice:A1"):
        decide(command, NoIssue())


def test_how_often_it_came_back_is_kept() -> None:
    issue = given(opened, cleared, back(), cleared, back(2), changed)
    assert isinstance(issue, Open)
    assert issue.reopened == 2
