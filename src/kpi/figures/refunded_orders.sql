-- Of which orders was more refunded in the window than came back?
-- reads: refunds_daily
-- key: order_id
select w.n, f.currency, f.order_id, sum(f.amount_minor)::bigint as amount_minor
from windows as w
join refund_movements as f on f.day between w.first and w.last
group by w.n, f.currency, f.order_id
having sum(f.amount_minor) > 0
