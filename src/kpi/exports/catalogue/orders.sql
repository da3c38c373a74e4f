-- Which orders became fully paid in the window, and what was given back of them to date?
select
    o.order_id,
    s.email,
    o.total_minor,
    o.state,
    o.placed_at,
    o.refund_state,
    o.refunded_minor,
    o.refunded_at,
    o.currency,
    s.at as paid_at,
    o.payment_id
from order_sales as s
join orders as o using (order_id)
where s.kind = 'paid'
    and s.period = 1
    and s.day between %(first)s and %(last)s
    and (%(currency)s::text is null or o.currency = %(currency)s)
    and (%(state)s::text is null or o.state = %(state)s)
    and (%(refund_state)s::text is null or o.refund_state = %(refund_state)s)
    and (%(dispute_state)s::text is null or o.dispute_state = %(dispute_state)s)
    and (%(customer_id)s::text is null or o.customer_id = %(customer_id)s)
    and (%(email)s::text is null or s.email = %(email)s)
order by s.at desc, s.order_id desc
