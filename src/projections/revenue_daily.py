"""Revenue by day: what the payments of orders brought in, on the day on which it was taken."""

from projections.engine.declare import Derived, Projection, Rollup

CHANGED_PAYMENTS = """
select payment_id from touched_payments
union all
select p.payment_id
from staged_order_actions
join payments as p using (order_id)
"""
"""SQL for the payments whose money or order a batch changed: all that a payment's facts rest on."""

# Only the money of orders that are known counts, here as in refunds and disputes, so that one can
# be taken from the other. A link that comes later counts on the day of the capture all the same.
# What is taken in several captures counts on the day of each; what a bank takes back leaves again
# on the day on which it does. A payment counts once, while it holds money.
captures = Derived(
    "captures",
    key=("payment_id", "kind", "source_id", "at"),
    view="""
        select
            p.payment_id,
            m.kind,
            m.source_id,
            ledger.business_day(m.at) as day,
            p.currency,
            m.at,
            p.order_id,
            p.customer_id,
            m.amount_minor,
            ((m.held_minor > 0)::integer - (m.held_minor > m.amount_minor)::integer)::bigint
                as payment_count
        from payments as p
        join order_actions as o using (order_id)
        cross join lateral (
            select kind, source_id, at, amount_minor,
                sum(amount_minor) over (order by at, kind, source_id)::bigint as held_minor
            from payment_movements
            where payment_id = p.payment_id and kind in ('captured', 'taken_back')
        ) as m
    """,
    touched="""
        select payment_id, kind, source_id, at
        from (changed_payments) as changed
        join captures_view using (payment_id)
    """.replace("changed_payments", CHANGED_PAYMENTS),
    indexes=("day, currency",),
)
revenue_daily = Rollup(
    "revenue_daily",
    key=("day", "currency"),
    amounts=("revenue_minor", "captures"),
    source=captures,
    contribution="""
        select day, currency, amount_minor as revenue_minor, payment_count as captures from source
    """,
)
projection = Projection(
    "revenue_daily", tables=(captures, revenue_daily), reads=("payments", "orders")
)
