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
from tests.support.simulation import Simulation

PAYING = ("paid_by_card", "paid_at_the_third_try", "captured", "paid_by_debit")

Life = Callable[[Simulation], Iterator[object]]
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


def heard_last(simulation: Simulation) -> str:
    """The stream of the event that Stripe sent last."""
    streams = (entry.originator_id for entry in reversed(simulation.shop.entries))
    return next(stream for stream in streams if stream.startswith("stripe/"))


@lived
def bought(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    story = STORIES[simulation.random.choice(PAYING)]
    yield from simulation.tell(story, purchase_of(order), simulation.any_stripe())
    simulation.shop.fulfil(order)
    yield
    simulation.shop.take_back(order)


@lived
def any_stories(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    for _ in range(3):
        yield from simulation.tell_any(purchase_of(order))


@lived
def paid_on_the_second_page(simulation: Simulation) -> Iterator[object]:
    """Only sessions name the order: the first one comes to nothing, the second is paid."""
    order = simulation.shop.place()
    for names in [
        ("checkout_expired", "checkout_refused_later"),
        ("checkout_paid", "checkout_paid_later"),
    ]:
        story = CHECKOUT_STORIES[simulation.random.choice(names)]
        yield from simulation.tell(story, purchase_of(order), simulation.any_stripe(intents=True))
    simulation.shop.fulfil(order)


@lived
def paid_on_pages_that_take_something_off(simulation: Simulation) -> Iterator[object]:
    """The same on two pages; a page for nothing, and all of it; or a part on each of two pages."""
    order = simulation.shop.place()
    whole, part = order.total_minor, purchase_of(order).part_minor
    pages = simulation.random.choice(
        [
            [(whole, part), (whole, part)],
            [(whole, part), (whole, 2 * part)],
            [(whole, whole), (whole, 0)],
            [(2 * part, 10), (whole - 2 * part, 10)],
        ]
    )
    stripe = simulation.any_stripe(intents=True)
    for amount_minor, discount_minor in pages:
        session, events = simulation.on_time(stripe).open_checkout(
            amount_minor, order.currency, order_id=order.id, discount_minor=discount_minor
        )
        simulation.receive(events)
        yield
        by_bank = simulation.random.random() < 0.3
        simulation.receive(
            simulation.on_time(stripe).complete_checkout(session, bank_debit=by_bank)
        )
        yield
        if by_bank and session.payment is not None:
            simulation.receive(simulation.on_time(stripe).settle(session.payment))
            yield
            if simulation.random.random() < 0.5:
                simulation.receive(simulation.on_time(stripe).bounce(session.payment))
                yield


@lived
def refunds_of_all_kinds(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    purchase = purchase_of(order)
    yield from simulation.tell(STORIES["much_trouble"], purchase, simulation.any_stripe())
    simulation.shop.request_refund(order, purchase.part_minor)
    yield
    yield from simulation.tell(STORIES["refund_failed"], purchase, simulation.any_stripe())


@lived
def several_payments(simulation: Simulation) -> Iterator[object]:
    """Two parts that make up the whole, with refunds and disputes, side by side."""
    order = simulation.shop.place()
    whole = purchase_of(order)
    parts = (whole.amount_minor - whole.part_minor, whole.part_minor)
    names = simulation.random.sample(["refunded_in_parts", "dispute_won", "dispute_lost"], 2)
    payments = [
        simulation.tell(
            STORIES[name], Purchase(part, order.currency, order.id), simulation.any_stripe()
        )
        for name, part in zip(names, parts, strict=True)
    ]
    yield from zip(*payments, strict=False)
    yield from payments[0]
    yield from payments[1]


@lived
def held_in_vain(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    story = STORIES[simulation.random.choice(["hold_expired", "hold_let_go"])]
    yield from simulation.tell(story, purchase_of(order), simulation.any_stripe())


@lived
def asked_by_the_bank(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    names = ["inquiry_closed", "inquiry_escalated", "inquiry_refunded"]
    story = STORIES[simulation.random.choice(names)]
    yield from simulation.tell(story, purchase_of(order), simulation.any_stripe())
    simulation.shop.fulfil(order)


@lived
def paid_twice(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield from simulation.tell(STORIES["paid_by_card"], purchase_of(order), simulation.any_stripe())
    again = simulation.random.choice(["paid_by_card", "refunded_in_parts"])
    yield from simulation.tell(STORIES[again], purchase_of(order), simulation.any_stripe())
    simulation.shop.fulfil(order)


@lived
def canceled(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    steps = simulation.tell(STORIES["given_up"], purchase_of(order), simulation.any_stripe())
    yield next(steps)
    simulation.shop.cancel(order)
    yield from steps


@lived
def paid_after_cancel(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield
    simulation.shop.cancel(order)
    steps = simulation.tell(
        STORIES["refunded_in_parts"], purchase_of(order), simulation.any_stripe()
    )
    yield next(steps)
    simulation.shop.request_refund(order, order.total_minor)
    yield from steps


@lived
def expired(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield
    simulation.shop.expire(order)


@lived
def paid_after_expiry(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield
    simulation.shop.expire(order)
    yield from simulation.tell(STORIES["paid_by_card"], purchase_of(order), simulation.any_stripe())
    if simulation.shop.allocate(order, heard_last(simulation)):
        yield
        simulation.shop.fulfil(order)


@lived
def paid_after_expiry_and_sold_out(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield
    simulation.shop.expire(order)
    yield from simulation.tell(STORIES["captured"], purchase_of(order), simulation.any_stripe())
    cause, sku = heard_last(simulation), order.lines[0].sku
    simulation.shop.count_again(sku, free=0)
    assert not simulation.shop.allocate(order, cause)
    simulation.shop.replenish(sku, 30)


@lived
def linked_after_payment(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    steps = simulation.tell(STORIES["refund_failed"], unlinked(order), simulation.any_stripe())
    first = next(events for events in steps if events)
    yield from steps
    simulation.shop.link(order, payment_id_of(first))
    yield
    simulation.shop.fulfil(order)


@lived
def linked_before_payment(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    steps = simulation.tell(STORIES["dispute_won"], unlinked(order), simulation.any_stripe())
    first = next(events for events in steps if events)
    simulation.shop.link(order, payment_id_of(first))
    yield from steps


@lived
def never_linked(simulation: Simulation) -> Iterator[object]:
    yield from simulation.tell_any(Purchase(simulation.random.randint(10, 900) * 10, "usd"))


@lived
def linked_to_no_order(simulation: Simulation) -> Iterator[object]:
    yield from simulation.tell_any(
        Purchase(4200, "gbp", f"elsewhere-{simulation.random.randint(1, 99)}")
    )


@lived
def ordered_after_payment(simulation: Simulation) -> Iterator[object]:
    """Stripe's word comes first; the amount is a guess, so that it may disagree."""
    order_id = simulation.shop.next_order_id()
    yield from simulation.tell_any(Purchase(2500, "gbp", order_id))
    simulation.shop.place(order_id)


@lived
def paid_in_another_currency(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    currency = "usd" if order.currency != "usd" else "jpy"
    purchase = Purchase(order.total_minor, currency, order.id)
    yield from simulation.tell(STORIES["paid_by_card"], purchase, simulation.any_stripe())


@lived
def other_mode(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    yield from simulation.tell(STORIES["refunded_in_parts"], purchase_of(order), simulation.live)


@lived
def connected_account(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    name = simulation.random.choice(sorted(STORIES))
    yield from simulation.tell(STORIES[name], purchase_of(order), simulation.connected)


@lived
def known_customer(simulation: Simulation) -> Iterator[object]:
    order = simulation.shop.place()
    stripe = simulation.any_stripe()
    customer, events = stripe.create_customer("ada@example.com", "Ada")
    simulation.receive(events)
    yield
    purchase = purchase_of(order)
    payment, events = simulation.on_time(stripe).create_payment(
        purchase.amount_minor, purchase.currency, order_id=order.id, customer=customer
    )
    simulation.receive([*events, *stripe.pay_by_card(payment)])
    yield
    simulation.receive(simulation.on_time(stripe).change_email(customer, "ada@example.org"))
    yield
    simulation.receive(simulation.on_time(stripe).delete_customer(customer))


@lived
def wished_for(simulation: Simulation) -> Iterator[object]:
    """Wishes come and go, an order follows, and somebody downloads what came of it."""
    for _ in range(simulation.random.randint(2, 5)):
        simulation.shop.wish()
        yield
    order = simulation.shop.place()
    yield from simulation.tell(STORIES["paid_by_card"], purchase_of(order), simulation.any_stripe())
    simulation.shop.wish()
    yield
    simulation.shop.export()


@lived
def subscribers(simulation: Simulation) -> Iterator[object]:
    """Two of them side by side, in the currency and at the API version of chance."""
    lives = [
        simulation.tell(
            SUBSCRIBER_STORIES[name],
            Purchase(
                simulation.random.randint(2, 400) * 10,
                simulation.random.choice(["gbp", "jpy", "kwd"]),
            ),
            simulation.any_stripe(),
        )
        for name in simulation.random.sample(sorted(SUBSCRIBER_STORIES), 2)
    ]
    yield from zip(*lives, strict=False)
    yield from lives[0]
    yield from lives[1]


@lived
def paid_out(simulation: Simulation) -> Iterator[object]:
    """One payout arrives; another one seemed to, and comes back."""
    stripe = simulation.any_stripe()
    for fails in (False, True):
        payout, events = simulation.on_time(stripe).pay_out(
            simulation.random.randint(1, 999) * 10, "gbp"
        )
        simulation.receive(events)
        yield
        simulation.receive(simulation.on_time(stripe).finish_payout(payout))
        yield
        if fails:
            simulation.receive(simulation.on_time(stripe).fail_payout(payout))


@lived
def noise(simulation: Simulation) -> Iterator[object]:
    stripe = simulation.any_stripe()
    simulation.receive(stripe.report_balance(simulation.random.randint(1, 9999) * 10, "gbp"))
    yield
    simulation.receive(simulation.on_time(stripe).do_something_new())
    yield
    simulation.shop.replenish(simulation.random.choice(sorted(PRICES)), 5)
