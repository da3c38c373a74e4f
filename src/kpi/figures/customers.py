"""Customers: how many bought, how many of them again, how many for the first time.

Who bought stays one who did, also where a bank takes the money back later: that day is over.
"""

from functools import partial

from kpi.declare import Family, Figure, Ratio, Rows, Total, Unit

_figure = partial(Figure, dated_by="first full payment")

family = Family(
    30,
    "Customers of orders",
    (
        _figure(
            "unique_customers",
            "Customers with orders",
            "distinct customers (by customer id, else e-mail) with an order in this currency that"
            " became fully paid, also where a bank took that back later",
            Unit.COUNT,
            Rows("unique_customers"),
        ),
        _figure(
            "repeat_customers",
            "Repeat customers with orders",
            "customers with two or more of these orders in the window",
            Unit.COUNT,
            Rows("repeat_customers"),
        ),
        _figure(
            "repeat_rate_pct",
            "Repeat rate of orders",
            "repeat_customers / unique_customers × 100",
            Unit.PERCENT,
            Ratio(("repeat_customers",), ("unique_customers",)),
        ),
        _figure(
            "new_customers",
            "New customers with orders",
            "customers whose first paid order ever is in the window",
            Unit.COUNT,
            Rows("new_customers"),
        ),
        _figure(
            "returning_customers",
            "Returning customers with orders",
            "unique_customers − new_customers: those with an earlier paid order",
            Unit.COUNT,
            Total(("unique_customers",), ("new_customers",)),
        ),
        _figure(
            "returning_customer_rate_pct",
            "Returning customer rate of orders",
            "returning_customers / unique_customers × 100",
            Unit.PERCENT,
            Ratio(("returning_customers",), ("unique_customers",)),
        ),
    ),
    rests_on="captured_payments_to_date",
)
