"""Golden examples of money and days, with the answers worked out by hand."""

from fractions import Fraction

import pytest

from kpi.best_sellers import best_sellers
from kpi.windows import Window, parse
from ledger.domain.events import Line, OrderCanceled, PaymentLinked
from ledger.domain.facts import DisputeState, RefundState
from tests.kpi.examples import asked, bought, captured, figures, refunded, visited
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, order
from tests.projections.test_disputes_daily import dispute, moved

# ── What the Django system got wrong ────────────────────────────────────────────────────────────


def test_a_customer_who_orders_on_three_days_is_one_customer(models: Models):
    """Ada orders on 2, 3 and 4 March. Each day has 1 customer and none who came again.

    The three days together have 1 customer (not 3), who did come again: 1 of 1, 100 %.
    """
    names = ("orders", "unique_customers", "repeat_customers", "repeat_rate_pct")
    dates = ["2026-03-02", "2026-03-03", "2026-03-04"]
    for date in dates:
        bought(models, date, f"{date} 10:00", customer_id="ada")
    for date in dates:
        assert asked(figures(models, date, date), *names) == [1, 1, 0, 0]
    assert asked(figures(models, dates[0], dates[-1]), *names) == [3, 1, 1, 100]


def test_revenue_counts_when_it_was_captured_not_when_it_was_ordered(models: Models):
    """Ordered on 2 March, paid on the 12th: nothing in the first week, 10.00 in the second."""
    models.take(order(1000), minutes=on("2026-03-02 10:00"))
    captured(models, "A1", on("2026-03-12 10:00"))
    names = ("revenue", "orders", "aov", "gross_sales")
    assert asked(figures(models, "2026-03-02", "2026-03-08"), *names) == [0, 0, None, 0]
    assert asked(figures(models, "2026-03-09", "2026-03-15"), *names) == [1000, 1, 1000, 1000]


def test_a_partial_refund_stays_on_its_day_when_another_follows(models: Models):
    """3.00 of 10.00 went back on 3 March, 2.00 on the 8th: 3.00 and 2.00, not 0.00 and 5.00.

    One order was refunded on either day, and one on both together.
    """
    bought(models, "A1", "2026-03-01 10:00")
    refunded(models, "A1", "2026-03-03 10:00", 300)
    refunded(models, "A1", "2026-03-08 10:00", 200)
    names = ("refunded_amount", "refunded_orders")
    assert asked(figures(models, "2026-03-03", "2026-03-03"), *names) == [300, 1]
    assert asked(figures(models, "2026-03-08", "2026-03-08"), *names) == [200, 1]
    assert asked(figures(models, "2026-03-01", "2026-03-31"), *names) == [500, 1]


def test_what_was_canceled_is_no_best_seller(models: Models):
    """Three mugs (30.00) are paid on the 2nd and called off on the 5th; a tee (8.00) stays sold.

    On the 2nd the mug sold best. From the 2nd to the 5th it sold nothing.
    """
    mugs = Line(sku="MUG", name="Mug", quantity=3, unit_minor=1000)
    tee = Line(sku="TEE", name="Tee", quantity=1, unit_minor=800)
    bought(models, "A1", "2026-03-02 10:00", 3000, lines=(mugs,))
    bought(models, "A2", "2026-03-02 11:00", 800, lines=(tee,))
    models.take(OrderCanceled(order_id="A1"), minutes=on("2026-03-05 10:00"))
    assert sold(models, "2026-03-02", "2026-03-02") == [("MUG", 3, 3000), ("TEE", 1, 800)]
    assert sold(models, "2026-03-02", "2026-03-05")[0] == ("TEE", 1, 800)
    assert ("MUG", 3, 3000) not in sold(models, "2026-03-02", "2026-03-05")
    names = ("gross_sales", "returns", "net_sales", "units", "product_revenue")
    assert asked(figures(models, "2026-03-02", "2026-03-05"), *names) == [3800, 3000, 800, 1, 800]


def sold(models: Models, first: str, last: str) -> list[tuple[str, int, int]]:
    with models.dicts() as cursor:
        found = best_sellers(cursor, Window(day(first), day(last)), currency="gbp", limit=10)
    return [(row["sku"], row["units"], row["revenue_minor"]) for row in found]


@pytest.mark.parametrize(("window", "revenue_minor"), [("7", 1), ("30", 1011), ("90", 6111)])
def test_a_window_ends_with_today_and_has_exactly_its_days(
    models: Models, window: str, revenue_minor: int
):
    """Today is 31 March: 7 days begin on the 25th, 30 on the 2nd, 90 on 1 January.

    At the first moment of each 1, 10 and 100 were paid, and 1,000, 5,000 and 20,000 in the minute
    before. 7 days: 1. 30 days: 1 + 1,000 + 10. 90 days: that + 5,000 + 100.
    """
    paid = {
        "2026-03-25 00:00": 1,
        "2026-03-24 23:59": 1_000,
        "2026-03-02 00:00": 10,
        "2026-03-01 23:59": 5_000,
        "2026-01-01 00:00": 100,
        "2025-12-31 23:59": 20_000,
    }
    for time, minor in paid.items():
        captured_order(models, time, minor)
    asked_for = parse(day("2026-03-31"), window=window)
    assert figures(models, f"{asked_for.first}", f"{asked_for.last}")["revenue"] == revenue_minor


def captured_order(models: Models, time: str, minor: int) -> None:
    """Captured at exactly this time."""
    models.take(order(minor, time), minutes=on(time))
    captured(models, time, on(time), minor)


def test_an_order_that_is_paid_in_parts_counts_when_it_is_fully_paid(models: Models):
    """6.00 of 10.00 come on 2 March and 4.00 on the 5th: revenue on both days, an order on the 5th.

    From the 2nd to the 5th it is one order of 10.00, paid by two payments.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    captured(models, "A1", on("2026-03-02 10:00"), 600, name="first")
    captured(models, "A1", on("2026-03-05 10:00"), 400, name="second")
    names = ("revenue", "captured_payments", "orders", "gross_sales", "aov")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [600, 1, 0, 0, None]
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [400, 1, 1, 1000, 1000]
    assert asked(figures(models, "2026-03-02", "2026-03-05"), *names) == [1000, 2, 1, 1000, 1000]


def test_what_exceeds_an_orders_total_is_revenue_and_no_order_value(models: Models):
    """10.00 are ordered, and paid twice, on the 2nd and the 5th.

    Revenue is 20.00, the order's value 10.00, and 10.00 of the 5th are overpaid.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    captured(models, "A1", on("2026-03-02 10:00"), 1000, name="first")
    captured(models, "A1", on("2026-03-05 10:00"), 1000, name="second")
    names = ("revenue", "aov", "overpaid_amount")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1000, 1000, 0]
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [1000, None, 1000]
    assert asked(figures(models, "2026-03-02", "2026-03-06"), *names) == [2000, 1000, 1000]


def test_half_off_on_two_pages_is_half_of_it_paid_twice(models: Models):
    """10.00 are ordered; two pages each take 5.00 off, and are paid on the 2nd and the 5th.

    5.00 were due: revenue is 10.00, the order's value 5.00, and 5.00 of the 5th are overpaid.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    for date in ("2026-03-02", "2026-03-05"):
        captured(models, "A1", on(f"{date} 10:00"), 500, name=date)
        visited(models, "A1", date, on(f"{date} 10:01"), asked=500, off=500)
    names = ("revenue", "aov", "overpaid_amount")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [500, 500, 0]
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [500, None, 500]
    assert asked(figures(models, "2026-03-02", "2026-03-06"), *names) == [1000, 500, 500]


def test_what_is_paid_beside_a_page_for_nothing_is_overpaid(models: Models):
    """10.00 are paid on the 2nd, and on the 5th a page leaves nothing due of them.

    The order was one of 10.00 on the 2nd, and stays one; on the 5th all of that is too much.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    captured(models, "A1", on("2026-03-02 10:00"))
    visited(models, "A1", "free", on("2026-03-05 10:00"), asked=0, off=1000)
    names = ("revenue", "orders", "paid_orders_amount", "overpaid_amount")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1000, 1, 1000, 0]
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [0, 0, 0, 1000]


def test_a_page_for_nothing_makes_an_order_of_nothing_and_what_follows_is_overpaid(
    models: Models,
):
    """Free on the 2nd, and 10.00 are paid on the 5th all the same."""
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    visited(models, "A1", "free", on("2026-03-02 10:00"), asked=0, off=1000)
    captured(models, "A1", on("2026-03-05 10:00"))
    names = ("revenue", "orders", "paid_orders_amount", "overpaid_amount")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [0, 1, 0, 0]
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [1000, 0, 0, 1000]


def test_what_a_page_takes_off_is_counted_until_the_order_is_called_off(models: Models):
    """10.00 are ordered; on the 2nd a page takes 4.00 off, and 6.00 are paid. On the 5th it is off.

    Sales are at the order's prices: 10.00 less the page's 4.00 is what it brought.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    captured(models, "A1", on("2026-03-02 10:00"), 600)
    visited(models, "A1", "promotion", on("2026-03-02 10:00"), asked=600, off=400)
    names = ("total_sales", "discounts", "page_discounts", "paid_orders_amount")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1000, 0, 400, 600]
    models.take(OrderCanceled(order_id="A1"), minutes=on("2026-03-05 10:00"))
    assert asked(figures(models, "2026-03-05", "2026-03-05"), *names) == [-1000, 0, -400, 0]


# ── Back ────────────────────────────────────────────────────────────────────────────────────────


def test_a_refund_that_fails_later_is_taken_back_on_that_day(models: Models):
    """Of 10.00 that were paid on 1 March 4.00 went back on the 3rd, and failed on the 12th.

    First week: 4.00 of one order. Second week: -4.00 of none. Both: nothing went back.
    """
    bought(models, "A1", "2026-03-01 10:00")
    refunded(models, "A1", "2026-03-03 10:00", 400)
    names = ("refunded_amount", "refunded_orders", "net_revenue", "refunded_orders_cohort")
    assert asked(figures(models, "2026-03-01", "2026-03-07"), *names) == [400, 1, 600, 1]
    refunded(models, "A1", "2026-03-12 10:00", 400, RefundState.FAILED)
    assert asked(figures(models, "2026-03-01", "2026-03-07"), *names) == [400, 1, 600, 0]
    assert asked(figures(models, "2026-03-08", "2026-03-14"), *names) == [-400, 0, 400, 0]
    assert asked(figures(models, "2026-03-01", "2026-03-14"), *names) == [0, 0, 1000, 0]


def test_more_orders_can_be_refunded_than_were_paid(models: Models):
    """Paid on 1 March: two. On the 10th both go back, and a third is paid: 2 / 1 = 200 %.

    Of the two of 1 March all were refunded to date, 100 %; of the one of the 10th none.
    """
    bought(models, "A1", "2026-03-01 10:00")
    bought(models, "A2", "2026-03-01 11:00", 500)
    bought(models, "A3", "2026-03-10 10:00", 3000)
    refunded(models, "A1", "2026-03-10 10:00")
    refunded(models, "A2", "2026-03-10 10:00", 500)
    names = ("refund_rate_orders_pct", "refund_rate_value_pct", "refund_rate_cohort_pct")
    assert asked(figures(models, "2026-03-10", "2026-03-10"), *names) == [200, 50, 0]
    assert asked(figures(models, "2026-03-01", "2026-03-01"), *names) == [0, 0, 100]


def test_a_dispute_is_withdrawn_and_reinstated_on_its_days(models: Models):
    """Paid and disputed on 1 March; 10.00 leave on the 2nd and come back on the 9th."""
    models.take(order(), minutes=0)
    captured(models, "A1", 0, name="1")
    models.take(dispute(DisputeState.OPEN, moved(2, -1000)), minutes=on("2026-03-02 12:00"))
    won = dispute(DisputeState.WON, moved(2, -1000), moved(9, 1000))
    models.take(won, minutes=on("2026-03-09 12:00"))
    names = ("disputed_amount", "dispute_count", "dispute_rate_pct", "net_revenue")
    assert asked(figures(models, "2026-03-01", "2026-03-01"), *names) == [0, 1, 100, 1000]
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1000, 0, None, -1000]
    assert asked(figures(models, "2026-03-09", "2026-03-09"), *names) == [-1000, 0, None, 1000]
    assert asked(figures(models, "2026-03-01", "2026-03-09"), *names) == [0, 1, 100, 1000]


def test_a_late_link_counts_on_the_day_of_the_capture(models: Models):
    """10.00 come in on 2 March for nobody knows what; on the 20th a person says for which order.

    Until then the day has a payment that succeeded and no revenue; from then on it has both.
    """
    models.take(order(1000), minutes=on("2026-03-01 10:00"))
    captured(models, None, on("2026-03-02 10:00"), name="X")
    names = ("revenue", "orders", "payments_succeeded")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [0, 0, 1]
    linked = PaymentLinked(order_id="A1", payment_id="pi_X")
    models.take(linked, minutes=on("2026-03-20 10:00"))
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1000, 1, 1]
    assert asked(figures(models, "2026-03-20", "2026-03-20"), *names) == [0, 0, 0]


# ── Days, currencies, nothing ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("date", "moments"),
    [
        pytest.param(
            "2026-03-29",
            {"2026-03-28 23:59": 1, "2026-03-29 00:00": 10, "2026-03-29 22:59": 20}
            | {"2026-03-29 23:00": 300},
            id="23 hours, from 00:00 to 23:00 UTC",
        ),
        pytest.param(
            "2026-10-25",
            {"2026-10-24 22:59": 1, "2026-10-24 23:00": 10, "2026-10-25 23:59": 20}
            | {"2026-10-26 00:00": 300},
            id="25 hours, from 23:00 the day before to 24:00 UTC",
        ),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(models: Models, date: str, moments: dict[str, int]):
    """In London: its first and its last minute bring 10 and 20, the neighbours have the others."""
    with reporting_in(models, "Europe/London"):
        for time, minor in moments.items():
            captured_order(models, time, minor)
        assert figures(models, date, date)["revenue"] == 30


def test_yen_stand_beside_pounds(models: Models):
    """1,000 yen have no decimals and 10.00 pounds two; both are 1000, and never 2000."""
    bought(models, "A1", "2026-03-02 10:00", 1000, customer_id="ada")
    bought(models, "A2", "2026-03-02 11:00", 1000, "jpy", customer_id="ada")
    names = ("revenue", "orders", "unique_customers", "new_customers", "repeat_customers")
    for currency in ("gbp", "jpy"):
        found = figures(models, "2026-03-02", "2026-03-02", currency)
        assert asked(found, *names) == [1000, 1, 1, 1, 0]


def test_a_ratio_over_nothing_is_nothing_and_one_of_nothing_is_zero(models: Models):
    """On 2 March one order is paid for 10.01; on the 3rd nothing happens."""
    bought(models, "A1", "2026-03-02 10:00", 1001)
    names = ("aov", "refund_rate_orders_pct", "dispute_rate_pct", "payment_success_pct")
    assert asked(figures(models, "2026-03-02", "2026-03-02"), *names) == [1001, 0, 0, 100]
    assert asked(figures(models, "2026-03-03", "2026-03-03"), *names) == [None] * 4


def test_a_ratio_is_exact_until_it_is_shown(models: Models):
    """10.00 of two orders and 5.01 of a third: 15.01 / 3 = 5.00333…"""
    for name, minor in (("A1", 600), ("A2", 400), ("A3", 501)):
        bought(models, name, "2026-03-02 10:00", minor)
    assert figures(models, "2026-03-02", "2026-03-02")["aov"] == Fraction(1501, 3)
