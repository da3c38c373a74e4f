"""Orders that became fully paid in a window, the latest first."""

from kpi.exports.declare import Column, Kind, from_query

export = from_query(
    "orders",
    "Paid orders",
    "orders_paid",
    columns=(
        Column("OrderID", Kind.TEXT),
        Column("Email", Kind.TEXT),
        Column("Total", Kind.DECIMAL),
        Column("Status", Kind.TEXT),
        Column("CreatedAt", Kind.TIME),
        Column("RefundStatus", Kind.TEXT),
        Column("RefundPennies", Kind.MINOR),
        Column("RefundedAt", Kind.TIME),
        Column("Currency", Kind.CURRENCY),
        Column("PaidAt", Kind.TIME),
        Column("PaymentIntent", Kind.TEXT),
    ),
    filters=("currency", "state", "refund_state", "dispute_state", "customer_id", "email"),
    reads=("sales_daily", "orders"),
)
