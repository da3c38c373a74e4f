-- Which orders were sent out although they are not paid?
-- severity: high
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} was fulfilled; {outstanding_minor} of {total_minor} is not paid.
select
    order_id,
    currency,
    fulfilled_at,
    total_minor,
    received_minor,
    outstanding_minor
from orders
where state = 'fulfilled'
    and payment_state in ('unpaid', 'partially_paid')
