"""Stock by day: movements, of which the levels after any day are the sums."""

from ledger.domain.events import (
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.facts import ChargeState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, charge, order

DAYS = "select day, on_hand, held from stock_daily order by day"
COMMITTED = "select day, committed from stock_committed_daily order by day"


def test_movements_of_all_products_by_day(models: Models):
    """1 March: 10 mugs and 5 lamps arrive, 4 mugs are held. 2 March: 3 of them are sold, 1 is free.

    4 March: a mug comes back, and a lamp is found broken. After that day 12 are on hand, none held:
    15 − 3 + 1 − 1.
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
        (day("2026-03-01"), 15, 4),
        (day("2026-03-02"), -3, -4),
        (day("2026-03-04"), 0, 0),
    ]
    assert models.rows("select sum(on_hand), sum(held) from stock_daily") == [(12, 0)]


def test_what_an_order_holds_is_committed_from_its_payment_until_it_is_sent(models: Models):
    """Held on the 1st, paid on the 3rd, though that was reported last, and sent on the 5th."""
    mug = {"sku": "MUG", "order_id": "A1", "quantity": 4}
    models.take(order(), minutes=on("2026-03-01 09:00"))
    models.take(StockReserved(**mug), minutes=on("2026-03-01 09:00"))
    models.take(StockSold(**mug), minutes=on("2026-03-05 09:00"))
    assert models.rows(COMMITTED) == []
    models.take(charge(minutes=on("2026-03-03 09:00")))
    assert models.rows(COMMITTED) == [(day("2026-03-03"), 4), (day("2026-03-05"), -4)]


def test_what_an_order_holds_is_committed_until_the_bank_takes_its_money_back(models: Models):
    """Held on the 1st, paid on the 3rd, taken back on the 5th, paid again on the 8th and sent."""
    mug = {"sku": "MUG", "order_id": "A1", "quantity": 4}
    models.take(order(), minutes=on("2026-03-01 09:00"))
    models.take(StockReserved(**mug), minutes=on("2026-03-01 09:00"))
    models.take(charge(minutes=on("2026-03-03 09:00")))
    models.take(charge(0, state=ChargeState.FAILED), minutes=on("2026-03-05 09:00"))
    committed = [(day("2026-03-03"), 4), (day("2026-03-05"), -4)]
    assert models.rows(COMMITTED) == committed
    assert models.one("stock_committed", "committed") == 0
    models.take(charge(charge_id="ch_2", payment_id="pi_2", minutes=on("2026-03-08 09:00")))
    assert models.rows(COMMITTED) == [*committed, (day("2026-03-08"), 4)]
    models.take(StockSold(**mug), minutes=on("2026-03-09 09:00"))
    assert models.rows(COMMITTED)[-1] == (day("2026-03-09"), -4)


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """In London clocks went an hour back on 25 October 2026: 23:30 UTC was midnight and a half."""
    with reporting_in(models, "Europe/London"):
        for time in ("2026-10-24 23:30", "2026-10-25 23:30"):
            models.take(StockReceived(sku="MUG", quantity=1), minutes=on(time))
    assert models.rows(DAYS) == [(day("2026-10-25"), 2, 0)]
