"""Stock: units at the end of the window's last day, over all products."""

from kpi.declare import Balance, Facts, Family, Figure, Measure, Total, Unit

MOVEMENTS = Facts(
    "stock_daily",
    "stock_movements",
    "stock_daily",
    day="ledger.business_day(at)",
    has_currency=False,
)
COMMITMENTS = Facts(
    "stock_daily",
    "stock_commitments",
    "stock_committed_daily",
    day="ledger.business_day(at)",
    has_currency=False,
)
ON_HAND = Balance(MOVEMENTS, "on_hand", "on_hand")
HELD = Balance(MOVEMENTS, "held", "held")
COMMITTED = Balance(COMMITMENTS, "committed", "units")


def _level(name: str, formula: str, measure: Measure, dated_by: str, *, since: int = 1) -> Figure:
    """A level of stock, as `projections.stock` defines them."""
    label = f"Stock {name.replace('_', ' ')}"
    return Figure(f"stock_{name}", label, formula, Unit.UNITS, measure, dated_by, since)


family = Family(
    60,
    "Stock",
    (
        _level(
            "on_hand",
            "units on the shelf: received + adjusted + returned − fulfilled",
            ON_HAND,
            "movement",
        ),
        _level("held", "units held for orders, paid or not", HELD, "movement", since=2),
        _level(
            "committed",
            "units held for paid orders that are not fulfilled",
            COMMITTED,
            "full payment",
            since=2,
        ),
        _level(
            "reserved",
            "stock_held − stock_committed: units held for orders that are not paid",
            Total(plus=("stock_held",), minus=("stock_committed",)),
            "each its own",
        ),
        _level(
            "available",
            "stock_on_hand − stock_held: what can be sold",
            Total(plus=("stock_on_hand",), minus=("stock_held",)),
            "movement",
        ),
    ),
)
