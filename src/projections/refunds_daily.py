"""Refunds by day: what went back to customers, and what came back of that because it failed."""

from projections.engine.declare import Derived, Projection, Rollup
from projections.revenue_daily import CHANGED_PAYMENTS

# By payment the rows add up to `payments.refunded_minor`: they are its movements (see
# `payment_movements`). A refund that failed after it had succeeded gives back on the day it failed;
# one that never succeeded moved nothing. What a charge's total tells of unknown refunds stands in
# for them (`stand_in`).
refund_movements = Derived(
    "refund_movements",
    key=("payment_id", "refund_id", "kind", "at"),
    by=("payment_id",),
    view="""
        select
            p.payment_id,
            m.source_id as refund_id,
            substr(m.kind, 8) as kind,
            p.order_id,
            ledger.business_day(m.at) as day,
            p.currency,
            m.at,
            m.amount_minor
        from payments as p
        join order_actions as o using (order_id)
        join payment_movements as m using (payment_id)
        where m.kind in ('refund_succeeded', 'refund_failed', 'refund_stand_in')
    """,
    touched=CHANGED_PAYMENTS,
    indexes=("day, currency",),
)
refunds_daily = Rollup(
    "refunds_daily",
    key=("day", "currency"),
    amounts=("refunded_minor", "refunds"),
    source=refund_movements,
    contribution="""
        select
            day,
            currency,
            amount_minor as refunded_minor,
            sign(amount_minor)::bigint as refunds
        from source
    """,
)
projection = Projection(
    "refunds_daily",
    tables=(refund_movements, refunds_daily),
    reads=("payments", "orders"),
)
