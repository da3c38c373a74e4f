-- Which canceled orders hold money?
-- severity: high
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} is canceled and holds {held_minor}; it can only go back.
select
    order_id,
    currency,
    canceled_at,
    received_minor,
    refunded_minor,
    net_minor as held_minor
from orders
where state = 'canceled'
    and net_minor > 0
