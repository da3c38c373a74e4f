"""Products by day: the parts of sales, by SKU."""

from ledger.domain.events import OrderCanceled, OrderLinesReturned
from ledger.domain.facts import RefundState
from tests.projections.days import day, on
from tests.projections.models import Models, charge, refund
from tests.projections.test_sales_daily import cart, paid

PRODUCTS = """
select day, currency, sku, units, revenue_minor
from products_daily
order by day, currency, sku
"""


def test_products_share_what_their_order_brought(models: Models):
    """Paid on 2 March: 2 mugs at 10.00 and 1 pen at 5.00, less 1.00; mugs bear 0.80, the pen 0.20.

    One mug comes back on the 4th: half of 19.20. On 2 March 3 mugs for 1,000 ¥ each are sold too.
    """
    models.take(cart(("MUG", 2, 1000), ("PEN", 1, 500), discount_minor=100))
    models.take(cart(("MUG", 3, 1000), order_id="B1", currency="jpy"))
    models.take(paid("2026-03-02 10:00", 2400)).take(paid("2026-03-02 11:00", 3000, 2, "jpy"))
    back = OrderLinesReturned(order_id="A1", quantities={"MUG": 1})
    models.take(back, minutes=on("2026-03-04 10:00"))
    assert models.rows(PRODUCTS) == [
        (day("2026-03-02"), "gbp", "MUG", 2, 1920),
        (day("2026-03-02"), "gbp", "PEN", 1, 480),
        (day("2026-03-02"), "jpy", "MUG", 3, 3000),
        (day("2026-03-04"), "gbp", "MUG", -1, -960),
    ]


def test_a_best_seller_does_not_survive_a_cancellation(models: Models):
    """Both mugs of 2 March are called off on the 5th; over both days none was sold."""
    models.take(cart(("MUG", 2, 1000))).take(paid("2026-03-02 10:00", 2000))
    models.take(refund(RefundState.SUCCEEDED, 2000)).take(
        OrderCanceled(order_id="A1"), minutes=on("2026-03-05 10:00")
    )
    assert models.rows(PRODUCTS) == [
        (day("2026-03-02"), "gbp", "MUG", 2, 2000),
        (day("2026-03-05"), "gbp", "MUG", -2, -2000),
    ]


def test_units_count_when_the_whole_order_is_paid(models: Models):
    """Half is paid on 2 March, the rest on the 6th."""
    models.take(cart(("MUG", 2, 1000))).take(paid("2026-03-02 10:00", 1000))
    assert models.rows(PRODUCTS) == []
    models.take(charge(1000, charge_id="ch_2", payment_id="pi_2", minutes=on("2026-03-06 10:00")))
    assert models.rows(PRODUCTS) == [(day("2026-03-06"), "gbp", "MUG", 2, 2000)]
