"""Stock: levels are the sums of movements."""

import pytest

from ledger.domain.events import (
    Event,
    Meta,
    ProductListed,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from tests.projections.models import Models

LISTED = ProductListed(sku="MUG", name="Mug", prices={"gbp": 1250})
RECEIVED = StockReceived(sku="MUG", quantity=10)
FEWER = StockAdjusted(sku="MUG", change=-3)
RESERVED = StockReserved(sku="MUG", order_id="A1", quantity=4)
RELEASED = StockReleased(sku="MUG", order_id="A1", quantity=4)
SOLD = StockSold(sku="MUG", order_id="A1", quantity=4)
RETURNED = StockReturned(sku="MUG", order_id="A1", quantity=1)


@pytest.mark.parametrize(
    ("moves", "levels"),
    [  # on hand, reserved, sold, available
        ([], (0, 0, 0, 0)),
        ([RECEIVED], (10, 0, 0, 10)),
        ([RECEIVED, FEWER], (7, 0, 0, 7)),
        ([RECEIVED, RESERVED], (10, 4, 0, 6)),
        ([RECEIVED, RESERVED, RELEASED], (10, 0, 0, 10)),
        ([RECEIVED, RESERVED, SOLD], (10, 0, 4, 6)),
        ([RECEIVED, RESERVED, SOLD, RETURNED], (10, 0, 3, 7)),
        ([RESERVED], (0, 4, 0, -4)),
    ],
)
def test_levels(models: Models, moves: list[Event], levels: tuple[int, int, int, int]):
    models.take(LISTED)
    for move in moves:
        models.take(move)
    assert models.one("stock", "on_hand", "reserved", "sold", "available") == levels


def test_a_product_is_what_was_said_of_it_last(models: Models):
    models.take(LISTED).take(RECEIVED)
    models.take(ProductListed(sku="MUG", name="Blue mug", prices={"jpy": 2200}, preorder=True))
    columns = ("name", "prices", "preorder", "on_hand")
    assert models.one("stock", *columns) == ("Blue mug", {"jpy": 2200}, True, 10)


def test_a_movement_says_why_and_by_whom(models: Models):
    models.take(LISTED).take(FEWER, meta=Meta(actor="ops:olga", reason="counted again"))
    columns = ("kind", "quantity", "on_hand", "actor", "reason")
    expected = ("adjusted", -3, -3, "ops:olga", "counted again")
    assert models.one("stock_movements", *columns) == expected
