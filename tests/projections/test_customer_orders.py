"""Customers' orders: a paid order beside the two that its customer had paid before it."""

from typing import Any

import msgspec
import pytest

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import ChargeFact, ChargeState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, charge, order

CHAIN = """
select order_id, day, previous_day, second_previous_day
from customer_orders
order by currency, customer, at
"""
WINDOW = """
select
    count(*) filter (where previous_day is null or previous_day < %(first)s) as customers,
    count(*) filter (
        where previous_day >= %(first)s
            and (second_previous_day is null or second_previous_day < %(first)s)
    ) as repeated,
    count(*) filter (where previous_day is null) as new
from customer_orders
where currency = 'gbp' and day between %(first)s and %(last)s
"""


def bought(models: Models, number: int, time: str, **who: Any) -> None:
    """An order that is placed, and paid at this time."""
    who = who or {"customer_id": "ada"}
    models.take(order(order_id=f"O{number}", **who))
    models.take(payment(number, time))


def payment(number: int, time: str, **more: Any) -> ChargeFact:
    ids = {"charge_id": f"ch_{number}", "payment_id": f"pi_{number}", "order_id": f"O{number}"}
    known: dict[str, Any] = ids | more
    return charge(**known, minutes=on(time))


def counted(models: Models, first: str, last: str) -> tuple[int, int, int]:
    """Unique, repeated and new customers of a window."""
    window = {"first": day(first), "last": day(last)}
    (counts,) = models.cursor.execute(WINDOW, window).fetchall()
    return counts


def test_three_orders_on_three_days_are_one_customer_who_came_again(models: Models):
    """Ada pays on 1, 2 and 3 March, Bob on the 3rd; sums of days would say 4 customers, 0 repeated.

    From the 2nd on there are two as well, Ada again, and only Bob is new. On the 3rd nobody
    repeats. Before the 3rd there is Ada alone.
    """
    for number, time in enumerate(["2026-03-01 12:00", "2026-03-02 12:00", "2026-03-03 12:00"]):
        bought(models, number, time)
    bought(models, 9, "2026-03-03 15:00", customer_id="bob")
    assert counted(models, "2026-03-01", "2026-03-31") == (2, 1, 2)
    assert counted(models, "2026-03-02", "2026-03-31") == (2, 1, 1)
    assert counted(models, "2026-03-03", "2026-03-03") == (2, 0, 1)
    assert counted(models, "2026-03-01", "2026-03-02") == (1, 1, 1)
    assert counted(models, "2026-03-04", "2026-03-31") == (0, 0, 0)


def test_a_late_payment_takes_its_place_among_the_others(models: Models):
    """Of orders of 1, 3, 4 and 5 March, when one of the 2nd is heard of last, two change."""
    for number in (1, 3, 4, 5):
        bought(models, number, f"2026-03-0{number} 12:00")
    bought(models, 2, "2026-03-02 12:00")
    days = [None, None, *(day(f"2026-03-0{number}") for number in range(1, 6))]
    assert models.rows(CHAIN) == [
        (f"O{number}", days[number + 1], days[number], days[number - 1]) for number in range(1, 6)
    ]


def test_an_order_that_loses_its_payment_keeps_its_place(models: Models):
    """The bank takes back the payment of 1 March, on another day: Ada bought on the 1st."""
    for number in (1, 2, 3):
        bought(models, number, f"2026-03-0{number} 12:00")
    models.take(payment(1, "2026-03-01 12:00", captured_minor=0, state=ChargeState.FAILED))
    assert models.rows(CHAIN) == [
        ("O1", day("2026-03-01"), None, None),
        ("O2", day("2026-03-02"), day("2026-03-01"), None),
        ("O3", day("2026-03-03"), day("2026-03-02"), day("2026-03-01")),
    ]


def test_two_orders_of_one_moment_have_an_order(models: Models):
    """By their ids: neither is before itself, and only the first has none before it."""
    bought(models, 2, "2026-03-01 12:00")
    bought(models, 1, "2026-03-01 12:00")
    found = "select order_id, previous_day from customer_orders order by order_id"
    assert models.rows(found) == [("O1", None), ("O2", day("2026-03-01"))]


@pytest.mark.parametrize(
    ("ordered", "by_payment", "customer", "email"),
    [
        ({"customer_id": "Ada", "email": "A@x.org"}, {"customer_id": "cus_1"}, "Ada", "A@x.org"),
        ({"email": "A@x.org"}, {"customer_id": "cus_1"}, "a@x.org", "A@x.org"),
        ({}, {"customer_id": "cus_1", "email": "P@x.org"}, "cus_1", "P@x.org"),
        ({}, {"email": "P@x.org"}, "p@x.org", "P@x.org"),
    ],
)
def test_a_customer_is_known_by_the_order_or_else_by_its_payment(
    models: Models,
    ordered: dict[str, Any],
    by_payment: dict[str, Any],
    customer: str,
    email: str,
):
    """An id is taken as it is; addresses that differ in case only are one."""
    models.take(order(order_id="O1", **ordered))
    models.take(msgspec.structs.replace(payment(1, "2026-03-01 12:00"), **by_payment))
    assert models.one("customer_orders", "customer", "email") == (customer, email)


def test_nobodys_order_is_a_sale_without_a_customer(models: Models):
    models.take(order()).take(charge())
    assert models.rows(CHAIN) == []
    assert models.one("order_sales", "customer", "orders") == (None, 1)


def test_a_link_that_comes_later_counts_on_the_day_of_the_payment(models: Models):
    """Paid on 2 March, linked after the order of the 5th was paid: that one is no first order."""
    bought(models, 5, "2026-03-05 12:00")
    models.take(order(order_id="O2", customer_id="ada"))
    models.take(payment(2, "2026-03-02 12:00", order_id=None))
    models.take(PaymentLinked(order_id="O2", payment_id="pi_2"))
    assert models.rows(CHAIN) == [
        ("O2", day("2026-03-02"), None, None),
        ("O5", day("2026-03-05"), day("2026-03-02"), None),
    ]


def test_currencies_are_counted_apart(models: Models):
    """Ada is a customer in pounds on 1 March, and a new one in yen on the 2nd."""
    bought(models, 1, "2026-03-01 12:00")
    placed = order(order_id="O2", customer_id="ada")
    models.take(msgspec.structs.replace(placed, currency="jpy"))
    models.take(payment(2, "2026-03-02 12:00", currency="jpy"))
    assert models.rows(CHAIN) == [
        ("O1", day("2026-03-01"), None, None),
        ("O2", day("2026-03-02"), None, None),
    ]


def test_days_are_cut_in_the_reporting_zone(models: Models):
    """In London 23:30 UTC is the same day on 28 March 2026, and the next on the 29th."""
    with reporting_in(models, "Europe/London"):
        bought(models, 1, "2026-03-28 23:30")
        bought(models, 2, "2026-03-29 23:30")
    assert models.rows(CHAIN) == [
        ("O1", day("2026-03-28"), None, None),
        ("O2", day("2026-03-30"), day("2026-03-28"), None),
    ]
