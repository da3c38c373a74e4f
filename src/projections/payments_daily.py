"""Payments by day: how many succeeded, and how many were over without money."""

from projections.engine.declare import Derived, Projection, Rollup

# One that still waits for money, or whose last attempt was refused, has no outcome yet.
payment_outcomes = Derived(
    "payment_outcomes",
    key=("payment_id",),
    view="""
        select
            p.payment_id,
            ledger.business_day(outcome.at) as day,
            p.currency,
            outcome.at,
            case when p.failed_at is null then 1 else 0 end::bigint as succeeded,
            case when p.failed_at is null then 0 else 1 end::bigint as failed
        from payments as p
        cross join lateral (
            select case when p.received_minor > 0 then p.succeeded_at else p.failed_at end as at
        ) as outcome
        where outcome.at is not null
    """,
    touched="select payment_id from touched_payments",
    indexes=("day, currency",),
)
payments_daily = Rollup(
    "payments_daily",
    key=("day", "currency"),
    amounts=("succeeded", "failed"),
    source=payment_outcomes,
    contribution="select day, currency, succeeded, failed from source",
)
projection = Projection(
    "payments_daily", tables=(payment_outcomes, payments_daily), reads=("payments",)
)
