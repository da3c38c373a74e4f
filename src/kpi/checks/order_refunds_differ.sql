-- Which orders say that another amount was refunded than their refunds add up to?
-- severity: high
-- reference: order_id
-- reads: orders payments
-- sentence: Order {order_id} says that {refunded_minor} went back; its refunds add up to {refunds_minor}.
with added_up as (
    select
        p.order_id,
        p.currency,
        sum(m.amount_minor)::bigint as refunds_minor
    from payments as p
    join payment_movements as m on m.payment_id = p.payment_id
    where m.kind in ('refund_succeeded', 'refund_failed', 'refund_stand_in')
    group by p.order_id, p.currency
)
select
    o.order_id,
    o.currency,
    o.refunded_minor,
    coalesce(a.refunds_minor, 0) as refunds_minor
from orders as o
left join added_up as a on a.order_id = o.order_id and a.currency = o.currency
where o.refunded_minor <> coalesce(a.refunds_minor, 0)
