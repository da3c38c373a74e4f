-- Which payment pages were paid although the payment itself never said so?
-- severity: high
-- reference: checkout_id
-- reads: checkouts payments
-- sentence: Checkout {checkout_id} was paid with {total_minor}, but nothing came with payment {payment_id}.
select
    s.session_id as checkout_id,
    s.payment_id,
    coalesce(s.order_id, s.reference) as order_id,
    s.currency,
    s.total_minor
from checkouts as s
left join payments as p on p.payment_id = s.payment_id
where s.state = 'paid'
    and s.total_minor > 0
    and s.payment_id is not null -- a subscription's page has none
    and coalesce(p.received_minor, 0) = 0
    and coalesce(p.state, '') not in ('failed', 'canceled') -- a bank may refuse later
    and s.created_at < %(now)s - interval '10 minutes'
