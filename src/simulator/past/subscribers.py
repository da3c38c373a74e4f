"""Subscribers of a shop with a past: they begin, renew, change, miss payments, and go."""

from collections.abc import Callable
from functools import partial

from simulator.billing import Coupon, Subscription
from simulator.goods import DAY, Price
from simulator.past.agenda import Agenda
from simulator.past.sales import Sales
from simulator.past.truth import Books
from simulator.stripe import SimulatedStripe

Step = Callable[[Subscription], object]

_MONTHLY_MINOR = (960, 1920, 4800)
_YEARLY_MINOR = (9600, 48_000)
_BUNDLE_MINOR = tuple(240 * number for number in range(1, 14))  # more than Stripe shows at once
_TRIAL_SECONDS = 14 * DAY
_PERCENT_OFF = 50


class Subscribers:
    """Subscriptions to simple plans: by month or year, whole units, at times half the price.

    A few have a bundle of thirteen.

    Every price is a multiple of 240 in a month, so that a month's share of a year, and half of it,
    are whole minor units in every currency.
    """

    def __init__(
        self,
        stripe: SimulatedStripe,
        books: Books,
        agenda: Agenda,
        sales: Sales,
        currencies: tuple[str, ...],
    ) -> None:
        self._stripe = stripe
        self._books = books
        self._agenda = agenda
        self._sales = sales
        self._random = stripe.random
        self._plans = {currency: self._plans_in(currency) for currency in currencies}
        self._bundles = {currency: self._bundle_in(currency) for currency in currencies}
        self._half, _ = stripe.create_coupon("forever", currencies[0], percent_off=_PERCENT_OFF)
        stripe.create_promotion_code(self._half, "HALFPRICE")
        self.count = 0

    def begin(self) -> None:
        """Somebody subscribes: at once, after a trial, at half the price, or without paying."""
        currency = self._sales.currency()
        goods = self._goods(currency)
        customer, luck = self._sales.customer(), self._random.randrange(20)
        if luck == 0:
            subscription, _ = self._stripe.subscribe(customer, goods, pays=False)
            self._plan(self._stripe.now + DAY, subscription, self._stripe.give_up_first_payment)
            return
        self.count += 1
        if luck < 5:
            subscription, _ = self._stripe.subscribe(customer, goods, trial_seconds=_TRIAL_SECONDS)
            self._plan(self._stripe.now + _TRIAL_SECONDS, subscription, self._end_trial)
            return
        subscription, _ = self._stripe.subscribe(customer, goods)
        self._billed(subscription)
        if luck == 5:
            self._discount(subscription, self._half)
        self._goes_on(subscription)

    def _discount(self, subscription: Subscription, coupon: Coupon) -> None:
        self._stripe.apply_coupon(subscription, coupon)

    def _end_trial(self, subscription: Subscription) -> None:
        """Most pay; a few are paused for want of a card, and canceled later."""
        if self._random.randrange(6):
            self._stripe.end_trial(subscription)
            self._billed(subscription)
            self._goes_on(subscription)
        else:
            self._stripe.end_trial(subscription, pays=False)
            self._plan(self._stripe.now + 10 * DAY, subscription, self._cancel)

    def _goes_on(self, subscription: Subscription) -> None:
        """It counts as it is now; its period's end comes, and perhaps a change before that."""
        self._counts(subscription)
        self._plan(subscription.period_end, subscription, self._period_ends)
        if self._random.randrange(15) == 0:
            self._plan(self._stripe.now + 5 * DAY, subscription, self._change)

    def _period_ends(self, subscription: Subscription) -> None:
        luck = self._random.randrange(100)
        if luck < 4 or subscription.cancel_at_period_end:
            self._leave(subscription)
        elif luck < 10:
            self._stripe.miss_payment(subscription)
            recovers = luck < 8
            then = self._recover if recovers else self._give_up
            self._plan(self._stripe.now + 3 * DAY, subscription, then)
        else:
            self._stripe.renew(subscription)
            self._billed(subscription)
            self._goes_on(subscription)

    def _change(self, subscription: Subscription) -> None:
        """More or fewer units from now on; the invoice of the next period says so."""
        if subscription.status == "active":
            first, *others = subscription.items
            goods = [(first.price, self._random.choice((1, 2, 3)))]
            goods += [(each.price, each.quantity) for each in others]
            self._stripe.change_items(subscription, goods)
            self._counts(subscription)

    def _leave(self, subscription: Subscription) -> None:
        self._stripe.cancel_later(subscription)
        self._stripe.renew(subscription)
        self._is_gone(subscription)

    def _cancel(self, subscription: Subscription) -> None:
        self._stripe.cancel(subscription)
        self._is_gone(subscription)

    def _recover(self, subscription: Subscription) -> None:
        self._stripe.recover(subscription)
        self._billed(subscription)
        self._goes_on(subscription)

    def _give_up(self, subscription: Subscription) -> None:
        """The last try failed: unpaid, and later canceled."""
        self._stripe.stop_trying(subscription)
        self._books.recurring(subscription.id, subscription.currency, None)
        self._plan(self._stripe.now + 14 * DAY, subscription, self._cancel)

    def _billed(self, subscription: Subscription) -> None:
        invoice = subscription.invoices[-1]
        assert invoice.payment is not None
        self._sales.came_in(invoice.payment, invoice.due_minor)

    def _counts(self, subscription: Subscription) -> None:
        """What it is worth a month, worked out here: the price, the units, and half of it."""
        monthly = sum(
            item.price.unit_minor * item.quantity // (12 if item.price.interval == "year" else 1)
            for item in subscription.items
        )
        if subscription.discount is not None:
            monthly = monthly * (100 - _PERCENT_OFF) // 100
        self._books.recurring(subscription.id, subscription.currency, monthly)

    def _is_gone(self, subscription: Subscription) -> None:
        self.count -= 1
        self._books.recurring(subscription.id, subscription.currency, None)

    def _goods(self, currency: str) -> list[tuple[Price, int]]:
        units = self._random.choice((1, 1, 1, 2, 5))
        if self._random.randrange(30) == 0:
            return [(price, units) for price in self._bundles[currency]]
        return [(self._random.choice(self._plans[currency]), units)]

    def _bundle_in(self, currency: str) -> list[Price]:
        return [self._stripe.new_price(each, currency) for each in _BUNDLE_MINOR]

    def _plans_in(self, currency: str) -> list[Price]:
        monthly = [self._stripe.new_price(each, currency) for each in _MONTHLY_MINOR]
        yearly = [self._stripe.new_price(each, currency, "year") for each in _YEARLY_MINOR]
        return [*monthly, *monthly, *yearly]

    def _plan(self, at: int, subscription: Subscription, what: Step) -> None:
        self._agenda.plan(at, partial(what, subscription))
