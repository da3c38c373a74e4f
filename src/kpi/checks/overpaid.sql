-- Which orders hold more of one payment than they cost?
-- severity: medium
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} costs {due_minor} and holds {held_minor}.
select
    order_id,
    currency,
    state,
    total_minor - waived_minor as due_minor, -- without what a payment page took off
    total_minor,
    net_minor as held_minor,
    payment_id
from orders
where payment_state = 'overpaid'
    and net_minor > total_minor - waived_minor
    and payment_count < 2
    and state <> 'canceled' -- there all of it is too much: paid_after_cancel
