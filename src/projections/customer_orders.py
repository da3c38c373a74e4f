"""Customers' orders: each order that was paid, beside the two that its customer paid before it.

An order stands at its first full payment, for good: a customer who bought stays one who did, also
where a bank takes the money back later.

With these, distinct customers of any window [from, to] are counted row by row, without grouping:
a customer is counted at the first order in it (`previous_day` is null or before it), a repeated one
at the second (`previous_day` in it, `second_previous_day` null or before it), and a new one at the
first order ever (`previous_day` is null), whose `at` is since when the customer is known.
"""

from projections.engine.declare import Derived, Projection

customer_orders = Derived(
    "customer_orders",
    key=("order_id",),
    view="""
        select
            s.order_id, s.customer, s.email, s.currency, s.day, s.at, s.total_minor,
            earlier.days[1] as previous_day, earlier.days[2] as second_previous_day
        from order_sales as s
        cross join lateral (
            select array(
                select day
                from order_sales
                where customer = s.customer and currency = s.currency
                    and kind = 'paid' and period = 1 and (at, order_id) < (s.at, s.order_id)
                order by at desc, order_id desc
                limit 2
            ) as days
            offset 0 -- looked up once, not at each use
        ) as earlier
        where s.kind = 'paid' and s.period = 1 and s.customer is not null
    """,
    touched="""
        select order_id
        from touched_order_sales
        union all
        select later.order_id
        from (select distinct order_id from touched_order_sales) as t
        join order_sales as s on s.order_id = t.order_id and s.kind = 'paid' and s.period = 1
        cross join lateral (
            select order_id
            from order_sales
            where customer = s.customer and currency = s.currency and kind = 'paid' and period = 1
                and (at, order_id) > (s.at, s.order_id)
            order by at, order_id
            limit 2
        ) as later
    """,
    indexes=(
        "day, currency, previous_day, second_previous_day",
        "customer, currency, at, order_id",
    ),
)
projection = Projection("customer_orders", tables=(customer_orders,), reads=("sales_daily",))
