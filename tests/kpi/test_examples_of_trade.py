"""Golden examples of customers, goods, payments and subscriptions, worked out by hand."""

from fractions import Fraction
from typing import Any

import pytest

from ledger.domain.billing_facts import SubscriptionFact, SubscriptionState
from ledger.domain.events import (
    AddedToWishlist,
    Event,
    Line,
    OrderCanceled,
    OrderLinesReturned,
    RemovedFromWishlist,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.facts import ChargeState, PaymentFact, PaymentState
from tests.kpi.examples import asked, bought, captured, figures
from tests.projections.billing import discount, subscription, terms
from tests.projections.days import on
from tests.projections.models import NOON, Models, at, charge

WEEK = ("2026-03-09", "2026-03-15")

# ── Customers ───────────────────────────────────────────────────────────────────────────────────


def test_new_customers_and_those_who_came_back(models: Models):
    """In the week from 9 March Ada, Bob and Cy buy. Ada did on 1 March too, Bob twice this week.

    3 customers; Bob came again in it: 1 of 3. New are Bob and Cy; Ada returned: 1 of 3.
    A week later Bob returns, alone and for one order: none of 1 again, 1 of 1 returned.
    """
    bought(models, "A1", "2026-03-01 10:00", customer_id="ada")
    bought(models, "A2", "2026-03-09 10:00", customer_id="ada")
    bought(models, "A3", "2026-03-10 10:00", customer_id="bob")
    bought(models, "A4", "2026-03-11 10:00", customer_id="bob")
    bought(models, "A5", "2026-03-12 10:00", customer_id="cy")
    bought(models, "A6", "2026-03-18 10:00", customer_id="bob")
    counts = ("unique_customers", "repeat_customers", "new_customers", "returning_customers")
    rates = ("repeat_rate_pct", "returning_customer_rate_pct")
    found = figures(models, *WEEK)
    assert asked(found, *counts) == [3, 1, 2, 1]
    assert asked(found, *rates) == [Fraction(100, 3), Fraction(100, 3)]
    found = figures(models, "2026-03-16", "2026-03-22")
    assert asked(found, *counts, *rates) == [1, 0, 0, 1, 0, 100]


def test_without_a_customer_id_the_address_tells_customers_apart(models: Models):
    """`Ada@example.com` and `ada@example.com` are one; who gave neither id nor address is none."""
    bought(models, "A1", "2026-03-09 10:00", email="Ada@example.com")
    bought(models, "A2", "2026-03-10 10:00", email="ada@example.com")
    bought(models, "A3", "2026-03-11 10:00")
    names = ("orders", "unique_customers", "repeat_customers")
    assert asked(figures(models, *WEEK), *names) == [3, 1, 1]


def wished(models: Models, customer_id: str, time: str, sku: str = "MUG") -> None:
    models.take(AddedToWishlist(customer_id=customer_id, sku=sku), minutes=on(time))


def test_who_buys_before_the_wish_did_not_buy_because_of_it(models: Models):
    """Ada wishes and buys the day after, Bob buys and wishes on the same day, Cy only wishes.

    Dan wishes and buys for yen. 4 wished; Ada and Dan bought after it: 2 of 4, 50 %.
    On the day of the wishes nobody but Dan did both: 1 of 4.
    """
    bought(models, "A1", "2026-03-10 09:00", customer_id="bob")
    for customer_id in ("ada", "bob", "cy", "dan"):
        wished(models, customer_id, "2026-03-10 10:00")
    bought(models, "A2", "2026-03-10 11:00", 500, "jpy", customer_id="dan")
    bought(models, "A3", "2026-03-11 10:00", customer_id="ada")
    names = ("wishlisted_users", "purchased_users", "wishlist_conversion_pct")
    assert asked(figures(models, *WEEK), *names) == [4, 2, 50]
    assert asked(figures(models, "2026-03-10", "2026-03-10"), *names) == [4, 1, 25]
    assert asked(figures(models, "2026-03-11", "2026-03-11"), *names) == [0, 0, None]


def test_a_wish_outside_the_window_is_none_and_one_taken_back_was_one(models: Models):
    """Ada wished on 1 March and buys on the 10th: in the week of the 9th she did not wish.

    Bob wishes twice on the 9th and on the 14th, strikes it off, and bought in between: one of one.
    From the 11th on he wished on the 14th only, after which he bought nothing.
    """
    wished(models, "ada", "2026-03-01 10:00")
    wished(models, "bob", "2026-03-09 10:00")
    models.take(RemovedFromWishlist(customer_id="bob", sku="MUG"), minutes=on("2026-03-09 11:00"))
    wished(models, "bob", "2026-03-09 12:00", "TEE")
    bought(models, "A1", "2026-03-10 10:00", customer_id="ada")
    bought(models, "A2", "2026-03-12 10:00", customer_id="bob")
    wished(models, "bob", "2026-03-14 10:00")
    names = ("wishlisted_users", "purchased_users")
    assert asked(figures(models, *WEEK), *names) == [1, 1]
    assert asked(figures(models, "2026-03-11", "2026-03-15"), *names) == [1, 0]


# ── Goods ───────────────────────────────────────────────────────────────────────────────────────


def test_a_discount_is_shared_so_that_its_parts_add_up(models: Models):
    """Three lines of 3.33, 1.00 off: 33⅓ each, so 34, 33 and 33; shipping 5.00, tax 1.50.

    Gross 9.99, net 8.99. On the 11th the first line comes back: worth 3.33 - 0.34 = 2.99.
    """
    skus = ("MUG", "TEE", "LAMP")
    lines = tuple(Line(sku=sku, name=sku, quantity=1, unit_minor=333) for sku in skus)
    extra: dict[str, Any] = {"discount_minor": 100, "shipping_minor": 500, "tax_minor": 150}
    bought(models, "A1", "2026-03-09 10:00", 1549, lines=lines, **extra)
    back = OrderLinesReturned(order_id="A1", quantities={"MUG": 1})
    models.take(back, minutes=on("2026-03-11 10:00"))
    names = ("gross_sales", "discounts", "returns", "net_sales", "product_revenue", "units")
    assert asked(figures(models, "2026-03-09", "2026-03-09"), *names) == [999, 100, 0, 899, 899, 3]
    assert asked(figures(models, "2026-03-11", "2026-03-11"), *names) == [0, 0, 299, -299, -299, -1]
    whole = figures(models, *WEEK)
    assert asked(whole, *names) == [999, 100, 299, 600, 600, 2]
    assert asked(whole, "shipping", "taxes", "total_sales") == [500, 150, 1250]


def test_units_come_back_at_cumulative_half_even_values_and_a_cancellation_takes_the_rest(
    models: Models,
):
    """Four for 0.10 together. One is worth 2.5 → 2, two 5, three 7.5 → 8, all four 10.

    They come back one by one on the 10th and 11th (2 and 3); the order is called off on the 12th,
    which takes the last two (10 - 5) and the shipping of 1.00.
    """
    line = Line(sku="PIN", name="Pin", quantity=4, unit_minor=5)
    extra: dict[str, Any] = {"discount_minor": 10, "shipping_minor": 100}
    bought(models, "A1", "2026-03-09 10:00", 110, lines=(line,), **extra)
    for date in ("2026-03-10", "2026-03-11"):
        back = OrderLinesReturned(order_id="A1", quantities={"PIN": 1})
        models.take(back, minutes=on(f"{date} 10:00"))
    models.take(OrderCanceled(order_id="A1"), minutes=on("2026-03-12 10:00"))
    names = ("returns", "units", "shipping")
    assert asked(figures(models, "2026-03-10", "2026-03-10"), *names) == [2, -1, 0]
    assert asked(figures(models, "2026-03-11", "2026-03-11"), *names) == [3, -1, 0]
    assert asked(figures(models, "2026-03-12", "2026-03-12"), *names) == [5, -2, -100]
    assert asked(figures(models, *WEEK), "total_sales", "units") == [0, 0]


def test_stock_is_what_all_movements_up_to_the_last_day_leave(models: Models):
    """10 received, 1 lost; 3 held, 1 let go, 2 sent, 1 of them back; the order is paid on the 12th.

    In the end on hand 10 - 1 - 2 + 1 = 8, held 3 - 1 - 2 = 0, so all 8 can be sold. On the 11th 3
    are reserved, on the 12th the 2 that are left are committed.
    """
    pin = {"sku": "PIN", "order_id": "A1"}
    moves: list[Event] = [
        StockReceived(sku="PIN", quantity=10),
        StockAdjusted(sku="PIN", change=-1),
        StockReserved(quantity=3, **pin),
        StockReleased(quantity=1, **pin),
        StockSold(quantity=2, **pin),
        StockReturned(quantity=1, **pin),
    ]
    for number, move in enumerate(moves):
        models.take(move, minutes=on(f"2026-03-{9 + number:02} 10:00"))
    bought(models, "A1", "2026-03-12 12:00")
    names = ("stock_on_hand", "stock_committed", "stock_reserved", "stock_available")
    for day, levels in (
        ("2026-03-11", [9, 0, 3, 6]),
        ("2026-03-12", [9, 2, 0, 7]),
        ("2026-03-13", [7, 0, 0, 7]),
        ("2026-03-15", [8, 0, 0, 8]),
    ):
        assert asked(figures(models, "2026-03-09", day), *names) == levels


# ── Payments ────────────────────────────────────────────────────────────────────────────────────


def attempt(state: PaymentState, name: str) -> PaymentFact:
    return PaymentFact(
        state=state,
        payment_id=f"pi_{name}",
        amount_minor=1000,
        received_minor=0,
        currency="gbp",
        created_at=NOON,
    )


def test_only_payments_that_ended_succeed_or_fail(models: Models):
    """Four payments: one is paid, one canceled, one refused and tried again, one taken back.

    1 succeeded and 2 failed: 33⅓ %. The refused one may still be paid, and is neither.
    """
    captured(models, None, on("2026-03-09 10:00"), name="paid")
    models.take(attempt(PaymentState.CANCELED, "canceled"), minutes=on("2026-03-10 10:00"))
    models.take(attempt(PaymentState.FAILED, "refused"), minutes=on("2026-03-10 11:00"))
    captured(models, None, on("2026-03-10 12:00"), name="bounced")
    taken_back = charge(
        0, charge_id="ch_bounced", payment_id="pi_bounced", order_id=None, state=ChargeState.FAILED
    )
    models.take(taken_back, minutes=on("2026-03-13 10:00"))
    names = ("payments_succeeded", "payments_failed", "payment_success_pct")
    assert asked(figures(models, *WEEK), *names) == [1, 2, Fraction(100, 3)]
    assert asked(figures(models, "2026-03-13", "2026-03-13"), *names) == [-1, 1, None]


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────


def second(
    state: SubscriptionState = SubscriptionState.ACTIVE, *, begun: str, **more: Any
) -> SubscriptionFact:
    """A subscription that began on a day at ten."""
    return subscription(state, subscription_id="sub_2", created_at=at(on(f"{begun} 10:00")), **more)


def test_from_trial_to_churn_and_back(models: Models):
    """A trial from 1 March is 10.00 a month from the 8th, 30.00 from the 10th, 20.00 from the 12th.

    Late with a payment on the 13th it still counts; on the 14th it ends; on the 20th he is back
    for 12.00 a year, which is 1.00 a month.

    Week from 9 March: opens with 10.00 and one subscriber; +20.00 -10.00 -20.00; ends with none:
    one of one churned. The week after: +1.00 as reactivation, one subscriber of none before.
    """
    life: list[tuple[str, SubscriptionFact]] = [
        ("2026-03-01", subscription(SubscriptionState.TRIALING, 1000)),
        ("2026-03-08", subscription(SubscriptionState.ACTIVE, 1000)),
        ("2026-03-10", subscription(SubscriptionState.ACTIVE, 3000)),
        ("2026-03-12", subscription(SubscriptionState.ACTIVE, 2000)),
        ("2026-03-13", subscription(SubscriptionState.PAST_DUE, 2000)),
        ("2026-03-14", subscription(SubscriptionState.CANCELED, 2000)),
        ("2026-03-20", second(unit_minor=1200, interval="year", begun="2026-03-20")),
    ]
    for date, report in life:
        models.take(report, minutes=on(f"{date} 10:00"))
    moves = [f"{kind}_mrr" for kind in ("new", "expansion", "contraction", "churned")]
    names = ("opening_mrr", *moves, "reactivation_mrr", "mrr", "active_subscriptions")
    for first, last, answers in (
        ("2026-03-01", "2026-03-07", [0, 0, 0, 0, 0, 0, 0, 0]),
        ("2026-03-08", "2026-03-08", [0, 1000, 0, 0, 0, 0, 1000, 1]),
        (*WEEK, [1000, 0, 2000, -1000, -2000, 0, 0, 0]),
        ("2026-03-13", "2026-03-13", [2000, 0, 0, 0, 0, 0, 2000, 1]),
        ("2026-03-16", "2026-03-22", [0, 0, 0, 0, 0, 100, 100, 1]),
    ):
        assert asked(figures(models, first, last), *names) == answers
    churn = ("opening_subscribers", "new_subscribers", "churned_subscribers")
    found = figures(models, *WEEK)
    assert asked(found, *churn, "subscriber_churn_pct") == [1, 0, 1, 100]
    found = figures(models, "2026-03-16", "2026-03-22")
    assert asked(found, *churn, "subscriber_churn_pct") == [0, 1, 0, 0]


@pytest.mark.parametrize("first", ["2026-03-01", "2026-03-09", "2026-03-14"])
def test_opening_and_movements_make_the_closing_mrr(models: Models, first: str):
    """One customer pays 10.00 from the 2nd and 15.00 from the 9th, another 4.00 from 10th to 14th.

    Whenever the window opens, it closes with 15.00.
    """
    two: dict[str, Any] = {"customer_id": "cus_2", "begun": "2026-03-10"}
    for date, report in (
        ("2026-03-02", subscription(created_at=at(on("2026-03-02 10:00")))),
        ("2026-03-09", subscription(unit_minor=1500)),
        ("2026-03-10", second(unit_minor=400, **two)),
        ("2026-03-14", second(SubscriptionState.CANCELED, unit_minor=400, **two)),
    ):
        models.take(report, minutes=on(f"{date} 10:00"))
    found = figures(models, first, "2026-03-31")
    kinds = ("opening", "new", "expansion", "contraction", "churned", "reactivation")
    assert sum(asked(found, *(f"{kind}_mrr" for kind in kinds))) == found["mrr"] == 1500


def test_only_discounts_that_last_forever_reduce_mrr(models: Models):
    """30.00 a month less a quarter forever is 22.50; half off once takes nothing more.

    The coupon's terms become known on the 12th, and count from the beginning: 22.50 are new on
    the 9th, as if they had been known then.
    """
    begun = on("2026-03-09 10:00")
    report = subscription(unit_minor=3000, discounts=("di_1", "di_2"), created_at=at(begun))
    models.take(report, minutes=begun)
    names = ("new_mrr", "mrr", "mrr_uncounted_subscriptions")
    assert asked(figures(models, *WEEK), *names) == [3000, 3000, 1]
    models.take(discount(terms("25"), "di_1"), minutes=on("2026-03-12 10:00"))
    models.take(discount(terms("50", duration="once"), "di_2"), minutes=on("2026-03-12 10:00"))
    assert asked(figures(models, *WEEK), "new_mrr", "contraction_mrr", "mrr") == [2250, 0, 2250]
    assert figures(models, *WEEK)["mrr_uncounted_subscriptions"] == 0
