"""Sales: what was sold and what of it came back, by order and by line, and their sums by day.

An order is a sale from its full payment on. What a line brings is its amount less its share of the
order's discount; what comes back takes the same away again, on the day it comes back. What payment
pages took off is no part of lines: it is what lies between an order's total and what it brought
when it became fully paid. Where a bank takes the money back, so that the order is not paid any
more, all that it sold is taken back on that day (decision 34); it is a sale again when it is paid
again.
"""

from projections.engine.declare import Derived, Projection, Rollup

order_sales = Derived(
    "order_sales",
    key=("order_id", "period", "kind"),
    by=("order_id",),
    view="""
        select
            o.order_id, t.period, k.kind, ledger.business_day(k.at) as day, o.currency, k.at,
            coalesce(o.customer_id, lower(o.email), p.customer_id, lower(p.email)) as customer,
            coalesce(o.email, p.email) as email,
            k.orders,
            k.sign * (o.total_minor - o.shipping_minor - o.tax_minor + o.discount_minor)
                as goods_minor,
            k.sign * o.shipping_minor as shipping_minor,
            k.sign * o.tax_minor as tax_minor,
            k.sign * o.total_minor as total_minor,
            k.sign * (o.total_minor - t.brought_minor) as page_discount_minor,
            k.orders * t.brought_minor as brought_minor,
            case when o.refunded_minor > 0 then k.orders else 0 end as refunded,
            k.orders * o.refunded_minor as refunded_minor
        from orders as o
        join paid_periods as t using (order_id)
        left join payments as p on p.payment_id = t.payment_id
        cross join lateral (
            select coalesce(o.canceled_at < coalesce(t.unpaid_at, 'infinity'), false) as canceled
        ) as c
        cross join lateral (
            select 'paid' as kind, t.paid_at as at, 1::bigint as orders, 1::bigint as sign
            union all
            select 'canceled', greatest(o.canceled_at, t.paid_at), 0, -1
            where c.canceled
            union all
            select 'unpaid', t.unpaid_at, -1, case when c.canceled then 0 else -1 end
            where t.unpaid_at is not null
        ) as k
    """,
    touched="select order_id from touched_orders",
    indexes=("customer, currency, at, order_id", "day, currency"),
)

# What went back so far is worth the line's net amount times these units through all units, rounded
# half-even (division truncates in SQL), less what went back before: all of it is worth the amount.
# Calling an order off takes back what did not come back before. Nothing goes back before it was
# sold: an order that is paid after it was called off is sold and reversed on the same day.
LINE_SALES = """
select
    o.order_id, l.line_id, t.period, l.sku, k.kind, k.number, ledger.business_day(k.at) as day,
    o.currency, k.at, l.name, k.units, k.gross_minor, k.discount_minor, k.return_minor,
    k.gross_minor - k.discount_minor - k.return_minor as revenue_minor
from orders as o
join paid_periods as t using (order_id)
join order_lines as l using (order_id)
cross join lateral (
    with moved as (
    select
        'sold' as kind, 0::bigint as number, t.paid_at as at, l.quantity as units,
        l.quantity * l.unit_minor as gross_minor, l.discount_minor, 0::bigint as return_minor
    union all
    select
        kind, case kind when 'returned' then number else 0 end, greatest(at, t.paid_at),
        lag(units, 1, 0::bigint) over earlier - units,
        0, 0, worth_minor - lag(worth_minor, 1, 0::bigint) over earlier
    from (
        select
            kind, at, row_number() over so_far as number,
            least(sum(quantity) over so_far, l.quantity)::bigint as units
        from (
            select 'returned' as kind, position, quantity, at
            from order_returns
            where order_id = l.order_id and sku = l.sku and line_id in ('', l.line_id)
            union all
            select 'canceled', null, l.quantity, o.canceled_at
            where o.canceled_at is not null
        ) as went_back
        where at < coalesce(t.unpaid_at, 'infinity')
        window so_far as (order by position)
    ) as back
    cross join lateral (
        select (l.quantity * l.unit_minor - l.discount_minor) * units as product
    ) as p
    cross join lateral (
        select product / l.quantity + case
            when 2 * abs(product % l.quantity) + abs(product / l.quantity % 2) <= l.quantity then 0
            when product < 0 then -1
            else 1
        end as worth_minor
    ) as w
    window earlier as (order by number)
    )
    select kind, number, at, units, gross_minor, discount_minor, return_minor
    from moved
    union all
    select
        'unpaid', 0, t.unpaid_at, -sum(units)::bigint, -sum(gross_minor)::bigint,
        -sum(discount_minor)::bigint, -sum(return_minor)::bigint
    from moved
    having t.unpaid_at is not null
) as k
"""

line_sales = Derived(
    "line_sales",
    key=("order_id", "line_id", "period", "kind", "number"),
    by=("order_id",),
    view=LINE_SALES,
    touched="""
        select order_id from touched_orders
        union all
        select order_id from staged_order_returns
    """,
    indexes=("day, currency",),
)
orders_daily = Rollup(
    "orders_daily",
    key=("day", "currency"),
    amounts=(
        "orders",
        "page_discount_minor",
        "brought_minor",
        "refunded_orders_cohort",
        "refunded_minor_cohort",
        "shipping_minor",
        "tax_minor",
    ),
    source=order_sales,
    contribution="""
        select
            day, currency, orders, page_discount_minor, brought_minor,
            refunded as refunded_orders_cohort, refunded_minor as refunded_minor_cohort,
            shipping_minor, tax_minor
        from source
    """,
)
sales_daily = Rollup(
    "sales_daily",
    key=("day", "currency"),
    amounts=("gross_minor", "discount_minor", "return_minor", "units"),
    source=line_sales,
    contribution="""
        select day, currency, gross_minor, discount_minor, return_minor, units from source
    """,
)
projection = Projection(
    "sales_daily",
    tables=(order_sales, line_sales, orders_daily, sales_daily),
    reads=("orders", "payments"),
)
