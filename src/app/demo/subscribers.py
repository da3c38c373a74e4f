"""The demo shop's members: who subscribed in the ninety days before today, and for how long."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from app.demo.customers import CUSTOMERS
from app.demo.seasons import midnight
from app.demo.shop import PEOPLE
from app.demo.timeline import Timeline
from simulator import SUBSCRIBER_STORIES, Events, Purchase, SimulatedStripe
from simulator.goods import DAY, Price
from simulator.objects import Customer


class Plans:
    """What a membership costs, in pounds: 12 a month, 24 for two, 120 a year."""

    def __init__(self, stripe: SimulatedStripe) -> None:
        self.small = stripe.new_price(1200, "gbp")
        self.large = stripe.new_price(2400, "gbp")
        self.yearly = stripe.new_price(12000, "gbp", "year")


class Membership:
    """A subscriber's way through the plans, up to `until` (seconds since 1970)."""

    def __init__(self, stripe: SimulatedStripe, customer: Customer, until: int) -> None:
        self._stripe = stripe
        self._customer = customer
        self._until = until
        self.plans = Plans(stripe)

    def begin(self, price: Price, *, trial_days: int = 0) -> Iterator[Events]:
        """A customer subscribes, perhaps with a trial that has yet to end."""
        self._subscription, begun = self._stripe.subscribe(
            self._customer, [(price, 1)], trial_seconds=trial_days * DAY
        )
        yield begun

    def renew(self, periods: int | None = None) -> Iterator[Events]:
        """So many periods follow, or all there are."""
        while self._stripe.now < self._until and periods != 0:
            yield self._stripe.renew(self._subscription)
            periods = None if periods is None else periods - 1

    def end_trial(self) -> Iterator[Events]:
        """The trial is over, and was liked."""
        yield self._stripe.end_trial(self._subscription)

    def change(self, price: Price, after_days: int) -> Iterator[Events]:
        """Another plan."""
        self._stripe.advance(after_days * DAY)
        yield self._stripe.change_items(self._subscription, [(price, 1)])

    def miss(self) -> Iterator[Events]:
        """A card is declined at first."""
        yield self._stripe.miss_payment(self._subscription)
        self._stripe.advance(3 * DAY)
        yield self._stripe.recover(self._subscription)

    def leave(self, after_days: int) -> Iterator[Events]:
        """No other period is wanted."""
        self._stripe.advance(after_days * DAY)
        yield self._stripe.cancel_later(self._subscription)
        yield self._stripe.renew(self._subscription)

    def stay_away(self, days: int) -> None:
        """Nothing happens for a while."""
        self._stripe.advance(days * DAY)


Way = Callable[[Membership], Iterator[Events]]


def _stays(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.small)
    yield from member.renew()


def _stays_large(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.large)
    yield from member.renew()


def _yearly(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.yearly)
    yield from member.renew()


def _tries_and_stays(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.small, trial_days=14)
    yield from member.end_trial()
    yield from member.renew()


def _only_tries(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.large, trial_days=14)
    yield from member.leave(9)


def _upgrades(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.small)
    yield from member.renew(1)
    yield from member.change(member.plans.large, 6)
    yield from member.renew()


def _downgrades(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.large)
    yield from member.change(member.plans.small, 20)
    yield from member.renew()


def _pays_late(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.large)
    yield from member.miss()
    yield from member.renew()


def _leaves(member: Membership) -> Iterator[Events]:
    yield from member.begin(member.plans.small)
    yield from member.leave(17)


def _comes_back(member: Membership) -> Iterator[Events]:
    yield from _leaves(member)
    member.stay_away(18)
    yield from _stays_large(member)


class _Beginning(Struct, frozen=True):
    days_ago: int
    way: Way


_MEMBERS: Final = (
    _Beginning(89, _stays),
    _Beginning(87, _upgrades),
    _Beginning(84, _comes_back),
    _Beginning(80, _yearly),
    _Beginning(76, _tries_and_stays),
    _Beginning(71, _leaves),
    _Beginning(66, _pays_late),
    _Beginning(62, _stays),
    _Beginning(57, _only_tries),
    _Beginning(51, _stays_large),
    _Beginning(46, _leaves),
    _Beginning(42, _downgrades),
    _Beginning(37, _tries_and_stays),
    _Beginning(31, _upgrades),
    _Beginning(26, _yearly),
    _Beginning(20, _stays),
    _Beginning(13, _stays_large),
    _Beginning(9, _tries_and_stays),  # still a trial
    _Beginning(5, _stays),
    _Beginning(2, _stays_large),
)
"""One member each; none of them is of `PEOPLE`, whom Stripe knows without a membership."""
_TOLD: Final = (
    (68, "coupons_of_all_kinds", Purchase(9600, "gbp")),
    (48, "several_items", Purchase(1500, "usd")),
)
"""Stories of the simulator that began so many days ago, each with what a unit costs."""


def subscribe_all(stripe: SimulatedStripe, timeline: Timeline, now: int) -> None:
    """Everybody's membership, as Stripe reports it."""
    for days_ago, name, purchase in _TOLD:
        stripe.now = midnight(now, days_ago) + 10 * 3600
        for events in SUBSCRIBER_STORIES[name](stripe, purchase):
            timeline.report(events)
    for person, beginning in zip(CUSTOMERS[len(PEOPLE) :], _MEMBERS, strict=False):
        stripe.now = midnight(now, beginning.days_ago) + 11 * 3600
        customer, created = stripe.create_customer(person.email, person.name)
        timeline.report(created)
        for events in beginning.way(Membership(stripe, customer, now)):
            timeline.report(events)
