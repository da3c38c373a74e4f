"""Years of a shop's life at the simulated Stripe, at one go."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

from msgspec import Struct

from simulator.fees import MORE_FEES
from simulator.goods import DAY
from simulator.memory import EVENT_SECONDS
from simulator.past.abroad import Abroad
from simulator.past.agenda import Agenda
from simulator.past.occasions import Occasions
from simulator.past.sales import Sales
from simulator.past.subscribers import Subscribers
from simulator.past.truth import Books, Truth
from simulator.stripe import SimulatedStripe

UNTIL = 1_793_534_400  # 1 November 2026, 12:00 UTC
YEAR_DAYS = 365

_WEEK = 7
_SUBSCRIBED_SHARE = 0.35  # of the objects of a day, at most, those of renewals
_OBJECTS_OF_A_RENEWAL = 5 / 30  # a day: intent, charge, transaction, invoice, its payment
_SUBSCRIBERS_PERCENT = 8


class PastShop(Struct, frozen=True):
    """A simulator that remembers a past, and the truth about it."""

    stripe: SimulatedStripe
    truth: Truth


def past_shop(
    seed: int | str,
    years: int = 5,
    objects: int = 200_000,
    currencies: tuple[str, ...] = ("eur", "jpy", "kwd"),
    *,
    until: int = UNTIL,
    livemode: bool = False,
    leaves_open: bool = True,
    abroad: str | None = None,
) -> PastShop:
    """A shop that has sold for years, up to `until` (seconds since 1970).

    It has about this many objects in all lists together (a few more; events not counted), more of
    them in later years. It sells single things by card, on pages, by bank debit and by invoice, and
    subscriptions; refunds, disputes, bounces and payouts follow. Once a year the balance moves by
    each other type of transaction that there is. Most payments name no order. Only the events of
    the last 30 days are written. With `leaves_open` a refund, a dispute and a debit of each
    currency are under way at the end. With `abroad` some pay in that currency, which Stripe
    converts into the first one, at a rate that changes. The same arguments give the same shop.
    """
    days = years * YEAR_DAYS
    start = until - days * DAY
    stripe = SimulatedStripe(
        f"past {seed}",
        livemode=livemode,
        start=start,
        remembers=True,
        quiet_until=until - EVENT_SECONDS,
        compact=True,
        fees=MORE_FEES,
    )
    with _no_collection():
        life = _Life(stripe, currencies, abroad)
        life.plan_years(start, years)
        for day in range(days):
            life.live_through(start + day * DAY, _share(day + 1, days) * objects)
        life.end(objects, leaves_open=leaves_open)
    stripe.now = max(stripe.now, until)
    return PastShop(stripe, life.books.close(life.objects_by_kind()))


class _Life:
    """The shop's days: what was planned for each, and as many sales as make up its objects."""

    def __init__(
        self, stripe: SimulatedStripe, currencies: tuple[str, ...], abroad: str | None
    ) -> None:
        assert stripe.memory is not None
        self.books = Books()
        self._stripe = stripe
        self._memory = stripe.memory
        self._agenda = Agenda()
        self._currencies = currencies
        self._sales = Sales(stripe, self.books, self._agenda, currencies)
        self._subscribers = Subscribers(stripe, self.books, self._agenda, self._sales, currencies)
        self._occasions = Occasions(stripe, self.books, self._agenda, currencies)
        self._abroad = (
            None
            if abroad is None
            else Abroad(stripe, self.books, self._agenda, abroad, currencies[0])
        )
        self._made_by_sales, self._sold = 35, 10

    def plan_years(self, start: int, years: int) -> None:
        """What happens once a year."""
        for year in range(years):
            self._occasions.plan_a_year(start + year * YEAR_DAYS * DAY, YEAR_DAYS)

    def live_through(self, morning: int, wanted: float) -> None:
        """A day (24 hours from `morning` on), at whose end there should be so many objects."""
        missing = wanted - len(self._memory)
        renewals = self._subscribers.count * _OBJECTS_OF_A_RENEWAL
        to_sell = round((missing - renewals) * self._sold / self._made_by_sales)
        for _ in range(to_sell):
            at = morning + self._stripe.random.randrange(DAY)
            begins = renewals < missing * _SUBSCRIBED_SHARE and self._is_subscriber()
            self._agenda.plan(at, self._subscribers.begin if begins else self._sell)
        self._plan_payouts(morning)
        if self._abroad is not None:
            self._abroad.plan_a_day(morning)
        while (plan := self._agenda.next_until(morning + DAY)) is not None:
            at, what = plan
            self._stripe.now = max(self._stripe.now, at)
            what()

    def end(self, objects: int, *, leaves_open: bool) -> None:
        """Leave something open in each currency, if so, and sell until there are enough."""
        for currency in self._currencies if leaves_open else ():
            self._sales.leave_open(currency)
        while len(self._memory) < objects:
            self._sell()

    def objects_by_kind(self) -> dict[str, int]:
        """How many objects the lists give of each kind."""
        return self._memory.counts()

    def _sell(self) -> None:
        before = len(self._memory)
        self._sales.sell()
        self._sold += 1
        self._made_by_sales += len(self._memory) - before

    def _is_subscriber(self) -> bool:
        return self._stripe.random.randrange(100) < _SUBSCRIBERS_PERCENT

    def _plan_payouts(self, morning: int) -> None:
        """Every night in the first currency, on Mondays in the others."""
        monday = (morning // DAY) % _WEEK == 4
        for number, currency in enumerate(self._currencies):
            if number == 0 or monday:
                self._agenda.plan(morning + 60, lambda each=currency: self._sales.pay_out(each))


def _share(day: int, days: int) -> float:
    """The part of all objects that there is at the end of a day: a shop that grows."""
    return (day / days) ** 1.5


@contextmanager
def _no_collection() -> Generator[None]:
    """Nothing that is made here is garbage, and looking for it takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
