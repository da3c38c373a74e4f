-- Which customers paid for orders in the window, for how many, of which total before refunds?
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
        count(*) as orders,
        sum(total_minor)::bigint as spent_minor
    from customer_orders
    where day between %(first)s and %(last)s
        and (%(currency)s::text is null or currency = %(currency)s)
    group by customer, currency
) as c
order by c.currency, c.spent_minor desc, c.orders desc, c.customer
