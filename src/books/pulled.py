"""What is known to be all of Stripe's transactions: of which time its list of them was read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from ledger.domain.events import PullRefreshed, PullStarted, WindowListed
from ledger.domain.limits import FIRST_DAY
from ledger.domain.streams import pulls, refreshes
from ledger.log import Log
from projections.engine.replay import DictCursor

KIND: Final = "balance_transaction"
LONGEST: Final = timedelta(days=36)
"""More than the service looks back by itself (`app.stripe_refresh`)."""
REFRESHES: Final = """
select notification_id as position
from ledger.stored_events
where originator_id = %(stream)s and recorded_at >= %(since)s and recorded_at < %(until)s
order by notification_id
"""

Span = tuple[datetime, datetime]


def unlisted(
    cursor: DictCursor, log: Log, account: str | None, since: datetime, until: datetime
) -> list[Span]:
    """The parts of [`since`, `until`) of which no list of transactions was read to its end.

    `account` is None for the shop's own.
    """
    left = [(since, until)]
    for span in _pulled(log, account):
        left = list(_without(left, span))
        if not left:
            break
    if left:
        stream, last = refreshes(account), left[-1][1] + LONGEST
        given = {"stream": stream, "since": left[0][0], "until": last}
        found = [row["position"] for row in cursor.execute(REFRESHES, given)]
        for recorded in log.at(found):
            if isinstance(recorded.event, PullRefreshed):
                left = list(_without(left, (recorded.event.since, recorded.event.until)))
    return left


def listed_from(
    cursor: DictCursor, log: Log, account: str | None, until: datetime
) -> datetime | None:
    """Since when all transactions up to a time were listed; None where that is all that there are.

    `until` itself where those just before it were not.
    """
    left = unlisted(cursor, log, account, FIRST_DAY, until)
    return left[-1][1] if left else None


def was_pulled(log: Log, account: str | None) -> bool:
    """Whether transactions of an account were ever listed."""
    return bool(log.latest([refreshes(account)])) or next(_pulled(log, account), None) is not None


def _pulled(log: Log, account: str | None) -> Iterator[Span]:
    """The windows of transactions that pulls read to their ends, the latest pull first."""
    started = [each.event for each in log.stream(pulls(account))]
    for event in reversed(started):
        if isinstance(event, PullStarted):
            for each in log.stream(f"pull/{event.pull_id}"):
                if isinstance(each.event, WindowListed) and each.event.kind == KIND:
                    yield each.event.since, each.event.until


def _without(spans: list[Span], read: Span) -> Iterator[Span]:
    """What of the spans was not read."""
    for since, until in spans:
        if read[1] <= since or read[0] >= until:
            yield since, until
            continue
        if since < read[0]:
            yield since, read[0]
        if read[1] < until:
            yield read[1], until
