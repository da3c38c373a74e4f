"""Payments: how many of those that ended brought money."""

from kpi.declare import Facts, Family, Figure, Ratio, Sum, Unit

OUTCOMES = Facts("payments_daily", "payment_outcomes", "payments_daily")

family = Family(
    50,
    "Payments",
    (
        Figure(
            "payments_succeeded",
            "Payments succeeded",
            "payments that brought money, linked to an order or not, less those of which banks took"
            " it back",
            Unit.COUNT,
            Sum(OUTCOMES, "succeeded", "succeeded"),
            dated_by="capture, end of the payment",
        ),
        Figure(
            "payments_failed",
            "Payments failed",
            "payments that ended without money: canceled, or taken back by the bank, less those of"
            " them that brought money after that; an attempt that was refused ends nothing",
            Unit.COUNT,
            Sum(OUTCOMES, "failed", "failed"),
            dated_by="end of the payment, capture",
        ),
        Figure(
            "payment_success_pct",
            "Payment success",
            "payments_succeeded / (payments_succeeded + payments_failed) × 100",
            Unit.PERCENT,
            Ratio(("payments_succeeded",), ("payments_succeeded", "payments_failed")),
            dated_by="each its own",
        ),
    ),
)
