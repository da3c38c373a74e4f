-- Which orders say that another amount was refunded than their refunds add up to?
-- severity: high
-- reference: order_id
-- reads: orders payments charges refunds
-- sentence: Order {order_id} says that {refunded_minor} went back; its refunds add up to {refunds_minor}.
with known as (
    select
        coalesce(c.payment_id, r.charge_id, r.payment_id) as payment_id,
        r.currency,
        bool_or(r.charge_id is null) as any_without_charge,
        coalesce(sum(r.amount_minor) filter (
            where r.state = 'succeeded' or not r.state_known and r.refunded_at is not null
        ), 0) as refunds_minor
    from refunds as r
    left join charges as c on c.charge_id = r.charge_id
    group by 1, 2
),
stand_ins as ( -- a charge's own figure, where none of its refunds is known
    select
        coalesce(c.payment_id, c.charge_id) as payment_id,
        c.currency,
        sum(c.refunded_minor) as refunds_minor
    from charges as c
    where (c.state = 'captured' or not c.state_known)
        and c.refunded_minor > 0
        and not exists (select from refunds as r where r.charge_id = c.charge_id)
    group by 1, 2
),
added_up as (
    select
        p.order_id,
        p.currency,
        sum(
            coalesce(k.refunds_minor, 0)
            + case when k.any_without_charge then 0 else coalesce(s.refunds_minor, 0) end
        )::bigint as refunds_minor
    from payments as p
    left join known as k on k.payment_id = p.payment_id and k.currency = p.currency
    left join stand_ins as s on s.payment_id = p.payment_id and s.currency = p.currency
    where p.order_id is not null
    group by 1, 2
)
select
    o.order_id,
    o.currency,
    o.refunded_minor,
    coalesce(a.refunds_minor, 0) as refunds_minor
from orders as o
left join added_up as a on a.order_id = o.order_id and a.currency = o.currency
where o.refunded_minor <> coalesce(a.refunds_minor, 0)
