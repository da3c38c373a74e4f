"""What can happen to an order in a random world, between the shop and Stripe."""

from collections.abc import Callable, Iterator

import msgspec

from simulator import (
    CHECKOUT_STORIES,
    STORIES,
    SUBSCRIBER_STORIES,
    Events,
    Purchase,
)
from tests.support.shop import PRICES, Order
from tests.support.town import Town

PAYING = ("paid_by_card", "paid_at_the_third_try", "captured", "paid_by_debit")

Life = Callable[[Town], Iterator[object]]
"""A life goes on with every step; others may go on in between."""

LIVES: dict[str, Life] = {}


def lived(life: Life) -> Life:
    LIVES[life.__name__] = life
    return life


def purchase_of(order: Order) -> Purchase:
    return Purchase(order.total_minor, order.currency, order.id)


def unlinked(order: Order) -> Purchase:
    return Purchase(order.total_minor, order.currency)


def payment_id_of(events: Events) -> str:
    """The payment that a story's first events speak of: its intent, or the bare charge."""
    thing = msgspec.json.decode(events[0].body)["data"]["object"]
    return thing.get("payment_intent") or thing["id"]


def heard_last(town: Town) -> str:
    """The stream of the event that Stripe sent last."""
    streams = (entry.originator_id for entry in reversed(town.shop.entries))
    return next(stream for stream in streams if stream.startswith("stripe/"))


@lived
def bought(town: Town) -> Iterator[object]:
    order = town.shop.place()
    story = STORIES[town.random.choice(PAYING)]
    yield from town.tell(story, purchase_of(order), town.any_stripe())
    town.shop.fulfil(order)
    yield
    town.shop.take_back(order)


@lived
def any_stories(town: Town) -> Iterator[object]:
    order = town.shop.place()
    for _ in range(3):
        yield from town.tell_any(purchase_of(order))


@lived
def paid_on_the_second_page(town: Town) -> Iterator[object]:
    """Only sessions name the order: the first one comes to nothing, the second is paid."""
    order = town.shop.place()
    for names in [
        ("checkout_expired", "checkout_refused_later"),
        ("checkout_paid", "checkout_paid_later"),
    ]:
        story = CHECKOUT_STORIES[town.random.choice(names)]
        yield from town.tell(story, purchase_of(order), town.any_stripe(intents=True))
    town.shop.fulfil(order)


@lived
def refunds_of_all_kinds(town: Town) -> Iterator[object]:
    order = town.shop.place()
    purchase = purchase_of(order)
    yield from town.tell(STORIES["much_trouble"], purchase, town.any_stripe())
    town.shop.request_refund(order, purchase.part_minor)
    yield
    yield from town.tell(STORIES["refund_failed"], purchase, town.any_stripe())


@lived
def several_payments(town: Town) -> Iterator[object]:
    """Two parts that make up the whole, with refunds and disputes, side by side."""
    order = town.shop.place()
    whole = purchase_of(order)
    parts = (whole.amount_minor - whole.part_minor, whole.part_minor)
    names = town.random.sample(["refunded_in_parts", "dispute_won", "dispute_lost"], 2)
    payments = [
        town.tell(STORIES[name], Purchase(part, order.currency, order.id), town.any_stripe())
        for name, part in zip(names, parts, strict=True)
    ]
    yield from zip(*payments, strict=False)
    yield from payments[0]
    yield from payments[1]


@lived
def held_in_vain(town: Town) -> Iterator[object]:
    order = town.shop.place()
    story = STORIES[town.random.choice(["hold_expired", "hold_let_go"])]
    yield from town.tell(story, purchase_of(order), town.any_stripe())


@lived
def asked_by_the_bank(town: Town) -> Iterator[object]:
    order = town.shop.place()
    names = ["inquiry_closed", "inquiry_escalated", "inquiry_refunded"]
    story = STORIES[town.random.choice(names)]
    yield from town.tell(story, purchase_of(order), town.any_stripe())
    town.shop.fulfil(order)


@lived
def paid_twice(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield from town.tell(STORIES["paid_by_card"], purchase_of(order), town.any_stripe())
    again = town.random.choice(["paid_by_card", "refunded_in_parts"])
    yield from town.tell(STORIES[again], purchase_of(order), town.any_stripe())
    town.shop.fulfil(order)


@lived
def canceled(town: Town) -> Iterator[object]:
    order = town.shop.place()
    steps = town.tell(STORIES["given_up"], purchase_of(order), town.any_stripe())
    yield next(steps)
    town.shop.cancel(order)
    yield from steps


@lived
def paid_after_cancel(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield
    town.shop.cancel(order)
    steps = town.tell(STORIES["refunded_in_parts"], purchase_of(order), town.any_stripe())
    yield next(steps)
    town.shop.request_refund(order, order.total_minor)
    yield from steps


@lived
def expired(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield
    town.shop.expire(order)


@lived
def paid_after_expiry(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield
    town.shop.expire(order)
    yield from town.tell(STORIES["paid_by_card"], purchase_of(order), town.any_stripe())
    if town.shop.allocate(order, heard_last(town)):
        yield
        town.shop.fulfil(order)


@lived
def paid_after_expiry_and_sold_out(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield
    town.shop.expire(order)
    yield from town.tell(STORIES["captured"], purchase_of(order), town.any_stripe())
    cause, sku = heard_last(town), order.lines[0].sku
    town.shop.count_again(sku, free=0)
    assert not town.shop.allocate(order, cause)
    town.shop.replenish(sku, 30)


@lived
def linked_after_payment(town: Town) -> Iterator[object]:
    order = town.shop.place()
    steps = town.tell(STORIES["refund_failed"], unlinked(order), town.any_stripe())
    first = next(events for events in steps if events)
    yield from steps
    town.shop.link(order, payment_id_of(first))
    yield
    town.shop.fulfil(order)


@lived
def linked_before_payment(town: Town) -> Iterator[object]:
    order = town.shop.place()
    steps = town.tell(STORIES["dispute_won"], unlinked(order), town.any_stripe())
    first = next(events for events in steps if events)
    town.shop.link(order, payment_id_of(first))
    yield from steps


@lived
def never_linked(town: Town) -> Iterator[object]:
    yield from town.tell_any(Purchase(town.random.randint(10, 900) * 10, "usd"))


@lived
def linked_to_no_order(town: Town) -> Iterator[object]:
    yield from town.tell_any(Purchase(4200, "gbp", f"elsewhere-{town.random.randint(1, 99)}"))


@lived
def ordered_after_payment(town: Town) -> Iterator[object]:
    """Stripe's word comes first; the amount is a guess, so that it may disagree."""
    order_id = town.shop.next_order_id()
    yield from town.tell_any(Purchase(2500, "gbp", order_id))
    town.shop.place(order_id)


@lived
def paid_in_another_currency(town: Town) -> Iterator[object]:
    order = town.shop.place()
    currency = "usd" if order.currency != "usd" else "jpy"
    purchase = Purchase(order.total_minor, currency, order.id)
    yield from town.tell(STORIES["paid_by_card"], purchase, town.any_stripe())


@lived
def other_mode(town: Town) -> Iterator[object]:
    order = town.shop.place()
    yield from town.tell(STORIES["refunded_in_parts"], purchase_of(order), town.live)


@lived
def connected_account(town: Town) -> Iterator[object]:
    order = town.shop.place()
    name = town.random.choice(sorted(STORIES))
    yield from town.tell(STORIES[name], purchase_of(order), town.connected)


@lived
def known_customer(town: Town) -> Iterator[object]:
    order = town.shop.place()
    stripe = town.any_stripe()
    customer, events = stripe.create_customer("ada@example.com", "Ada")
    town.receive(events)
    yield
    purchase = purchase_of(order)
    payment, events = town.on_time(stripe).create_payment(
        purchase.amount_minor, purchase.currency, order_id=order.id, customer=customer
    )
    town.receive([*events, *stripe.pay_by_card(payment)])
    yield
    town.receive(town.on_time(stripe).change_email(customer, "ada@example.org"))
    yield
    town.receive(town.on_time(stripe).delete_customer(customer))


@lived
def wished_for(town: Town) -> Iterator[object]:
    """Wishes come and go, an order follows, and somebody downloads what came of it."""
    for _ in range(town.random.randint(2, 5)):
        town.shop.wish()
        yield
    order = town.shop.place()
    yield from town.tell(STORIES["paid_by_card"], purchase_of(order), town.any_stripe())
    town.shop.wish()
    yield
    town.shop.export()


@lived
def subscribers(town: Town) -> Iterator[object]:
    """Two of them side by side, in the currency and at the API version of chance."""
    lives = [
        town.tell(
            SUBSCRIBER_STORIES[name],
            Purchase(town.random.randint(2, 400) * 10, town.random.choice(["gbp", "jpy", "kwd"])),
            town.any_stripe(),
        )
        for name in town.random.sample(sorted(SUBSCRIBER_STORIES), 2)
    ]
    yield from zip(*lives, strict=False)
    yield from lives[0]
    yield from lives[1]


@lived
def paid_out(town: Town) -> Iterator[object]:
    """One payout arrives; another one seemed to, and comes back."""
    stripe = town.any_stripe()
    for fails in (False, True):
        payout, events = town.on_time(stripe).pay_out(town.random.randint(1, 999) * 10, "gbp")
        town.receive(events)
        yield
        town.receive(town.on_time(stripe).finish_payout(payout))
        yield
        if fails:
            town.receive(town.on_time(stripe).fail_payout(payout))


@lived
def noise(town: Town) -> Iterator[object]:
    stripe = town.any_stripe()
    town.receive(stripe.report_balance(town.random.randint(1, 9999) * 10, "gbp"))
    yield
    town.receive(town.on_time(stripe).do_something_new())
    yield
    town.shop.replenish(town.random.choice(sorted(PRICES)), 5)
