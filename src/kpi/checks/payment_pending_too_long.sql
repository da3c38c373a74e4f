-- Which unpaid orders have a payment under way of which nothing was heard for too long?
-- severity: high
-- reference: order_id
-- reads: orders
-- waits: pending_payment
-- sentence: A payment for order {order_id} is under way, and nothing was heard of it since {waiting_at}. Look at Stripe.
select
    order_id,
    currency,
    state,
    total_minor,
    waiting_at,
    expires_at
from orders
where state in ('pending', 'expired')
    and waiting_at <= %(now)s - %(pending_payment)s
    and expires_at <= %(now)s
