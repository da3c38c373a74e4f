-- Which payments are in another currency than their order?
-- severity: high
-- reference: payment_id
-- reads: orders payments
-- sentence: Payment {payment_id} brought {held_minor}, but order {order_id} is in {order_currency}.
select
    p.payment_id,
    p.order_id,
    p.currency,
    o.currency as order_currency,
    p.net_minor as held_minor
from payments as p
join orders as o on o.order_id = p.order_id
where p.currency <> o.currency
    and p.net_minor > 0
