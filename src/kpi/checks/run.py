"""Running the checks: what they find opens issues, what they find no more resolves them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from kpi.checks.ask import DEFAULT, Answer, Asking, CheckCrashed, Limits, asking
from kpi.checks.declare import Check, catalogue
from ledger import waits
from ledger.decisions import StreamState
from ledger.domain import issue
from ledger.domain.events import ChecksRan, Finding, Metadata, NewEvent
from ledger.domain.issue import ClearIssue, Issue, IssueCommand, ReportIssue
from ledger.errors import UnknownTopic
from ledger.log import Log
from ledger.races import until_fastest
from projections.engine.build import ProjectionContext

BATCH: Final = 100
RUNS: Final = "checks/runs"
SYSTEM: Final = Metadata(actor="system")

Item = TypeVar("Item")
logger = structlog.get_logger(__name__)


class Outcome(Struct, frozen=True, kw_only=True):
    """What one check came to; `events` counts by topic what was appended about its issues.

    `crashed` says why there is no answer. `findings` are those that no person has settled.
    `withheld` issues are open although it finds them no more: what it looked at is damaged, as the
    last proof says, so it is not known whether their cause is gone.
    """

    check: Check
    seconds: float
    findings: Sequence[Finding] = ()
    still_open: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    crashed: str | None = None
    withheld: int = 0


class Report(Struct, frozen=True):
    """What a run came to; a read from `position` on shows the issues that it changed."""

    outcomes: Sequence[Outcome]
    position: int

    @property
    def open(self) -> int:
        """How many issues are open."""
        return sum(outcome.still_open for outcome in self.outcomes)

    @property
    def crashed(self) -> list[Outcome]:
        """The checks without an answer."""
        return [outcome for outcome in self.outcomes if outcome.crashed is not None]

    @property
    def withheld(self) -> int:
        """How many issues stay open because what their checks look at is damaged."""
        return sum(outcome.withheld for outcome in self.outcomes)


def run_checks(
    engine: ProjectionContext,
    now: datetime,
    meta: Metadata = SYSTEM,
    checks: Sequence[Check] = catalogue(),
    limits: Limits = DEFAULT,
) -> Report:
    """Ask checks what they find at `now`, open and resolve issues, and put the run on record.

    The read models should be up to date; a check whose read models do not follow has no answer,
    which is no good one. One that looks at what the last proof found damaged, until a rebuild or a
    proof that holds, opens issues and resolves none: rows that are gone may be there in truth. What
    no proof has found yet is not seen. Several runs at a time say nothing twice. `meta` is of who
    runs them. Raises `StoreUnavailable`.
    """
    with asking(engine, limits) as asked:
        outcomes = [_run(asked, engine.log, check, now, meta) for check in checks]
    report = Report(outcomes, 0)
    if report.withheld:
        logger.warning("issues_not_resolved", issues=report.withheld, because="damage")
    ran = ChecksRan(
        checks=len(checks),
        open_issues=report.open,
        crashed=tuple(outcome.check.name for outcome in report.crashed),
    )
    return replace(report, position=_on_record(engine.log, ran, now, meta))


def _on_record(log: Log, ran: ChecksRan, now: datetime, meta: Metadata) -> int:
    """All runs are one stream, so that the last one is quick to find."""

    def append() -> int:
        version = log.version(RUNS) + 1
        return log.append([NewEvent(RUNS, version, ran, now, meta)])[0]

    return until_fastest(append)


def _run(asked: Asking, log: Log, check: Check, now: datetime, meta: Metadata) -> Outcome:
    waits.go_on()
    started = time.monotonic()
    try:
        answer = asked.ask(check, now)
    except CheckCrashed as crash:
        # Why, with its traceback, may quote a customer's data: the report says it, no log line.
        logger.warning("check_crashed", check=check.name)
        seconds = time.monotonic() - started
        return Outcome(check=check, seconds=seconds, crashed=str(crash))
    try:
        events = _record(log, list(_news(answer, now)), answer.position, meta)
    except UnknownTopic as error:  # an event of one of its issues is damaged
        seconds = time.monotonic() - started
        return Outcome(check=check, seconds=seconds, crashed=str(error))
    found = [f for f in answer.findings.values() if not answer.is_settled(f)]
    kept = len(answer.gone) - events["issue.resolved.v1"]
    return Outcome(
        check=check,
        seconds=time.monotonic() - started,
        findings=found,
        still_open=len(found) + kept,
        events=events,
        withheld=len(answer.gone) if answer.is_doubted else 0,
    )


def _news(answer: Answer, now: datetime) -> Iterator[IssueCommand]:
    for finding in answer.findings.values():
        if answer.is_news(finding):
            yield ReportIssue(finding=finding, at=now)
    for issue_id in () if answer.is_doubted else answer.gone:
        yield ClearIssue(issue_id=issue_id, at=now)


def _record(log: Log, commands: Sequence[IssueCommand], upto: int, meta: Metadata) -> Counter[str]:
    """Decide and append, a batch at a time; answers how many events of each topic.

    An issue that a person changed after the snapshot, or changes now, stays as they left it: the
    next run looks again.
    """
    appended = Counter[str]()
    for batch in _batches(commands):
        streams = _fold(log, [f"issue/{command.issue_id}" for command in batch])
        entries = [
            entry
            for command in batch
            if (stream := streams[f"issue/{command.issue_id}"]).position <= upto
            for entry in _decided(command, stream, meta)
        ]
        positions = log.append_new(entries)
        stored = zip(entries, positions, strict=True)
        appended.update(e.event.TOPIC for e, position in stored if position is not None)
    return appended


def _fold(log: Log, names: Sequence[str]) -> dict[str, StreamState]:
    streams = {name: StreamState.new(name) for name in names}
    for recorded in log.streams(dict.fromkeys(names, 0)):
        stream = streams[recorded.stream]
        streams[recorded.stream] = stream.then(recorded.event, recorded.position)
    return streams


def _decided(command: IssueCommand, stream: StreamState, meta: Metadata) -> Iterator[NewEvent]:
    assert isinstance(stream.state, Issue), "an issue's events stand in its stream"
    for event in issue.decide(command, stream.state):
        about = f"{event.finding.kind}/{event.finding.reference}"
        stamped = replace(meta, correlation=about)
        yield NewEvent(stream.name, stream.version + 1, event, command.at, stamped)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
