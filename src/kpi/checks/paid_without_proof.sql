-- Which orders count as paid although no captured charge stands behind the money?
-- severity: high
-- reference: order_id
-- reads: orders payments charges
-- waits: 10 minutes
-- sentence: Order {order_id} counts {received_minor} as received; no charge proves {unproven_minor}.
with proven as (
    select
        coalesce(payment_id, charge_id) as payment_id,
        currency,
        sum(captured_minor)::bigint as captured_minor
    from charges
    where state = 'captured' or not state_known
    group by 1, 2
)
select
    o.order_id,
    o.currency,
    o.received_minor,
    sum(p.received_minor - coalesce(c.captured_minor, 0))::bigint as unproven_minor
from orders as o
join payments as p on p.order_id = o.order_id and p.currency = o.currency
left join proven as c on c.payment_id = p.payment_id and c.currency = p.currency
where p.received_minor > coalesce(c.captured_minor, 0)
    -- the charge's event may be a little behind the payment's
    and coalesce(p.succeeded_at, p.created_at) < %(now)s - %(waits)s
group by o.order_id, o.currency, o.received_minor
