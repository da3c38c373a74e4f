"""The rules of alerts: what of the present state is to be told.

They look at what is, not at what changed: what was told already is known by the log
(`app.alerts.deliver`). Titles name ids, states and checks, and no person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, get_args
from urllib.parse import quote

from app.health import survey
from ledger.domain.alerts import Alert, AlertRule
from ledger.domain.events import Severity
from ledger.domain.money import with_code
from ledger.errors import ProjectionStopped
from ledger.settings import Settings
from projections.engine.reads import Reads, rows

NEW: Final = timedelta(days=3)
"""For so long something is new: a shop that sets up alerts is not told its past."""
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""From the worst on."""

ISSUES: Final = """
select
    issue_id, severity, "check", kind, reference, evidence ->> 'currency' as currency,
    coalesce(times_reopened, 0) as times
from issues
where state = 'open' and severity = any(%(severities)s) and changed_at > %(since)s
order by changed_at, issue_id
"""
DISPUTES: Final = """
select dispute_id, due_at
from disputes
where state in ('inquiry', 'open') and due_at > %(now)s and due_at <= %(until)s
order by due_at, dispute_id
"""
PAYOUTS: Final = """
select payout_id, failure_code
from payouts
where state = 'failed' and created_at > %(since)s
order by created_at, payout_id
"""
PAYOUT_DAYS: Final = timedelta(days=14)
"""A payout may fail days after it was made: https://docs.stripe.com/payouts#payout-failures."""


class Looked(NamedTuple):
    """What a rule looks at: the read models, a time, the settings."""

    reads: Reads
    now: datetime
    settings: Settings


def found(reads: Reads, now: datetime, settings: Settings) -> Iterator[Alert]:
    """What the rules of the settings have to tell now.

    A rule whose read model does not follow says nothing; that it does not is told by another.
    """
    look = Looked(reads, now, settings)
    for name in settings.ledger_alerts_rules:
        with suppress(ProjectionStopped):
            yield from RULES[name](look)


def about(settings: Settings) -> dict[str, str]:
    """Each rule that is on, and what it tells."""
    worst = SEVERITIES[: SEVERITIES.index(settings.ledger_alerts_severity) + 1]
    told: Mapping[AlertRule, str] = {
        "issue": f"a new issue of severity {' or '.join(worst)}",
        "dispute_due": "a dispute that must be answered within"
        f" {settings.ledger_alerts_dispute_days} d",
        "projection_stopped": "a read model that does not follow",
        "lag": "events that wait for the read models longer than"
        f" {settings.ledger_alerts_lag_seconds} s",
        "payout_failed": "a payout that failed",
    }
    return {name: told[name] for name in settings.ledger_alerts_rules}


def _rows(look: Looked, projection: str, query: str, **given: Any) -> list[dict[str, Any]]:
    with look.reads.snapshot([projection]) as cursor:
        return rows(cursor, query, **given)


def _issues(look: Looked) -> Iterator[Alert]:
    worst = SEVERITIES[: SEVERITIES.index(look.settings.ledger_alerts_severity) + 1]
    given = {"severities": list(worst), "since": look.now - NEW}
    for row in _rows(look, "issues", ISSUES, **given):
        yield Alert(
            rule="issue",
            subject=f"issue/{row['issue_id']}",
            occasion=str(row["times"]),
            title=f"Issue ({row['severity']}): {row['check']}, {row['kind']}"
            f" {with_code(row['reference'], row['currency'])}",
            path=f"/issues/{quote(row['issue_id'], safe='')}",
            severity=row["severity"],
        )


def _disputes(look: Looked) -> Iterator[Alert]:
    until = look.now + timedelta(days=look.settings.ledger_alerts_dispute_days)
    for row in _rows(look, "disputes", DISPUTES, now=look.now, until=until):
        yield Alert(
            rule="dispute_due",
            subject=f"dispute/{row['dispute_id']}",
            occasion=f"{row['due_at']:%F}",
            title=f"Dispute {row['dispute_id']} must be answered by {row['due_at']:%F %H:%M} UTC",
            path=f"/disputes/{quote(row['dispute_id'], safe='')}",
        )


def _payouts(look: Looked) -> Iterator[Alert]:
    for row in _rows(look, "payouts", PAYOUTS, since=look.now - PAYOUT_DAYS):
        because = f": {row['failure_code']}" if row["failure_code"] else ""
        yield Alert(
            rule="payout_failed",
            subject=f"payout/{row['payout_id']}",
            occasion="",
            title=f"Payout {row['payout_id']} failed{because}",
            path=f"/payouts/{quote(row['payout_id'], safe='')}",
        )


def _projections(look: Looked) -> Iterator[Alert]:
    for status in look.reads.statuses():
        if status.state != "following":
            yield Alert(
                rule="projection_stopped",
                subject=f"projection/{status.name}",
                occasion=f"{status.state} {status.position}",
                title=f"Read model {status.name} does not follow ({status.state}) since position"
                f" {status.position}; `ledger status` says why",
                path="/status",
            )


def _lag(look: Looked) -> Iterator[Alert]:
    engine = look.reads.engine
    with engine.database.connect("reader") as conn, conn.cursor() as cursor:
        health = survey(cursor, engine.registry, engine.reader)
    if health.waiting_since is None:
        return
    seconds = (look.now - health.waiting_since).total_seconds()
    if seconds > look.settings.ledger_alerts_lag_seconds:
        yield Alert(
            rule="lag",
            subject="projections",
            occasion=f"{look.now:%F}",  # once a day: how long a lag lasts is not known before
            title=f"Read models are behind by {health.lag_events:,}; the first event waits for"
            f" {seconds:.0f} s",
            path="/status",
        )


RULES: Final[Mapping[AlertRule, Callable[[Looked], Iterator[Alert]]]] = {
    "projection_stopped": _projections,
    "lag": _lag,
    "issue": _issues,
    "dispute_due": _disputes,
    "payout_failed": _payouts,
}
