"""A small shop at the simulated Stripe, its keys, and Stripe's own client for it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import stripe as library
from msgspec import Struct

from simulator import SimulatedStripe
from simulator.api import READING, Account, Key, StripeApi, app, served
from tests.simulator.lives import EVERY_STORY, Step, lived

SECRET = Key("sk_test_secretOfTheShop")
LIVE = Key("sk_live_secretOfTheShop")
CHARGES_ONLY = Key("rk_test_readsChargesOnly", frozenset({"rak_charge_read"}))
READS_ALL = Key("rk_test_readsAll", READING)
KEYS = (SECRET, LIVE, CHARGES_ONLY, READS_ALL)
BUSY = [
    Step(story, "eur", 3000 + 10 * number, 1, "finish" if number % 5 == 4 else None, None)
    for number, story in enumerate(sorted(EVERY_STORY))
]


class Shop(Struct, frozen=True):
    """What is served at `base`."""

    account: Account
    stripe: SimulatedStripe
    api: StripeApi
    base: str

    def client(self, key: Key = SECRET, **options: Any) -> library.StripeClient:
        """Stripe's client; it does not try again by itself."""
        return library.StripeClient(
            key.secret, base_addresses={"api": self.base}, max_network_retries=0, **options
        )

    def get(self, path: str, key: Key = SECRET, **params: Any) -> dict[str, Any]:
        """The JSON of an answer."""
        return cast("dict[str, Any]", self.answer(path, key, **params).data)

    def answer(self, path: str, key: Key = SECRET, **params: Any) -> library.StripeResponse:
        return self.client(key).raw_request("get", path, **params)


def busy() -> SimulatedStripe:
    """Every story once, and an invoice with its credit note, a promotion code, an open page."""
    simulated = lived(BUSY)
    customer, _ = simulated.create_customer("kim@example.com", "Kim")
    tea = simulated.new_price(450, "eur", "", name="Tea")
    invoice, _ = simulated.bill(customer, [(tea, n) for n in range(1, 13)], "eur")
    simulated.pay_invoice(invoice)
    simulated.credit(invoice, 900, "product_unsatisfactory")
    coupon, _ = simulated.create_coupon("once", "eur", percent_off=10)
    simulated.create_promotion_code(coupon, "TEATIME")
    simulated.open_checkout(1350, "eur", goods=[(tea, 1), (tea, 2)], customer=customer)
    simulated.pay_out(500, "eur")
    return simulated


@contextmanager
def shop(simulated: SimulatedStripe | None = None, **settings: Any) -> Generator[Shop]:
    """Serve a shop for the length of the block; `settings` are those of the API."""
    mine = simulated or busy()
    other = SimulatedStripe(2, remembers=True)
    connected = Account("acct_1Connected", other)
    live = SimulatedStripe(3, remembers=True, livemode=True)
    account = Account("acct_1Shop", mine, live, connected=[connected])
    application = app(account, KEYS, **settings)
    with served(application) as base:
        yield Shop(account, mine, application.state.api, base)
