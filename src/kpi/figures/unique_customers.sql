-- Which customers paid for an order in the window? (their first one in it)
-- reads: customer_orders
-- key: customer
select w.n, f.currency, f.customer, f.order_id, f.at
from windows as w
join customer_orders as f on f.day between w.first and w.last
where f.previous_day is null or f.previous_day < w.first
