-- Which customers paid for their first order ever in the window?
-- reads: customer_orders
-- key: customer
select w.n, f.currency, f.customer, f.order_id, f.at
from windows as w
join customer_orders as f on f.day between w.first and w.last
where f.previous_day is null
