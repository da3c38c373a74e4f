"""What the service reads of Stripe by itself: what no event brings, every few minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event
from typing import Final

from app.stripe_lists import complete_lists
from app.stripe_pull import ask_balance, complete_balance
from ledger.domain.events import Metadata, PullRefreshed
from ledger.domain.streams import refreshes
from projections.engine.build import ProjectionContext
from webhooks.ingest.balance import KIND, append_balance
from webhooks.ingest.pull import read_list, record
from webhooks.stripe_client import StripeClient

META: Final = Metadata(actor="system", reason="no event brings balance transactions")
DAYS: Final = timedelta(days=3)
"""How far back every look goes: Stripe may list a transaction after later ones."""
LONG_DAYS: Final = timedelta(days=35)
"""How far back the first look of a day goes: a transaction may come late, with a month's end."""


class Refresher:
    """Reads the balance, its new transactions, members of each new payout, and cut lists."""

    def __init__(self, engine: ProjectionContext, client: StripeClient, mode: str) -> None:
        self._engine = engine
        self._client = client
        self._mode = mode

    def run(self, _stop: Event) -> None:
        """One look; raises what the client raises, and `StoreUnavailable`."""
        log, account = self._engine.log, self._client.account
        livemode, held = ask_balance(self._client, self._mode)
        now = held.answered_at
        append_balance(log, held, livemode=livemode, account=account, meta=META)
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
