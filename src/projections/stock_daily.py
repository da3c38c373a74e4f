"""Stock by day: by how many units each level moved; the level after a day is the sum up to it."""

from projections import stock
from projections.engine.declare import Projection, Rollup

stock_daily = Rollup(
    "stock_daily",
    key=("day",),
    amounts=("on_hand", "reserved", "sold"),
    source=stock.movements,
    contribution="""
        select ledger.business_day(at) as day, on_hand, reserved, sold from source
    """,
)
projection = Projection("stock_daily", tables=(stock_daily,), reads=("stock",))
