-- Which orders were paid in part only, and their time is over?
-- severity: medium
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} costs {due_minor}, and only {received_minor} came before its time was over.
select
    order_id,
    currency,
    state,
    total_minor - waived_minor as due_minor, -- without what a payment page took off
    total_minor,
    received_minor,
    net_minor as held_minor
from orders
where payment_state = 'partially_paid'
    and net_minor > 0
    and state in ('pending', 'expired')
    and expires_at <= %(now)s
