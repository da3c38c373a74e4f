-- Which connected accounts took money for orders, or settled them for nothing, by Stripe's word alone?
-- severity: medium
-- reference: holder_id
-- reads: orders payments checkouts
-- sentence: Account {holder_id} keeps {net_minor} of {orders} orders ({samples}) which its own payments or payment pages name. They count as paid, and the money is the account's: see that it may sell for you.
with paid as (
    select p.account, p.currency, p.net_minor, p.order_id
    from payments as p
    join orders as o using (order_id)
    where p.account is not null
        and p.linked_by <> 'shop' -- what the shop links itself it has looked at
        and p.net_minor <> 0
    union all
    select s.account, o.currency, 0, o.order_id
    from checkouts as s
    join orders as o on o.order_id = coalesce(s.order_id, s.reference)
    where s.account is not null
        and s.nothing_due
        and s.state = 'paid'
)
select
    concat_ws(' ', account, currency) as holder_id,
    account,
    currency,
    sum(net_minor)::bigint as net_minor,
    count(distinct order_id) as orders,
    array_to_string((array_agg(distinct order_id order by order_id))[1:3], ', ') as samples
from paid
group by account, currency
