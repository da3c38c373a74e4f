-- Which orders count as sold although their money went back in full, and no goods left?
-- severity: low
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} counts as sold, but its {refunded_minor} went back. Cancel it.
select
    order_id,
    currency,
    state,
    total_minor,
    refunded_minor,
    refunded_at
from orders
where state in ('paid', 'expired') -- paid after its time was over, that is
    and paid_at is not null
    and refund_state = 'full'
    and (waived_minor < total_minor or total_minor = 0) -- else all that was paid was too much
