"""Stock: levels are the sums of movements."""

import pytest

from ledger.domain.events import (
    Metadata,
    OrderExpired,
    OrderFulfilled,
    OrderReinstated,
    ProductListed,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.facts import AnyFact, ChargeState
from tests.projections.models import Models, charge, order

LISTED = ProductListed(sku="MUG", name="Mug", prices={"gbp": 1250})
RECEIVED = StockReceived(sku="MUG", quantity=10)
FEWER = StockAdjusted(sku="MUG", change=-3)
RESERVED = StockReserved(sku="MUG", order_id="A1", quantity=4)
RELEASED = StockReleased(sku="MUG", order_id="A1", quantity=4)
SOLD = StockSold(sku="MUG", order_id="A1", quantity=4)
RETURNED = StockReturned(sku="MUG", order_id="A1", quantity=1)
PLACED = order()
PAID = charge()
TAKEN_BACK = charge(0, state=ChargeState.FAILED)
FULFILLED = OrderFulfilled(order_id="A1", based_on_position=1)
EXPIRED = OrderExpired(order_id="A1")
REINSTATED = OrderReinstated(order_id="A1")
PAID_TOO_LATE = (RESERVED, EXPIRED, RELEASED, PAID)


@pytest.mark.parametrize(
    ("moves", "levels"),
    [  # on hand, committed, reserved, available
        ([], (0, 0, 0, 0)),
        ([RECEIVED], (10, 0, 0, 10)),
        ([RECEIVED, FEWER], (7, 0, 0, 7)),
        ([RECEIVED, RESERVED], (10, 0, 4, 6)),
        ([RECEIVED, RESERVED, RELEASED], (10, 0, 0, 10)),
        ([RECEIVED, RESERVED, SOLD], (6, 0, 0, 6)),
        ([RECEIVED, RESERVED, SOLD, RETURNED], (7, 0, 0, 7)),
        ([RESERVED], (0, 0, 4, -4)),
        ([RECEIVED, PLACED, RESERVED], (10, 0, 4, 6)),
        ([RECEIVED, PLACED, RESERVED, PAID], (10, 4, 0, 6)),
        ([PAID, RECEIVED, PLACED, RESERVED], (10, 4, 0, 6)),
        ([RECEIVED, PLACED, RESERVED, PAID, TAKEN_BACK], (10, 0, 4, 6)),
        ([RECEIVED, PLACED, RESERVED, PAID, FULFILLED, SOLD], (6, 0, 0, 6)),
        ([RECEIVED, PLACED, RESERVED, PAID, FULFILLED, SOLD, RETURNED], (7, 0, 0, 7)),
        ([RECEIVED, PLACED, *PAID_TOO_LATE], (10, 0, 0, 10)),
        ([RECEIVED, PLACED, *PAID_TOO_LATE, REINSTATED, RESERVED], (10, 4, 0, 6)),
    ],
)
def test_levels(models: Models, moves: list[AnyFact], levels: tuple[int, int, int, int]):
    models.take(LISTED)
    for move in moves:
        models.take(move)
    assert models.one("stock", "on_hand", "committed", "reserved", "available") == levels


def test_on_hand_is_what_came_in_and_was_not_sent_out(models: Models):
    """A shop received 240 mugs, sold and sent 82, took one back and broke three: 156 are left."""
    models.take(LISTED).take(StockReceived(sku="MUG", quantity=240))
    for number in range(82):
        one = {"sku": "MUG", "order_id": f"A{number}", "quantity": 1}
        models.take(StockReserved(**one)).take(StockSold(**one))
    models.take(RETURNED).take(FEWER)
    parts = ("received", "adjusted", "returned", "fulfilled", "on_hand", "available")
    assert models.one("stock", *parts) == (240, -3, 1, 82, 156, 156)


def test_a_product_is_what_was_said_of_it_last(models: Models):
    models.take(LISTED).take(RECEIVED)
    models.take(ProductListed(sku="MUG", name="Blue mug", prices={"jpy": 2200}, preorder=True))
    columns = ("name", "prices", "preorder", "on_hand")
    assert models.one("stock", *columns) == ("Blue mug", {"jpy": 2200}, True, 10)


def test_a_movement_says_why_and_by_whom(models: Models):
    meta = Metadata(actor="token/1a2b", actor_name="Olga", reason="counted again")
    models.take(LISTED).take(FEWER, meta=meta)
    columns = ("kind", "quantity", "on_hand", "actor", "actor_name", "reason")
    expected = ("adjusted", -3, -3, "token/1a2b", "Olga", "counted again")
    assert models.one("stock_movements", *columns) == expected
