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
captures = Derived(
    "captures",
    key=("payment_id",),
    view="""
        select
            p.payment_id,
            ledger.business_day(p.succeeded_at) as day,
            p.currency,
            p.succeeded_at as at,
            p.order_id,
            p.customer_id,
            p.received_minor as amount_minor
        from payments as p
        join order_actions as o using (order_id)
        where p.received_minor > 0
    """,
    touched=CHANGED_PAYMENTS,
    indexes=("day, currency",),
)
revenue_daily = Rollup(
    "revenue_daily",
    key=("day", "currency"),
    amounts=("revenue_minor", "captures"),
    source=captures,
    contribution="""
        select day, currency, amount_minor as revenue_minor, 1::bigint as captures from source
    """,
)
projection = Projection(
    "revenue_daily", tables=(captures, revenue_daily), reads=("payments", "orders")
)
