-- Which customers wished for something in the window, and paid for an order in it after that?
-- reads: wish_days
-- key: customer_id
select w.n, '' as currency, f.customer_id, f.day, f.at as first_wish_at, f.next_order_day
from windows as w
join wish_days as f on f.day between w.first and w.last
where
    (f.previous_day is null or f.previous_day < w.first)
    and f.next_order_day <= w.last
