-- Which orders were sent out after their money had gone back?
-- severity: high
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} was fulfilled on {fulfilled_at}; its {refunded_minor} had gone back on {refunded_at}.
select
    order_id,
    currency,
    refunded_minor,
    refunded_at,
    fulfilled_at
from orders
where state = 'fulfilled'
    and refund_state = 'full'
    and (waived_minor < total_minor or total_minor = 0) -- else all that was paid was too much
    and refunded_at < fulfilled_at
