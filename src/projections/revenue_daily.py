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
#
# `overpaid_minor` is the part of a movement that lies beyond what the order costs: what comes after
# its total was reached, and all that is in another currency than the order's.
captures = Derived(
    "captures",
    key=("payment_id", "kind", "source_id", "at"),
    by=("payment_id",),
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
            (
                greatest(m.order_minor - c.costs_minor, 0)
                - greatest(m.order_minor - m.amount_minor - c.costs_minor, 0)
            )::bigint as overpaid_minor,
            ((m.held_minor > 0)::integer - (m.held_minor > m.amount_minor)::integer)::bigint
                as payment_count
        from payments as p
        join order_actions as o using (order_id)
        cross join lateral (
            select case when p.currency = o.currency then o.total_minor else 0 end as costs_minor
        ) as c
        cross join lateral (
            select r.payment_id, r.kind, r.source_id, r.at, r.amount_minor,
                sum(r.amount_minor) over (
                    partition by r.payment_id order by r.at, r.kind, r.source_id
                ) as held_minor,
                sum(r.amount_minor) over (order by r.at, r.payment_id, r.kind, r.source_id)
                    as order_minor
            from payments as q
            join payment_movements as r using (payment_id)
            where q.order_id = p.order_id and q.currency = p.currency
                and r.kind in ('captured', 'taken_back')
        ) as m
        where m.payment_id = p.payment_id
    """,
    touched="""
        with changed as (changed_payments)
        select payment_id
        from changed
        union -- what one payment brings decides what the others of its order are for
        select q.payment_id
        from changed
        join payments as p using (payment_id)
        join payments as q on q.order_id = p.order_id
    """.replace("changed_payments", CHANGED_PAYMENTS),
    indexes=("day, currency",),
)
revenue_daily = Rollup(
    "revenue_daily",
    key=("day", "currency"),
    amounts=("revenue_minor", "overpaid_minor", "captures"),
    source=captures,
    contribution="""
        select
            day, currency, amount_minor as revenue_minor, overpaid_minor,
            payment_count as captures
        from source
    """,
)
projection = Projection(
    "revenue_daily", tables=(captures, revenue_daily), reads=("payments", "orders")
)
