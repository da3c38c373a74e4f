-- Which customers paid for a second order in the window? (that one)
-- reads: customer_orders
-- key: customer
select w.n, f.currency, f.customer, f.order_id, f.at
from windows as w
join customer_orders as f on f.day between w.first and w.last
where
    f.previous_day >= w.first
    and (f.second_previous_day is null or f.second_previous_day < w.first)
