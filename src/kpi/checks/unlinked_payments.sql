-- Which payments brought or gave back money that belongs to no order?
-- severity: medium
-- reference: payment_id
-- reads: orders payments invoice_payments
-- sentence: Payment {payment_id} keeps {held_minor} of no order that is known (it names {order_id}).
with invoiced (id) as ( -- a subscription's payments belong to its invoices
    select payment_id
    from invoice_payments
    union all
    select charge_id
    from invoice_payments
)
select
    p.payment_id,
    p.order_id,
    p.currency,
    p.net_minor as held_minor,
    p.customer_id
from payments as p
left join orders as o on o.order_id = p.order_id
where o.order_id is null
    and p.net_minor <> 0
    and not exists (select from invoiced where id = p.payment_id)
    and not exists (select from invoiced where id = p.charge_id)
    -- the order or the link may be a little behind
    and coalesce(p.succeeded_at, p.created_at) < %(now)s - interval '10 minutes'
