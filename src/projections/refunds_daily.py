"""Refunds by day: what went back to customers, and what came back of that because it failed."""

from projections.engine.declare import Derived, Projection, Rollup
from projections.revenue_daily import CHANGED_PAYMENTS

# By payment the rows add up to `payments.refunded_minor`, and follow its rules: a refund counts
# where the payment's currency is its own, and a charge's cumulative figure (`stand_in`) while no
# refund is known that could be part of it. A refund that failed after it had succeeded gives back
# on the day it failed; one that never succeeded moved nothing.
refund_movements = Derived(
    "refund_movements",
    key=("payment_id", "refund_id", "kind"),
    view="""
        select
            p.payment_id,
            m.refund_id,
            m.kind,
            p.order_id,
            ledger.business_day(m.at) as day,
            p.currency,
            m.at,
            m.amount_minor
        from payments as p
        join order_actions as o using (order_id)
        cross join lateral (
            with known as (
                select x.refund_id, x.charge_id, x.state, x.amount_minor, x.refunded_at, x.failed_at
                from charges as c
                join refunds as x using (charge_id)
                where coalesce(c.payment_id, c.charge_id) = p.payment_id
                    and x.currency = p.currency
                union all
                select refund_id, charge_id, state, amount_minor, refunded_at, failed_at
                from refunds
                where payment_id = p.payment_id and charge_id is null and currency = p.currency
            )
            select refund_id, 'succeeded' as kind, refunded_at as at, amount_minor
            from known
            where refunded_at is not null
            union all
            select refund_id, 'failed', greatest(failed_at, refunded_at), -amount_minor
            from known
            where refunded_at is not null and state in ('failed', 'canceled')
            union all
            select charge_id, 'stand_in', refunded_at, refunded_minor
            from charges as c
            where coalesce(c.payment_id, c.charge_id) = p.payment_id
                and c.currency = p.currency
                and (c.state = 'captured' or not c.state_known)
                and c.refunded_minor > 0
                and not exists (select from known where charge_id is null)
                and not exists (select from refunds as x where x.charge_id = c.charge_id)
        ) as m
        where p.refunded_minor > 0 or p.refund_failed_minor > 0
    """,
    touched="""
        select payment_id, refund_id, kind
        from (changed_payments) as changed
        join refund_movements_view using (payment_id)
    """.replace("changed_payments", CHANGED_PAYMENTS),
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
            case when kind = 'failed' then -1 else 1 end::bigint as refunds
        from source
    """,
)
projection = Projection(
    "refunds_daily",
    tables=(refund_movements, refunds_daily),
    reads=("payments", "orders", "charges", "refunds"),
)
