-- Which orders were paid after they had expired, and have no goods?
-- severity: high
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} was paid on {paid_at}, after it had expired, and its goods are gone.
select
    order_id,
    currency,
    total_minor,
    expired_at,
    paid_at,
    net_minor as held_minor
from orders
where unallocated
