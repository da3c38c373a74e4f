-- Which customers paid in the window, with or without an order? (their first day of that in it)
-- reads: volume_daily
-- key: customer
select w.n, f.currency, f.customer, f.day, f.at
from windows as w
join paying_days as f on f.day between w.first and w.last
where f.previous_day is null or f.previous_day < w.first
