"""Disputes by day: how many were opened, what banks withdrew for them and what they reinstated."""

from projections.engine.declare import Derived, Projection, Rollup
from projections.revenue_daily import CHANGED_PAYMENTS

# By dispute the rows add up to `disputes.disputed_minor`: they are its funds, movement by movement.
# A row without a transaction stands in for a movement that no report listed. An inquiry is no
# dispute.
dispute_facts = Derived(
    "dispute_facts",
    key=("payment_id", "dispute_id", "kind", "transaction_id", "at"),
    by=("payment_id",),
    view="""
        select
            p.payment_id,
            d.dispute_id,
            f.kind,
            f.transaction_id,
            p.order_id,
            ledger.business_day(f.at) as day,
            p.currency,
            f.at,
            f.disputes,
            f.amount_minor
        from payments as p
        join order_actions as o using (order_id)
        cross join lateral (
            select x.dispute_id
            from charges as c
            join disputes as x using (charge_id)
            where coalesce(c.payment_id, c.charge_id) = p.payment_id and x.currency = p.currency
            union all
            select dispute_id
            from disputes
            where payment_id = p.payment_id and charge_id is null and currency = p.currency
        ) as known
        join dispute_reports as d using (dispute_id)
        cross join lateral (
            select
                'opened' as kind, '' as transaction_id, d.created_at as at,
                1::bigint as disputes, 0::bigint as amount_minor
            where d.contested
            union all
            select kind, transaction_id, at, 0, amount_minor
            from dispute_funds
            where dispute_id = d.dispute_id
        ) as f
        where p.dispute_state is not null
    """,
    touched=CHANGED_PAYMENTS,
    indexes=("day, currency",),
)
disputes_daily = Rollup(
    "disputes_daily",
    key=("day", "currency"),
    amounts=("disputed_minor", "disputes"),
    source=dispute_facts,
    contribution="select day, currency, amount_minor as disputed_minor, disputes from source",
)
projection = Projection(
    "disputes_daily",
    tables=(dispute_facts, disputes_daily),
    reads=("payments", "orders", "charges", "disputes"),
)
