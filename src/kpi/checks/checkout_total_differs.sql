-- Which payment pages asked for another amount than their order costs?
-- severity: medium
-- reference: checkout_id
-- reads: checkouts orders
-- sentence: Checkout {checkout_id} came to {asked_minor}, but order {order_id} costs {total_minor}.
with done as (
    select
        s.session_id,
        s.currency,
        s.total_minor,
        s.discount_minor,
        coalesce(s.order_id, s.reference) as order_id,
        sum(s.total_minor) over (partition by coalesce(s.order_id, s.reference), s.currency)
            as all_minor -- an order may be paid on several pages
    from checkouts as s
    where s.state in ('completed', 'paid')
        and coalesce(s.mode, '') <> 'setup'
)
select
    d.session_id as checkout_id,
    d.order_id,
    coalesce(d.currency, o.currency) as currency,
    coalesce(d.total_minor, 0) as asked_minor,
    d.discount_minor,
    o.total_minor,
    o.currency as total_currency
from done as d
join orders as o on o.order_id = d.order_id
where (d.total_minor, d.currency) is distinct from (o.total_minor, o.currency)
    and (
        o.waived_minor > 0 -- what pages took off is no part of it that another one asks for
        or (d.all_minor, d.currency) is distinct from (o.total_minor, o.currency)
    )
