"""Days of wishes: each day on which a customer wished, beside his wishes and purchases around it.

As with customers' orders, distinct customers of any window [from, to] are counted row by row: a
customer who wished is counted at the first such day in it (`previous_day` is null or before it),
and as one who bought after it where `next_order_day` is not after `to`.
"""

from projections.engine.declare import Derived, Projection

wish_days = Derived(
    "wish_days",
    key=("customer_id", "day"),
    view="""
        select
            d.customer_id, d.day, first_wish.at,
            (
                select max(day)
                from wishlist_daily
                where customer_id = d.customer_id and day < d.day and added > 0
            ) as previous_day,
            (
                select day
                from customer_orders
                where customer = d.customer_id and at > first_wish.at
                order by at
                limit 1
            ) as next_order_day
        from wishlist_daily as d
        cross join lateral (
            select min(at) as at
            from wishes
            where customer_id = d.customer_id and kind = 'added'
                and ledger.business_day(at) = d.day
        ) as first_wish
        where d.added > 0
    """,
    touched="""
        select d.customer_id, d.day
        from (
            select customer_id from staged_wishes
            union
            select o.customer
            from touched_customer_orders
            join customer_orders as o using (order_id)
        ) as c
        join wishlist_daily as d using (customer_id)
    """,
    indexes=("day, previous_day, next_order_day",),
)
projection = Projection("wish_days", tables=(wish_days,), reads=("wishlists", "customer_orders"))
