"""What the service reads of Stripe by itself: what no event brings, every few minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event
from typing import Final

from msgspec import Struct

from app.stripe_lists import complete_lists
from app.stripe_pull import check_mode, complete_balance
from ledger.domain.events import Metadata, PullFinished, PullRefreshed, PullStarted
from ledger.domain.streams import pulls, refreshes
from ledger.log import Log
from projections.engine.build import ProjectionContext
from webhooks.ingest.balance import KIND
from webhooks.ingest.pull import read_list, record
from webhooks.stripe_client import StripeClient

META: Final = Metadata(actor="system", reason="no event brings balance transactions")
DAYS: Final = timedelta(days=3)
"""How far back every look goes: Stripe may list a transaction after later ones."""
LONG_DAYS: Final = timedelta(days=35)
"""How far back the first look of a day goes: a transaction may come late, with a month's end."""


class Refresher:
    """Reads new balance transactions, which of them each new payout paid out, and cut lists."""

    def __init__(self, engine: ProjectionContext, client: StripeClient, mode: str) -> None:
        self._engine = engine
        self._client = client
        self._mode = mode

    def run(self, _stop: Event) -> None:
        """One look; raises what the client raises, and `StoreUnavailable`."""
        log, account = self._engine.log, self._client.account
        livemode, now = check_mode(self._client, self._mode)
        since = now - (DAYS if self._looked_today(now) else LONG_DAYS)
        until = now + timedelta(seconds=1)
        engine, client = self._engine, self._client
        lists = complete_lists(engine, client, now=now, livemode=livemode, meta=META)
        told = complete_balance(engine, client, now=now, livemode=livemode, meta=META)
        found = read_list(
            log, self._client, KIND, since=since, until=until, livemode=livemode, meta=META
        )
        new = {
            KIND: found.new + told.transactions,
            "payout_members": told.payouts,
            "cut_lists": lists.objects,
        }
        refreshed = PullRefreshed(since=since, until=until, new=new, account=account)
        record(log, refreshed, META)

    def _looked_today(self, now: datetime) -> bool:
        stream = refreshes(self._client.account)
        last = self._engine.log.latest([stream]).get(stream)
        return (
            last is not None
            and isinstance(last.event, PullRefreshed)
            and last.event.until.date() == now.date()
        )


class StripeState(Struct, frozen=True, kw_only=True):
    """What is known of the account beyond events: whether there is a key, and when it was used.

    `pulled_at` is when the last whole pull was finished, `is_unfinished` says that one was ended in
    the middle; `refreshed_at` is when the service looked last. All by Stripe's clock or the log's.
    """

    has_key: bool
    pulled_at: datetime | None = None
    is_unfinished: bool = False
    refreshed_at: datetime | None = None

    @property
    def told(self) -> str:
        """All of it in one line, with the cure."""
        if not self.has_key:
            return (
                "no STRIPE_API_KEY: fees and what payouts paid out are not known; `ledger connect`"
            )
        if self.is_unfinished:
            return "a pull was not finished: `ledger stripe pull` goes on"
        if self.pulled_at is None:
            return "never pulled, only events are known: `ledger stripe pull`"
        said = f"pulled {self.pulled_at:%F %T} UTC"
        if self.refreshed_at is None:
            return said
        return f"{said}, balance looked at {self.refreshed_at:%F %T} UTC"


def stripe_state(log: Log, *, has_key: bool) -> StripeState:
    """What the log says of the shop's own account."""
    latest = log.latest([pulls(None), refreshes(None)])
    pulled, refreshed = latest.get(pulls(None)), latest.get(refreshes(None))
    is_finished = pulled is not None and isinstance(pulled.event, PullFinished)
    return StripeState(
        has_key=has_key,
        pulled_at=pulled.recorded_at if pulled is not None and is_finished else None,
        is_unfinished=pulled is not None and isinstance(pulled.event, PullStarted),
        refreshed_at=None if refreshed is None else refreshed.recorded_at,
    )
