"""Stock: units at the end of the window's last day, over all products."""

from kpi.declare import Balance, Facts, Family, Figure, Kind, Unit

MOVEMENTS = Facts(
    "stock_daily",
    "stock_movements",
    "stock_daily",
    day="ledger.business_day(at)",
    has_currency=False,
)

family = Family(
    60,
    "Stock",
    (
        Figure(
            "stock_on_hand",
            "Stock on hand",
            "units received and adjusted",
            Unit.UNITS,
            Kind.BALANCE,
            Balance(MOVEMENTS, "on_hand", "on_hand"),
            dated_by="movement",
        ),
        Figure(
            "stock_reserved",
            "Stock reserved",
            "units held for orders",
            Unit.UNITS,
            Kind.BALANCE,
            Balance(MOVEMENTS, "reserved", "reserved"),
            dated_by="movement",
        ),
        Figure(
            "stock_available",
            "Stock available",
            "on hand − reserved − sold",
            Unit.UNITS,
            Kind.BALANCE,
            Balance(MOVEMENTS, "on_hand - reserved - sold", "on_hand - reserved - sold"),
            dated_by="movement",
        ),
    ),
)
