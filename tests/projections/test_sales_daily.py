"""Sales by day: what was sold on the day of its payment, and taken back on the day it came back."""

from typing import Any

from ledger.domain.events import Line, OrderCanceled, OrderLinesReturned, OrderPlaced
from ledger.domain.facts import ChargeFact, ChargeState, RefundState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, at, charge, order, refund

SALES = """
select day, currency, gross_minor, discount_minor, return_minor, units
from sales_daily
order by day, currency
"""
ORDERS = """
select day, currency, orders, refunded_orders_cohort, refunded_minor_cohort, shipping_minor,
    tax_minor
from orders_daily
order by day, currency
"""
LINES = """
select sku, kind, number, units, gross_minor, discount_minor, return_minor, revenue_minor
from line_sales
order by sku, at, number
"""


def cart(*lines: tuple[str, int, int], discount_minor: int = 0, **more: Any) -> OrderPlaced:
    """An order of lines (SKU, quantity, unit amount), of which the total follows."""
    due_minor = sum(quantity * unit_minor for _, quantity, unit_minor in lines)
    due_minor += more.get("shipping_minor", 0) + more.get("tax_minor", 0)
    return OrderPlaced(
        **{"order_id": "A1", "currency": "gbp", "expires_at": at(30)} | more,
        lines=tuple(
            Line(sku=sku, name=sku.title(), quantity=quantity, unit_minor=unit_minor)
            for sku, quantity, unit_minor in lines
        ),
        total_minor=due_minor - discount_minor,
        discount_minor=discount_minor,
    )


def paid(time: str, amount_minor: int, number: int = 1, currency: str = "gbp") -> ChargeFact:
    """The payment of order A1, B1 …, by its number."""
    return charge(
        amount_minor,
        charge_id=f"ch_{number}",
        payment_id=f"pi_{number}",
        order_id=f"{'-ABC'[number]}1",
        currency=currency,
        minutes=on(time),
    )


def test_a_late_payment_makes_the_sale_on_its_own_day(models: Models):
    """Ordered on 1 March: 3 mugs at 10.00, 1 pen at 5.00, 4.00 off, 2.50 shipping, 1.20 tax.

    10.00 is paid on the 2nd; the other 24.70 on the 6th, which makes it a sale of that day.
    """
    placed = cart(
        ("MUG", 3, 1000), ("PEN", 1, 500), discount_minor=400, shipping_minor=250, tax_minor=120
    )
    models.take(placed).take(paid("2026-03-02 10:00", 1000))
    assert models.rows(SALES) == []
    rest = charge(2470, charge_id="ch_2", payment_id="pi_2", minutes=on("2026-03-06 08:00"))
    models.take(rest)
    assert models.rows(SALES) == [(day("2026-03-06"), "gbp", 3500, 400, 0, 4)]
    assert models.rows(ORDERS) == [(day("2026-03-06"), "gbp", 1, 0, 0, 250, 120)]


def test_the_discount_is_shared_by_largest_remainder(models: Models):
    """1.00 off lines of 1, 2 and 3.00: 16.67, 33.33 and 50 pence; the one left goes to the .67."""
    models.take(cart(("A", 1, 100), ("B", 1, 200), ("C", 1, 300), discount_minor=100))
    models.take(paid("2026-03-01 13:00", 500))
    query = "select sku, discount_minor, revenue_minor from line_sales order by sku"
    assert models.rows(query) == [("A", 17, 83), ("B", 33, 167), ("C", 50, 250)]


def test_of_free_lines_the_first_takes_the_discount(models: Models):
    """Nothing but shipping is paid for, 5.00 less 2.00."""
    models.take(cart(("A", 1, 0), ("B", 1, 0), discount_minor=200, shipping_minor=500))
    models.take(paid("2026-03-01 13:00", 300))
    query = "select sku, discount_minor, revenue_minor from line_sales order by sku"
    assert models.rows(query) == [("A", 200, -200), ("B", 0, 0)]


def test_what_comes_back_takes_its_worth_on_the_day_it_comes_back(models: Models):
    """3 mugs for 10.00 each less 4.00 brought 26.00, so one is worth 8.67, two 17.33, three 26.00.

    They come back one by one, and take 8.67, 8.66 and 8.67: nothing stays.
    """
    models.take(cart(("MUG", 3, 1000), discount_minor=400)).take(paid("2026-03-02 10:00", 2600))
    for time in ("2026-03-10 10:00", "2026-03-10 11:00", "2026-03-12 10:00"):
        models.take(OrderLinesReturned(order_id="A1", quantities={"MUG": 1}), minutes=on(time))
    assert models.rows(LINES) == [
        ("MUG", "sold", 0, 3, 3000, 400, 0, 2600),
        ("MUG", "returned", 1, -1, 0, 0, 867, -867),
        ("MUG", "returned", 2, -1, 0, 0, 866, -866),
        ("MUG", "returned", 3, -1, 0, 0, 867, -867),
    ]
    assert models.rows(SALES) == [
        (day("2026-03-02"), "gbp", 3000, 400, 0, 3),
        (day("2026-03-10"), "gbp", 0, 0, 1733, -2),
        (day("2026-03-12"), "gbp", 0, 0, 867, -1),
    ]


def test_half_a_minor_unit_goes_to_the_even_number(models: Models):
    """2 mugs brought 0.05: the first is worth 2.5 pence, so 2; the second the other 3."""
    models.take(cart(("MUG", 2, 3), discount_minor=1)).take(paid("2026-03-02 10:00", 5))
    for minutes in (5000, 5001):
        models.take(OrderLinesReturned(order_id="A1", quantities={"MUG": 1}), minutes=minutes)
    query = "select return_minor from line_sales where kind = 'returned' order by number"
    assert models.rows(query) == [(2,), (3,)]


def test_a_canceled_order_is_taken_back_on_the_day_it_is_canceled(models: Models):
    """Paid on 2 March, refunded on the 3rd, called off on the 5th: its units are no sales then.

    The order was one of 2 March all the same, and is one of those that were refunded.
    """
    placed = cart(("MUG", 2, 1000), discount_minor=100, shipping_minor=250, tax_minor=50)
    models.take(placed).take(paid("2026-03-02 10:00", 2200))
    models.take(refund(RefundState.SUCCEEDED, 2200), minutes=on("2026-03-03 10:00"))
    models.take(OrderCanceled(order_id="A1"), minutes=on("2026-03-05 10:00"))
    assert models.rows(SALES) == [
        (day("2026-03-02"), "gbp", 2000, 100, 0, 2),
        (day("2026-03-05"), "gbp", 0, 0, 1900, -2),
    ]
    assert models.rows(ORDERS) == [
        (day("2026-03-02"), "gbp", 1, 1, 2200, 250, 50),
        (day("2026-03-05"), "gbp", 0, 0, 0, -250, -50),
    ]


def test_an_order_that_is_paid_after_it_was_canceled_sells_nothing(models: Models):
    """Called off on 1 March, paid on the 4th: sold and taken back on the 4th."""
    models.take(order()).take(OrderCanceled(order_id="A1")).take(paid("2026-03-04 10:00", 1000))
    assert models.rows(SALES) == [(day("2026-03-04"), "gbp", 1000, 0, 1000, 0)]


def test_an_order_that_was_canceled_unpaid_was_no_sale(models: Models):
    models.take(order()).take(OrderCanceled(order_id="A1"))
    assert models.rows(ORDERS) == models.rows(SALES) == []


def test_refunds_stay_with_the_day_of_their_order(models: Models):
    """Paid on 2 March; 4.00 go back on the 9th, and 1.00 on the 10th, which fails on the 12th.

    Until then 5.00 of the orders of 2 March are refunded, from then on 4.00; no other day changes.
    """

    models.take(order()).take(paid("2026-03-02 10:00", 1000))
    models.take(refund(RefundState.SUCCEEDED, 400), minutes=on("2026-03-09 10:00"))
    models.take(
        refund(RefundState.SUCCEEDED, 100, refund_id="re_2"), minutes=on("2026-03-10 10:00")
    )
    assert models.rows(ORDERS) == [(day("2026-03-02"), "gbp", 1, 1, 500, 0, 0)]
    models.take(refund(RefundState.FAILED, 100, refund_id="re_2"), minutes=on("2026-03-12 10:00"))
    assert models.rows(ORDERS) == [(day("2026-03-02"), "gbp", 1, 1, 400, 0, 0)]
    assert models.rows(SALES) == [(day("2026-03-02"), "gbp", 1000, 0, 0, 1)]


def test_currencies_are_never_added(models: Models):
    """On 2 March 1 mug for 10.00 £ and 2 for 1,500 ¥ each."""
    models.take(order()).take(cart(("MUG", 2, 1500), order_id="B1", currency="jpy"))
    models.take(paid("2026-03-02 10:00", 1000)).take(paid("2026-03-02 11:00", 3000, 2, "jpy"))
    assert models.rows(SALES) == [
        (day("2026-03-02"), "gbp", 1000, 0, 0, 1),
        (day("2026-03-02"), "jpy", 3000, 0, 0, 2),
    ]


def test_what_the_bank_took_back_is_no_sale_from_that_day_on(models: Models):
    """Until another payment: then it is one of that day, and what came back before, came back then.

    The days before stay as they were. What came back while it was paid is as if it had not.
    A debit of 2 March fails on the 20th; the mug came back on the 15th. A card pays on the 25th.
    """
    models.take(order()).take(paid("2026-03-02 10:00", 1000))
    back = OrderLinesReturned(order_id="A1", quantities={"MUG": 1})
    models.take(back, minutes=on("2026-03-15 10:00"))
    models.take(charge(0, state=ChargeState.FAILED), minutes=on("2026-03-20 10:00"))
    taken_back = [
        (day("2026-03-02"), "gbp", 1000, 0, 0, 1),
        (day("2026-03-15"), "gbp", 0, 0, 1000, -1),
        (day("2026-03-20"), "gbp", -1000, 0, -1000, 0),
    ]
    assert models.rows(SALES) == taken_back
    models.take(charge(charge_id="ch_2", payment_id="pi_2", minutes=on("2026-03-25 10:00")))
    assert models.rows(SALES) == [*taken_back, (day("2026-03-25"), "gbp", 1000, 0, 1000, 0)]
    assert [row[:3] for row in models.rows(ORDERS)] == [
        (day("2026-03-02"), "gbp", 1),
        (day("2026-03-20"), "gbp", -1),
        (day("2026-03-25"), "gbp", 1),
    ]
    assert models.one("orders", "paid_at") == at(on("2026-03-25 10:00"))


def test_an_order_that_costs_nothing_is_a_sale_when_it_is_placed(models: Models):
    models.take(cart(("MUG", 1, 1000), discount_minor=1000), minutes=on("2026-03-04 10:00"))
    assert models.rows(SALES) == [(day("2026-03-04"), "gbp", 1000, 1000, 0, 1)]
    assert models.rows(ORDERS) == [(day("2026-03-04"), "gbp", 1, 0, 0, 0, 0)]


def test_days_are_cut_in_the_reporting_zone(models: Models):
    """In Berlin clocks went an hour ahead on 29 March 2026 at 01:00 UTC; that day had 23 hours.

    It went from 23:00 UTC of the 28th to 22:00 UTC of the 29th. Order A1 is paid in its first
    minute, B1 in its last one, C1 a minute later; the mug of A1 comes back with C1's payment.
    """
    with reporting_in(models, "Europe/Berlin"):
        for order_id in ("A1", "B1", "C1"):
            models.take(order(order_id=order_id))
        models.take(paid("2026-03-28 23:00", 1000, 1)).take(paid("2026-03-29 21:59", 1000, 2))
        models.take(paid("2026-03-29 22:00", 1000, 3))
        back = OrderLinesReturned(order_id="A1", quantities={"MUG": 1})
        models.take(back, minutes=on("2026-03-29 22:00"))
    assert models.rows(SALES) == [
        (day("2026-03-29"), "gbp", 2000, 0, 0, 2),
        (day("2026-03-30"), "gbp", 1000, 0, 1000, 0),
    ]
    assert models.rows("select day, orders from orders_daily order by day") == [
        (day("2026-03-29"), 2),
        (day("2026-03-30"), 1),
    ]
