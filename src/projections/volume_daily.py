"""Volume by day: what all payments brought in and gave back, whether or not orders know them.

These are the movements that the facts of orders are made of (`captures`, `refund_movements`,
`dispute_facts`), without asking for an order, and each in its own currency: what a report says of
a payment that nothing else is known of, or in another currency than its payment, counts too.
"""

from projections.engine.declare import Derived, Projection, Rollup
from projections.refunds import refunds_of

# A customer is one of Stripe's or, where a payment names none, an e-mail address at its account:
# accounts share no customers.
#
# What a bank took back of a debit leaves `gross_minor` on the day on which it did (decision 34).
VOLUME_MOVEMENTS = """
select
    r.payment_id,
    m.kind,
    m.source_id,
    m.transaction_id,
    ledger.business_day(m.at) as day,
    m.currency,
    m.at,
    coalesce(p.customer_id, lower(p.email) || coalesce('@' || p.account, '')) as customer,
    case when m.kind in ('captured', 'taken_back') then m.amount_minor else 0 end as gross_minor,
    case when m.kind = 'taken_back' then -m.amount_minor else 0 end as bounced_minor,
    case when m.kind like 'refund%' then m.amount_minor else 0 end as refunded_minor,
    case when m.kind in ('withdrawn', 'reinstated') then m.amount_minor else 0 end
        as disputed_minor,
    case when m.kind = 'opened' then 1::bigint else 0 end as disputes
from payment_reports as r
left join payments as p using (payment_id)
cross join lateral (
    select kind, source_id, '' as transaction_id, at, currency, amount_minor
    from payment_movements
    where payment_id = r.payment_id
    union all
    select b.kind, x.refund_id, '', b.at, x.currency, b.amount_minor
    from (refunds_of(r)) as x
    cross join lateral (
        select 'refund_succeeded' as kind, x.refunded_at as at, x.amount_minor
        union all
        select 'refund_failed', greatest(x.failed_at, x.refunded_at), -x.amount_minor
        where x.has_failed
    ) as b
    where x.refunded_at is not null and x.currency is distinct from p.currency
        and x.amount_minor <> 0
    union all
    select f.kind, d.dispute_id, f.transaction_id, f.at, d.currency, f.amount_minor
    from (
        select x.dispute_id
        from charges as c
        join disputes as x using (charge_id)
        where coalesce(c.payment_id, c.charge_id) = r.payment_id
        union all
        select dispute_id
        from disputes
        where payment_id = r.payment_id and charge_id is null
    ) as known
    join dispute_reports as d using (dispute_id)
    cross join lateral (
        select 'opened' as kind, '' as transaction_id, d.created_at as at, 0::bigint as amount_minor
        where d.contested
        union all
        select kind, transaction_id, at, amount_minor
        from dispute_funds
        where dispute_id = d.dispute_id
    ) as f
) as m
""".replace("refunds_of(r)", refunds_of("r.payment_id"))

volume_movements = Derived(
    "volume_movements",
    key=("payment_id", "kind", "source_id", "transaction_id", "at"),
    by=("payment_id",),
    view=VOLUME_MOVEMENTS,
    touched="select payment_id from touched_payments",
    indexes=("day, currency", "customer, currency, day"),
)
volume_daily = Rollup(
    "volume_daily",
    key=("day", "currency"),
    amounts=(
        "gross_minor",
        "bounced_minor",
        "refunded_minor",
        "disputed_minor",
        "disputes",
        "customers_minor",
    ),
    source=volume_movements,
    contribution="""
        select
            day, currency, gross_minor, bounced_minor, refunded_minor, disputed_minor, disputes,
            case when customer is not null then gross_minor else 0 end as customers_minor
        from source
    """,
)
# As with wishes (`wish_days`), distinct customers of any window are counted row by row: at the
# first day in it on which they paid, whose `previous_day` is null or before it.
paying_days = Derived(
    "paying_days",
    key=("customer", "currency", "day"),
    view="""
        select
            d.customer, d.currency, d.day, d.at,
            (
                select max(day)
                from volume_movements
                where customer = d.customer and currency = d.currency and day < d.day
                    and kind = 'captured'
            ) as previous_day
        from (
            select customer, currency, day, min(at) as at
            from volume_movements
            where kind = 'captured' and customer is not null
            group by customer, currency, day
        ) as d
    """,
    touched="""
        with changed as (
            select distinct v.customer, v.currency, v.day
            from touched_volume_movements
            join volume_movements as v using (payment_id)
            where v.kind = 'captured' and v.customer is not null
        )
        select customer, currency, day
        from changed
        union
        select c.customer, c.currency, later.day
        from changed as c
        cross join lateral (
            select min(day) as day
            from volume_movements
            where customer = c.customer and currency = c.currency and day > c.day
                and kind = 'captured'
        ) as later
        where later.day is not null
    """,
    indexes=("day, previous_day",),
)
projection = Projection(
    "volume_daily",
    tables=(volume_movements, volume_daily, paying_days),
    reads=("payments", "charges", "refunds", "disputes"),
)
