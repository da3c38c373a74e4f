-- Which customers paid for orders in the window, for how many, of which total before refunds?
-- What banks took back counts against both on the day on which they did.
select
    c.email,
    c.orders,
    c.spent_minor,
    c.currency,
    (
        select at
        from customer_orders
        where customer = c.customer and currency = c.currency
        order by at, order_id
        limit 1
    ) as first_order_at
from (
    select
        customer,
        currency,
        (array_agg(email order by at desc, order_id desc) filter (where email is not null))[1]
            as email,
        sum(orders)::bigint as orders,
        sum(orders * o.total_minor)::bigint as spent_minor
    from order_sales as s
    join (select order_id, total_minor from orders) as o using (order_id)
    where s.kind in ('paid', 'unpaid')
        and s.customer is not null
        and s.day between %(first)s and %(last)s
        and (%(currency)s::text is null or s.currency = %(currency)s)
    group by customer, currency
) as c
order by c.currency, c.spent_minor desc, c.orders desc, c.customer
