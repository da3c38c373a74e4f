-- Which payment pages were paid although the payment itself never said so?
-- severity: high
-- reference: checkout_id
-- reads: checkouts payments invoices invoice_payments
-- waits: 10 minutes
-- sentence: Checkout {checkout_id} was paid with {total_minor}, but nothing came with payment {payment_id}.
with paid as (
    select session_id, payment_id
    from checkouts
    where payment_id is not null
    union
    select s.session_id, i.payment_id -- a subscription's page has none: its invoice does
    from checkouts as s
    join invoice_payments as i on i.invoice_id = s.invoice_id
    where s.payment_id is null
    union
    select s.session_id, i.payment_id -- or the invoice that opens its subscription
    from checkouts as s
    join invoice_reports as r on r.subscription_id = s.subscription_id and r.opens_subscription
    join invoice_payments as i on i.invoice_id = r.invoice_id
    where s.payment_id is null and s.invoice_id is null
)
select
    s.session_id as checkout_id,
    max(w.payment_id) as payment_id,
    coalesce(s.order_id, s.reference) as order_id,
    s.currency,
    s.total_minor
from checkouts as s
join paid as w on w.session_id = s.session_id
left join payments as p on p.payment_id = w.payment_id
where s.state = 'paid'
    and s.total_minor > 0
    and coalesce(s.completed_at, s.created_at) < %(now)s - %(waits)s
group by s.session_id
having coalesce(sum(p.received_minor), 0) = 0
    and bool_and(coalesce(p.state, '') not in ('failed', 'canceled')) -- a bank may refuse later
