"""The demo shop's Stripe account: the year before it had a ledger, pulled as any shop's is."""

from collections.abc import Callable
from typing import Final

from app.demo.history_import import IMPORTER
from app.demo.seasons import DAYS, midnight
from app.stripe_pull import AccountReport, pull_account
from projections.engine.build import ProjectionContext
from simulator.api import Account, app, invented_keys, served
from simulator.past import past_shop
from webhooks.ingest.pull import LISTINGS
from webhooks.stripe_client import StripeClient

OBJECTS: Final = 1_500
CURRENCIES: Final = ("gbp",)
ABROAD: Final = "sek"


def pull_past(
    engine: ProjectionContext, now: int, progress: Callable[[int, int], None]
) -> AccountReport:
    """Pull what Stripe holds of before the history's ninety days; `now` in seconds since 1970.

    Stripe's API is the simulator's, on a port of this machine; the client is the real one. Nothing
    of that year is still under way.
    """
    until = midnight(now, DAYS)
    past = past_shop("demo", 1, OBJECTS, CURRENCIES, until=until, leaves_open=False, abroad=ABROAD)
    key, _ = invented_keys("demo", livemode=False)
    shares: dict[str, float] = {}

    def heard(kind: str, _objects: int, share: float) -> None:
        shares[kind] = share
        progress(round(100 * sum(shares.values())), 100 * len(LISTINGS))

    with served(app(Account("acct_demo", past.stripe), [key])) as base:
        client = StripeClient(key.secret, base, calls_per_second=1_000)
        return pull_account(engine, client, mode="test", progress=heard, meta=IMPORTER)
