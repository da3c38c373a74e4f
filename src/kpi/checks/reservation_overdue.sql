-- Which unpaid orders hold stock although their time is over?
-- severity: medium
-- reference: order_id
-- reads: orders payments
-- waits: 5 minutes, pending_payment
-- sentence: Order {order_id} holds its stock; it should have expired on {expires_at}.
select
    o.order_id,
    o.expires_at
from orders as o
where o.state = 'pending'
    and (o.reserves_stock or o.origin not in ('shop', 'import')) -- those of the past never expire
    and o.expires_at < %(now)s - %(waits)s -- the timer comes round now and then
    and (o.waiting_at is null or o.waiting_at <= %(now)s - %(pending_payment)s)
    and not exists (
        select from payments as p
        where p.order_id = o.order_id and p.received_minor > p.refunded_minor
    )
