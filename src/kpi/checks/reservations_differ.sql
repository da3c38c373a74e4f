-- Which products hold other units than the open orders need?
-- severity: high
-- reference: sku
-- reads: orders stock
-- sentence: {held} of {sku} are held; the open orders need {needed}.
with open_orders as (
    select
        l.sku,
        sum(l.quantity)::bigint as needed
    from orders as o
    join order_lines as l on l.order_id = o.order_id
    where o.state in ('pending', 'paid')
        and o.reserves_stock -- those of the past hold nothing
    group by l.sku
)
select
    coalesce(s.sku, n.sku) as sku,
    coalesce(s.held, 0) as held,
    coalesce(n.needed, 0) as needed
from stock_levels as s
full join open_orders as n on n.sku = s.sku
where coalesce(s.held, 0) <> coalesce(n.needed, 0)
