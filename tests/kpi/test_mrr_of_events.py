"""MRR from Stripe's own events to figures and issues: small worlds in the shapes of today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest
from psycopg.rows import dict_row

from kpi.evaluate import Value, Values, evaluate
from kpi.windows import Window
from projections.engine import tables
from projections.engine.tables import LIVE
from tests.kpi.builder import NOON, LedgerBuilder
from tests.webhooks.billing_examples import (
    coupon,
    discount,
    invoice,
    item,
    listed,
    price,
    subscription,
    without,
)
from tests.webhooks.examples import Json

DAY = 24 * 60
BEGAN = int(NOON.timestamp())
CREATED, UPDATED, DELETED = (
    f"customer.subscription.{v}" for v in ("created", "updated", "deleted")
)

Told = tuple[int, str, Json]
"""When Stripe says something, in days after the first of March at noon, and what."""


def day(number: float) -> int:
    """The beginning of a day after it, in Stripe's seconds."""
    return BEGAN + round(number * DAY * 60)


def seats(unit: int = 3000, quantity: Any = 1, **fields: Any) -> Json:
    """A subscription that began on the first of March."""
    one = item(price=price(unit), quantity=quantity)
    return subscription(one, **({"created": BEGAN, "start_date": BEGAN} | fields))


def tell(builder: LedgerBuilder, world: Sequence[Told], order: Sequence[int] | None = None) -> None:
    for index in order or range(len(world)):
        number, kind, thing = world[index]
        builder.stripe(kind, thing, minutes=number * DAY)


def figures(builder: LedgerBuilder, first: int, last: int, currency: str = "gbp") -> Values:
    """The figures from one day of March to another."""
    builder.follow()
    window = Window(date(2026, 3, first), date(2026, 3, last))
    with (
        builder.engine.database.connect("reader") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        tables.use(cursor, LIVE)
        (found,) = evaluate(cursor, [window])
    return found.get(currency, {})


def month(values: Values) -> dict[str, Value]:
    """What moved, and what was there before and after."""
    names = ("opening", "new", "expansion", "contraction", "churned", "reactivation")
    moves: dict[str, Value] = {name: values.get(f"{name}_mrr", 0) for name in names}
    return {name: minor for name, minor in moves.items() if minor} | {"closing": values["mrr"]}


def issues(builder: LedgerBuilder) -> list[str]:
    return [finding.reference for finding in builder.run("mrr_unknown").findings]


ORDERS = pytest.mark.parametrize("order", list(permutations(range(3))))


@ORDERS
def test_an_end_that_is_asked_for_is_churn_that_day(
    builder: LedgerBuilder, order: Sequence[int]
) -> None:
    """30.00 from the 1st; on the 4th she cancels with the period, which ends on the 30th."""
    asked: Json = {"cancel_at_period_end": True, "canceled_at": day(3), "cancel_at": day(29)}
    over: Json = asked | {"status": "canceled", "ended_at": day(29)}
    world = [(0, CREATED, seats()), (3, UPDATED, seats(**asked)), (29, DELETED, seats(**over))]
    tell(builder, world, order)
    assert month(figures(builder, 1, 31)) == {"new": 3000, "churned": -3000, "closing": 0}
    fourth, thirtieth = figures(builder, 4, 4), figures(builder, 30, 30)
    assert (fourth["churned_mrr"], fourth["active_subscriptions"]) == (-3000, 1)
    assert month(thirtieth) == {"closing": 0}
    assert thirtieth["active_subscriptions"] == 0


def multi_currency(unit: int = 3000, **fields: Any) -> Json:
    """Sold in euros, at a price whose own currency is the dollar."""
    return seats(unit, currency="eur", **fields) | {
        "items": {"object": "list", "data": [item(price=price(unit, currency="usd"))]}
    }


def euros(minor: int, **fields: Any) -> Json:
    """An invoice of a period in euros."""
    details = {"subscription": "sub_1", "subscription_item": "si_1", "proration": False}
    line = {
        "id": "il_1",
        "object": "line_item",
        "amount": minor,
        "currency": "eur",
        "quantity": 1,
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": details | fields,
        },
        "pricing": {
            "type": "price_details",
            "price_details": {"price": "price_1", "product": "prod_1"},
            "unit_amount_decimal": str(minor),
        },
    }
    lines = {"object": "list", "has_more": False, "data": [line]}
    return invoice(currency="eur", amount_due=minor, amount_paid=minor, created=BEGAN, lines=lines)


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_price_of_dollars_is_no_price_of_euros(
    builder: LedgerBuilder, order: Sequence[int]
) -> None:
    """30.00 dollars; the invoice says 28.00 euros."""
    tell(builder, [(0, CREATED, multi_currency()), (0, "invoice.paid", euros(2800))], order)
    assert month(figures(builder, 1, 31, "eur")) == {"new": 2800, "closing": 2800}
    assert figures(builder, 1, 31, "usd") == {}
    assert issues(builder) == []


def test_without_an_invoice_it_is_not_known(builder: LedgerBuilder) -> None:
    tell(builder, [(0, CREATED, multi_currency()), (0, "invoice.paid", euros(99, proration=True))])
    found = figures(builder, 1, 31, "eur")
    assert (found["mrr"], found["mrr_uncounted_subscriptions"]) == (0, 1)
    assert issues(builder) == ["price/price_1/eur"]
    told = price(3000, currency="usd", currency_options={"eur": {"unit_amount": 2800}})
    tell(builder, [(9, "price.updated", told)])
    found = figures(builder, 1, 1, "eur")
    assert (found["new_mrr"], found["mrr_uncounted_subscriptions"]) == (2800, 0)
    assert issues(builder) == []


def test_of_twelve_items_ten_are_counted_and_two_are_missed(builder: LedgerBuilder) -> None:
    shown = [item(id=f"si_{n}", price=price(1000, id=f"price_{n}")) for n in range(10)]
    cut = {"object": "list", "data": shown, "has_more": True, "total_count": 12}
    tell(builder, [(0, CREATED, seats(items=cut))])
    found = figures(builder, 1, 31)
    assert (found["mrr"], found["mrr_uncounted_subscriptions"]) == (10000, 1)
    assert issues(builder) == ["items"]
    whole = cut | {"data": [*shown, *shown[:2]], "has_more": False}
    tell(builder, [(9, UPDATED, seats(items=whole))])
    assert month(figures(builder, 1, 31)) == {"new": 10000, "expansion": 2000, "closing": 12000}
    assert issues(builder) == []


NO_ITEMS = {"object": "list", "data": [], "has_more": False}
UNTOLD = item(price=without(price(3000), "recurring"))


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        pytest.param(without(seats(), "items"), "items", id="no items and no plan"),
        pytest.param(seats(items=None), "items", id="null"),
        pytest.param(seats(items=NO_ITEMS), "items", id="an empty list"),
        pytest.param(seats(items=listed(UNTOLD)), "price", id="not told if it is asked again"),
    ],
)
def test_a_list_that_is_missing_is_not_nothing(
    builder: LedgerBuilder, told: Json, cause: str
) -> None:
    tell(builder, [(0, CREATED, told)])
    found = figures(builder, 1, 31)
    assert (found["mrr"], found["mrr_uncounted_subscriptions"]) == (0, 1)
    assert issues(builder) == [cause]
    tell(builder, [(9, UPDATED, seats())])
    assert month(figures(builder, 1, 31))["closing"] == 3000
    assert issues(builder) == []


@pytest.mark.parametrize("status", ["trialing", "incomplete", "unpaid", "paused", "canceled"])
def test_one_without_items_that_is_not_active_is_not_missed(
    builder: LedgerBuilder, status: str
) -> None:
    began = day(0)
    tell(builder, [(0, CREATED, without(seats(status=status, canceled_at=began), "items"))])
    assert "mrr_uncounted_subscriptions" not in figures(builder, 1, 31)
    assert issues(builder) == []


def test_a_price_that_is_asked_once_is_no_income_of_a_month(builder: LedgerBuilder) -> None:
    once = item(id="si_2", price=price(9000, id="price_2", recurring=None))
    tell(builder, [(0, CREATED, seats(items=listed(item(price=price(3000)), once)))])
    found = figures(builder, 1, 31)
    assert found["mrr"] == 3000
    assert issues(builder) == []


OF_HIM: Json = {"subscription": None, "start": BEGAN}
HALF = coupon(percent_off=50)


@ORDERS
def test_half_off_all_that_a_customer_has(builder: LedgerBuilder, order: Sequence[int]) -> None:
    given = discount(**OF_HIM)
    world = [
        (0, "coupon.created", HALF),
        (0, "customer.discount.created", given),
        (0, CREATED, seats()),
    ]
    tell(builder, world, order)
    assert month(figures(builder, 1, 31)) == {"new": 1500, "closing": 1500}
    assert issues(builder) == []


@ORDERS
def test_a_coupon_that_nothing_describes_takes_nothing_off_and_is_missed(
    builder: LedgerBuilder, order: Sequence[int]
) -> None:
    """Since 2025-09-30 events name it only; when it comes, it counts from the beginning."""
    world = [
        (0, "customer.discount.created", discount(start=BEGAN)),
        (0, CREATED, seats(discounts=["di_1"])),
        (5, "coupon.updated", HALF),
    ]
    tell(builder, world, [n for n in order if n != 2])
    found = figures(builder, 1, 31)
    assert (found["mrr"], found["mrr_uncounted_subscriptions"]) == (3000, 1)
    assert issues(builder) == ["coupon/QUARTER"]
    tell(builder, world, [2])
    assert month(figures(builder, 1, 1)) == {"new": 1500, "closing": 1500}
    assert issues(builder) == []


@ORDERS
def test_a_coupon_made_again_under_the_same_id_changes_no_old_discount(
    builder: LedgerBuilder, order: Sequence[int]
) -> None:
    """A quarter off; the coupon is deleted, and its id is that of another one, of half off."""
    quarter = coupon(percent_off=25, created=BEGAN - 9)
    tell(
        builder,
        [
            (0, "coupon.created", quarter),
            (0, "customer.discount.created", discount(start=BEGAN)),
            (0, CREATED, seats(discounts=["di_1"])),
        ],
        order,
    )
    first_day = month(figures(builder, 1, 1))
    assert first_day == {"new": 2250, "closing": 2250}
    tell(builder, [(2, "coupon.deleted", quarter), (20, "coupon.created", HALF)])
    assert month(figures(builder, 1, 31)) == first_day
    assert issues(builder) == []


@pytest.mark.parametrize("months", [True, False])
def test_only_a_coupon_of_another_time_is_none(builder: LedgerBuilder, months: bool) -> None:
    """The discount's own coupon was never heard of; one that has an end is known to end."""
    end = day(90) if months else None
    tell(
        builder,
        [
            (0, "customer.discount.created", discount(start=BEGAN, end=end)),
            (0, CREATED, seats(discounts=["di_1"])),
            (5, "coupon.created", HALF),
        ],
    )
    found = figures(builder, 1, 31)
    assert (found["mrr"], found["mrr_uncounted_subscriptions"]) == (3000, int(not months))
    assert issues(builder) == ([] if months else ["coupon/QUARTER"])


def test_tiers_that_stripe_does_not_tell_are_not_nothing(builder: LedgerBuilder) -> None:
    """Twenty seats of a price in tiers: a subscriber, and no free one."""
    tiered = price(None, billing_scheme="tiered", tiers_mode="graduated")
    one = subscription(item(price=tiered, quantity=20), created=BEGAN, start_date=BEGAN)
    tell(builder, [(0, CREATED, one)])
    found = figures(builder, 1, 31)
    names = ("mrr", "mrr_uncounted_subscriptions", "active_subscriptions", "new_subscribers")
    assert [found[name] for name in names] == [0, 1, 1, 1]
    assert issues(builder) == ["price/price_1/gbp"]
    told = tiered | {"tiers": [{"up_to": 10, "unit_amount": 200}, {"unit_amount": 100}]}
    tell(builder, [(9, "price.updated", told)])
    assert month(figures(builder, 1, 1)) == {"new": 3000, "closing": 3000}
    assert issues(builder) == []


def test_who_was_there_before_the_first_event_is_not_new(builder: LedgerBuilder) -> None:
    """A renewal on the 20th is the first that is heard of a subscription of a year ago."""
    tell(builder, [(19, UPDATED, seats(created=day(-365), start_date=day(-365)))])
    assert month(figures(builder, 1, 31)) == {"opening": 3000, "closing": 3000}
    assert figures(builder, 1, 31)["opening_subscribers"] == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_a_second_began_with_and_ended_with_is_one_movement(
    builder: LedgerBuilder, order: Sequence[int]
) -> None:
    tell(builder, [(0, CREATED, seats()), (0, UPDATED, seats(quantity=5))], order)
    assert month(figures(builder, 1, 31)) == {"new": 15000, "closing": 15000}


def test_one_issue_speaks_of_all_that_one_thing_would_tell(builder: LedgerBuilder) -> None:
    """Seven subscriptions of a coupon that is not known, and one that is cut off."""
    tell(builder, [(0, "customer.discount.created", discount(start=BEGAN))])
    for number in range(7):
        name: Json = {"id": f"sub_{number}", "customer": f"cus_{number}"}
        tell(builder, [(0, CREATED, seats(discounts=["di_1"], **name))])
    found = {finding.reference: finding for finding in builder.run("mrr_unknown").findings}
    assert found.keys() == {"coupon/QUARTER"}
    evidence = found["coupon/QUARTER"].evidence
    assert evidence["subscriptions"] == 7
    assert evidence["examples"] == "sub_0, sub_1, sub_2, sub_3, sub_4"


def test_the_world_begins_at_noon() -> None:
    assert datetime.fromtimestamp(day(0), UTC) == NOON
