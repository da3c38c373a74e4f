"""Revenue by day: what the payments of orders brought in, on the day on which it was taken."""

from projections.engine.declare import Derived, Projection, Rollup
from projections.paid_periods import steps

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
# `overpaid_minor` is what a movement adds to what lies beyond what is due of the order: what comes
# after that was reached, and all that is in another currency than the order's. Where a page takes
# something off that was paid already, that much is too much from then on: a row of kind `waived`
# says so, by the order's first payment, and moves nothing.
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
            m.overpaid_minor,
            ((m.held_minor > 0)::integer - (m.held_minor > m.amount_minor)::integer)::bigint
                as payment_count
        from payments as p
        join order_actions as o using (order_id)
        cross join lateral (
            select payment_id, kind, source_id, at, amount_minor, overpaid_minor,
                sum(amount_minor) over (
                    partition by payment_id order by at, kind, source_id
                ) as held_minor
            from (
                select kind, source_id, at, amount_minor,
                    coalesce(payment_id, first_payment_id) as payment_id,
                    (
                        greatest(received_minor - due_minor, 0)
                        - greatest(received_before_minor - due_before_minor, 0)
                    )::bigint as overpaid_minor
                from (order_steps) as so_far
            ) as each_step
        ) as m
        where m.payment_id = p.payment_id and (m.kind <> 'waived' or m.overpaid_minor <> 0)
    """.replace("order_steps", steps("p.currency")),
    touched="""
        with changed as (changed_payments)
        select payment_id
        from changed
        union -- what one payment brings decides what the others of its order are for
        select q.payment_id
        from changed
        join payments as p using (payment_id)
        join payments as q on q.order_id = p.order_id
        union -- and so does what its pages took off
        select payment_id
        from touched_order_waivers
        join payments using (order_id)
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
