-- Which orders hold stock although their money went back in full?
-- severity: low
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} holds its stock, but its {refunded_minor} went back; cancel it.
select
    order_id,
    currency,
    total_minor,
    refunded_minor,
    refunded_at
from orders
where state = 'paid'
    and refund_state = 'full'
