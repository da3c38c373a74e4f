"""Stock by day: by how many units each level moved; the level after a day is the sum up to it."""

from projections import stock
from projections.engine.declare import Projection, Rollup

stock_daily = Rollup(
    "stock_daily",
    key=("day",),
    amounts=("on_hand", "held"),
    source=stock.movements,
    contribution="select ledger.business_day(at) as day, on_hand, held from source",
)
stock_committed_daily = Rollup(
    "stock_committed_daily",
    key=("day",),
    amounts=("committed",),
    source=stock.commitments,
    contribution="select ledger.business_day(at) as day, units as committed from source",
)
projection = Projection(
    "stock_daily", tables=(stock_daily, stock_committed_daily), reads=("stock",)
)
