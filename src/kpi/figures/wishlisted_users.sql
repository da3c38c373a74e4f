-- Which customers put something on their wishlist in the window? (their first day of that in it)
-- reads: wish_days
-- key: customer_id
select w.n, '' as currency, f.customer_id, f.day, f.at as first_wish_at
from windows as w
join wish_days as f on f.day between w.first and w.last
where f.previous_day is null or f.previous_day < w.first
