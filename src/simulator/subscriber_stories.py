"""Whole lives of subscribers, as generators that can be played side by side (see `stories`).

A purchase is what one unit costs in a period, and its currency.
"""

from collections.abc import Generator, Iterator

from simulator.billing import Subscription
from simulator.goods import DAY, Price, Tier
from simulator.objects import Customer
from simulator.sent import Events
from simulator.stories import Purchase, Story, reported, told_in
from simulator.stripe import SimulatedStripe

_HOURS = 7 * 3600

SUBSCRIBER_STORIES: dict[str, Story] = {}


def _customer(stripe: SimulatedStripe) -> Generator[Events, None, Customer]:
    customer = yield from reported(stripe.create_customer("sam@example.com", "Sam"))
    return customer


def _price(stripe: SimulatedStripe, purchase: Purchase, interval: str = "month") -> Price:
    return stripe.new_price(purchase.amount_minor, purchase.currency, interval)


def _begun(
    stripe: SimulatedStripe, customer: Customer, price: Price, quantity: int = 1
) -> Generator[Events, None, Subscription]:
    subscription = yield from reported(stripe.subscribe(customer, [(price, quantity)]))
    return subscription


@told_in(SUBSCRIBER_STORIES)
def trial_that_lasted(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Tried, bought, upgraded, downgraded; a card declined in the next period, and then not."""
    customer = yield from _customer(stripe)
    price = _price(stripe, purchase)
    subscription = yield from reported(
        stripe.subscribe(customer, [(price, 1)], trial_seconds=3 * DAY)
    )
    yield stripe.end_trial(subscription)
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(price, 3)])
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(price, 2)])
    yield stripe.miss_payment(subscription)
    stripe.advance(_HOURS)
    yield stripe.recover(subscription)


@told_in(SUBSCRIBER_STORIES)
def trial_without_card(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Tried, and paused for want of a way to pay."""
    customer = yield from _customer(stripe)
    price = _price(stripe, purchase, "year")
    subscription = yield from reported(stripe.subscribe(customer, [(price, 1)], trial_seconds=DAY))
    yield stripe.end_trial(subscription, pays=False)
    yield stripe.cancel(subscription)


@told_in(SUBSCRIBER_STORIES)
def canceled_at_period_end(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Weekly; canceled for the period's end, then not, then after all."""
    customer = yield from _customer(stripe)
    subscription = yield from _begun(stripe, customer, _price(stripe, purchase, "week"))
    yield stripe.cancel_later(subscription)
    yield stripe.cancel_later(subscription, really=False)
    yield stripe.renew(subscription)
    stripe.advance(_HOURS)
    yield stripe.cancel_later(subscription)
    yield stripe.renew(subscription)


@told_in(SUBSCRIBER_STORIES)
def gone_and_back(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Monthly and yearly side by side; both end, and another one begins."""
    customer = yield from _customer(stripe)
    monthly = yield from _begun(stripe, customer, _price(stripe, purchase))
    yearly = yield from _begun(stripe, customer, _price(stripe, purchase, "year"), 5)
    stripe.advance(_HOURS)
    yield stripe.cancel(monthly)
    stripe.advance(DAY)
    yield stripe.cancel(yearly)
    stripe.advance(DAY)
    yield from _begun(stripe, customer, _price(stripe, purchase, "day"))


@told_in(SUBSCRIBER_STORIES)
def coupons_of_all_kinds(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A coupon for once, then a third off forever, then an amount off forever, then none."""
    currency = purchase.currency
    customer = yield from _customer(stripe)
    subscription = yield from _begun(stripe, customer, _price(stripe, purchase, "year"), 2)
    for duration, percent, amount in (
        ("once", 50, None),
        ("forever", 33, None),
        ("repeating", 10, None),
        ("forever", None, purchase.part_minor),
    ):
        coupon = yield from reported(
            stripe.create_coupon(duration, currency, percent_off=percent, amount_off_minor=amount)
        )
        yield stripe.apply_coupon(subscription, coupon)
        stripe.advance(_HOURS)
    yield stripe.end_discount(subscription)


@told_in(SUBSCRIBER_STORIES)
def several_items(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Seats, an extra, and something that is metered; the extra goes, the seats become more."""
    customer = yield from _customer(stripe)
    seats, extra = _price(stripe, purchase), _price(stripe, purchase)
    used = stripe.new_price(purchase.amount_minor, purchase.currency, metered=True)
    goods = [(seats, 2), (extra, 1), *([(used, 1)] if stripe.billing.has_metered else [])]
    subscription = yield from reported(stripe.subscribe(customer, goods))
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(seats, 4)])


@told_in(SUBSCRIBER_STORIES)
def never_paid_again(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Every three days; past due, then unpaid, then canceled."""
    customer = yield from _customer(stripe)
    price = stripe.new_price(purchase.amount_minor, purchase.currency, "day", 3)
    subscription = yield from _begun(stripe, customer, price)
    yield stripe.miss_payment(subscription)
    stripe.advance(DAY)
    yield stripe.stop_trying(subscription)
    stripe.advance(DAY)
    yield stripe.cancel(subscription)


@told_in(SUBSCRIBER_STORIES)
def never_paid_at_all(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The first invoice is not paid; one that costs nothing begins instead."""
    customer = yield from _customer(stripe)
    subscription = yield from reported(
        stripe.subscribe(customer, [(_price(stripe, purchase), 1)], pays=False)
    )
    stripe.advance(DAY)
    yield stripe.give_up_first_payment(subscription)
    yield from _begun(stripe, customer, stripe.new_price(0, purchase.currency))


@told_in(SUBSCRIBER_STORIES)
def discounts_of_the_customer(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Two subscriptions; half off both forever, then a tenth for once, then nothing off."""
    currency = purchase.currency
    customer = yield from _customer(stripe)
    first = yield from _begun(stripe, customer, _price(stripe, purchase))
    half = yield from reported(stripe.create_coupon("forever", currency, percent_off=50))
    yield from reported(stripe.apply_coupon_to_customer(customer, half, [first]))
    stripe.advance(_HOURS)
    second = yield from _begun(stripe, customer, _price(stripe, purchase, "year"), 2)
    own = yield from reported(
        stripe.create_coupon("forever", currency, amount_off_minor=purchase.part_minor)
    )
    yield stripe.apply_coupon(second, own)
    tenth = yield from reported(stripe.create_coupon("once", currency, percent_off=10))
    stripe.advance(_HOURS)
    discount = yield from reported(
        stripe.apply_coupon_to_customer(customer, tenth, [first, second])
    )
    stripe.advance(_HOURS)
    yield stripe.end_discount_of_customer(customer, discount, [first, second])
    yield stripe.cancel(second)


@told_in(SUBSCRIBER_STORIES)
def sold_in_another_currency(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The price is in dollars and sold for something else; only the invoices say for how much."""
    customer = yield from _customer(stripe)
    currency = purchase.currency if stripe.billing.api_version >= "2022-11-15" else "usd"
    options = {currency: purchase.amount_minor}
    price = stripe.new_price(purchase.amount_minor + 1110, "usd", options=options)
    subscription = yield from reported(stripe.subscribe(customer, [(price, 2)], currency=currency))
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(price, 3)])
    yield stripe.renew(subscription)


@told_in(SUBSCRIBER_STORIES)
def tiers_that_are_told_late(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Seats that become cheaper with their number; the price's own event comes at the end."""
    customer = yield from _customer(stripe)
    unit = purchase.amount_minor
    tiers = (Tier(5, unit, 0), Tier(10, unit // 20 * 10, 70), Tier(None, 10, 0))
    price = stripe.new_price(0, purchase.currency, tiers=tiers)
    subscription = yield from reported(stripe.subscribe(customer, [(price, 4)]))
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(price, 12)])
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, [(price, 7), (_price(stripe, purchase), 1)])
    yield stripe.tell_price(price)


@told_in(SUBSCRIBER_STORIES)
def more_items_than_shown(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Twelve extras, of which events show ten; then nine."""
    customer = yield from _customer(stripe)
    goods = [(_price(stripe, purchase), 1) for _ in range(12)]
    subscription = yield from reported(stripe.subscribe(customer, goods))
    stripe.advance(_HOURS)
    yield stripe.change_items(subscription, goods[:9])


@told_in(SUBSCRIBER_STORIES)
def paused_and_ended_on_a_day(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Collection pauses for a while; then an end is set, taken back, set again, and comes."""
    customer = yield from _customer(stripe)
    subscription = yield from _begun(stripe, customer, _price(stripe, purchase))
    if stripe.billing.api_version < "2019-12-03":
        return
    yield stripe.pause_collection(subscription, "void")
    stripe.advance(_HOURS)
    yield stripe.pause_collection(subscription, None)
    yield stripe.cancel_on(subscription, stripe.now + 3 * DAY)
    stripe.advance(_HOURS)
    yield stripe.cancel_on(subscription, None)
    stripe.advance(_HOURS)
    yield stripe.cancel_on(subscription, stripe.now + DAY)
    stripe.advance(DAY)
    yield stripe.cancel(subscription)
