"""Stock by day: movements, of which the levels after any day are the sums."""

from ledger.domain.events import (
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models

DAYS = "select day, on_hand, reserved, sold from stock_daily order by day"


def test_movements_of_all_products_by_day(models: Models):
    """1 March: 10 mugs and 5 lamps arrive, 4 mugs are held. 2 March: 3 of them are sold, 1 is free.

    4 March: a mug comes back, and a lamp is found broken. After that day there are 14 on hand and
    2 of these sold: 15 − 1, and 3 − 1.
    """
    facts = [
        (StockReceived(sku="MUG", quantity=10), "2026-03-01 09:00"),
        (StockReceived(sku="LAMP", quantity=5), "2026-03-01 09:30"),
        (StockReserved(sku="MUG", order_id="A1", quantity=4), "2026-03-01 23:59"),
        (StockSold(sku="MUG", order_id="A1", quantity=3), "2026-03-02 00:00"),
        (StockReleased(sku="MUG", order_id="A1", quantity=1), "2026-03-02 10:00"),
        (StockReturned(sku="MUG", order_id="A1", quantity=1), "2026-03-04 10:00"),
        (StockAdjusted(sku="LAMP", change=-1), "2026-03-04 11:00"),
    ]
    for fact, time in facts:
        models.take(fact, minutes=on(time))
    assert models.rows(DAYS) == [
        (day("2026-03-01"), 15, 4, 0),
        (day("2026-03-02"), 0, -4, 3),
        (day("2026-03-04"), -1, 0, -1),
    ]
    assert models.rows("select sum(on_hand), sum(reserved), sum(sold) from stock_daily") == [
        (14, 0, 2)
    ]


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """In London clocks went an hour back on 25 October 2026: 23:30 UTC was midnight and a half."""
    with reporting_in(models, "Europe/London"):
        for time in ("2026-10-24 23:30", "2026-10-25 23:30"):
            models.take(StockReceived(sku="MUG", quantity=1), minutes=on(time))
    assert models.rows(DAYS) == [(day("2026-10-25"), 2, 0, 0)]
