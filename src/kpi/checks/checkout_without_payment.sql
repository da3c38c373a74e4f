-- Which payment pages were completed, and no payment came of it?
-- severity: high
-- reference: checkout_id
-- reads: checkouts orders payments invoices invoice_payments
-- waits: 1 hour
-- sentence: Checkout {checkout_id} of order {order_id} was completed on {completed_at}, and no payment of it is known.
select
    s.session_id as checkout_id,
    coalesce(s.order_id, s.reference) as order_id,
    s.mode,
    s.currency,
    s.total_minor,
    s.invoice_id,
    d.completed_at
from checkouts as s
cross join lateral ( -- a page that was fetched does not say when
    select coalesce(
        s.completed_at, case when s.state in ('completed', 'paid') then s.created_at end
    ) as completed_at
) as d
left join orders as o on o.order_id = coalesce(s.order_id, s.reference)
where d.completed_at < %(now)s - %(waits)s -- events come late, and in any order
    and s.state not in ('failed', 'expired')
    and not coalesce(s.nothing_due, false)
    and case
        -- a card was kept, for a payment that the shop makes itself
        when s.mode = 'setup' then o.state in ('pending', 'expired')
        else not exists (select from payments as p where p.payment_id = s.payment_id)
            and not exists (
                select from invoice_payments as i
                join payments as p on p.payment_id = i.payment_id
                where i.invoice_id = s.invoice_id
            )
            and not exists (
                select from invoice_reports as r
                join invoice_payments as i on i.invoice_id = r.invoice_id
                join payments as p on p.payment_id = i.payment_id
                where s.invoice_id is null
                    and r.subscription_id = s.subscription_id
                    and r.opens_subscription
            )
    end
