"""`ledger backfill`: append what Stripe's event list still holds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from ledger.domain.events import Metadata, StripeEventReceived
from ledger.errors import NotAStripeEvent
from ledger.log import Log
from webhooks.ingest.append import IngestReport, Offer, Rejection, append_all
from webhooks.ingest.stripe_list import EventList
from webhooks.stripe_client import StripeClient
from webhooks.translate.objects import account_of, parse_event

KEPT_DAYS = 30
A_MOMENT = timedelta(minutes=1)

_META = Metadata(actor="operator")


class Gap(Struct, frozen=True):
    """A time of which Stripe keeps no events; they may be missing in the log for good."""

    since: datetime
    until: datetime


class BackfillReport(IngestReport, kw_only=True):
    """What became of the listed events; a `where` is the place in the list, from 1."""

    gap: Gap | None = None
    listed: int = 0


def backfill(
    log: Log,
    client: StripeClient,
    *,
    since: datetime,
    progress: Callable[[int], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> BackfillReport:
    """Append the events that Stripe made from `since` on, the oldest first, each id once.

    Those of the client's account: they are attributed to it, whether or not they say so.

    Stripe's list goes back `KEPT_DAYS`; a longer way back is reported as a gap. `progress` hears
    the number of listed events after every commit. Running it again appends the rest.
    Raises `StripeRefused` (a wrong key, say), `StripeUnavailable` after several tries, and
    `StoreUnavailable`.
    https://docs.stripe.com/api/events/list
    """
    report = BackfillReport(gap=_gap(since, clock()))
    events = EventList(client, int(since.timestamp()), int(clock().timestamp()))
    offers = _offers(events, report, clock, client.account)
    for _ in append_all(log, offers, _META, report):
        progress(report.listed)
    return report


def _gap(since: datetime, now: datetime) -> Gap | None:
    """What Stripe has no longer; who asked for all that it keeps asked a moment ago."""
    oldest = now - timedelta(days=KEPT_DAYS)
    return Gap(since, oldest) if since < oldest - A_MOMENT else None


def _offers(
    events: EventList,
    report: BackfillReport,
    clock: Callable[[], datetime],
    account: str | None,
) -> Iterator[Offer]:
    for body in events.oldest_first():
        report.listed += 1
        where = f"listed event {report.listed}"
        try:
            event_id = parse_event(body).id
        except NotAStripeEvent as error:
            report.rejected.append(Rejection(where, str(error)))
            continue
        event = StripeEventReceived(
            event_id=event_id,
            body=body,
            received_at=clock(),
            source="backfill",
            account=None if account_of(body) else account,
        )
        yield Offer(where, event)
