"""The demo shop's Stripe account: what it held and moved, pulled as any shop's is."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from app.demo.history_import import IMPORTER
from app.demo.seasons import DAYS, midnight
from app.demo.timeline import time_of
from app.stripe_pull import AccountReport, pull_account
from ledger.domain.limits import FIRST_DAY
from projections.engine.build import ProjectionContext
from simulator.api import Account, app, invented_keys, served
from simulator.past import past_shop
from simulator.transactions import Transaction
from webhooks.ingest.pull import LISTINGS, Progress
from webhooks.stripe_client import StripeClient

OBJECTS: Final = 1_500
CURRENCIES: Final = ("gbp",)
ABROAD: Final = "sek"


class DemoAccount:
    """The year before the history's ninety days, and what moves the balance after it.

    `now` is in seconds since 1970. Nothing of that year is still under way. Stripe's API is the
    simulator's, on a port of this machine; the client is the real one.
    """

    def __init__(self, now: int) -> None:
        self._until = midnight(now, DAYS)
        past = past_shop(
            "demo",
            1,
            OBJECTS,
            CURRENCIES,
            until=self._until,
            leaves_open=False,
            abroad=ABROAD,
        )
        self._stripe = past.stripe

    def pull_past(
        self, engine: ProjectionContext, progress: Callable[[int, int], None]
    ) -> AccountReport:
        """Pull what Stripe holds of before the ninety days."""
        shares: dict[str, float] = {}

        def heard(kind: str, _objects: int, share: float) -> None:
            shares[kind] = share
            progress(round(100 * sum(shares.values())), 100 * len(LISTINGS))

        return self._pull(engine, FIRST_DAY, heard)

    def pull_rest(
        self, engine: ProjectionContext, booked: Iterable[Transaction], now: int
    ) -> AccountReport:
        """Pull what moved the balance since: no event brings that."""
        self._stripe.now = max(self._stripe.now, now)
        for each in sorted(booked, key=lambda each: each.created):
            if each.created <= now:
                self._stripe.remember_booked(each)
        return self._pull(engine, time_of(self._until), lambda _kind, _objects, _share: None)

    def _pull(self, engine: ProjectionContext, since: datetime, heard: Progress) -> AccountReport:
        key, _ = invented_keys("demo", livemode=False)
        with served(app(Account("acct_demo", self._stripe), [key])) as base:
            client = StripeClient(key.secret, base, calls_per_second=1_000)
            return pull_account(
                engine, client, mode="test", since=since, progress=heard, meta=IMPORTER
            )
