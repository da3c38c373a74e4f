"""Payments by day: how many succeeded, and how many were over without money.

One whose money a bank takes back succeeded on its day, and on the day of that it did not any more.
"""

from projections.engine.declare import Derived, Projection, Rollup

# One that still waits for money, or whose last attempt was refused, has no outcome yet.
payment_outcomes = Derived(
    "payment_outcomes",
    key=("payment_id", "number"),
    by=("payment_id",),
    view="""
        select
            p.payment_id,
            o.number,
            ledger.business_day(o.at) as day,
            p.currency,
            o.at,
            o.succeeded,
            o.failed
        from payments as p
        cross join lateral (
            with turned as (
                select
                    row_number() over in_time as number, at,
                    case when held_minor > 0 then 1 else -1 end::bigint as turn
                from (
                    select at, kind, source_id, amount_minor,
                        sum(amount_minor) over (order by at, kind, source_id) as held_minor
                    from payment_movements
                    where payment_id = p.payment_id and kind in ('captured', 'taken_back')
                ) as so_far
                where (held_minor > 0) <> (held_minor > amount_minor)
                window in_time as (order by at, kind, source_id)
            )
            select
                number, at, turn as succeeded,
                case when number = 1 then 0 else -turn end::bigint as failed
            from turned
            union all
            select 1, p.failed_at, 0, 1
            where p.failed_at is not null and not exists (select from turned)
        ) as o
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
