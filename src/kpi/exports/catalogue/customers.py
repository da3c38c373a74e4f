"""Customers who paid for an order in a window, those who spent most first."""

from kpi.exports.declare import Column, Kind, from_query

export = from_query(
    "customers",
    "Customers",
    "customers",
    columns=(
        Column("Email", Kind.TEXT),
        Column("Orders", Kind.COUNT),
        Column("TotalSpent", Kind.DECIMAL),
        Column("Currency", Kind.CURRENCY),
        Column("FirstOrderAt", Kind.TIME),
    ),
    filters=("currency",),
    reads=("customer_orders",),
)
