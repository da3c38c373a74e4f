-- Which invoices were paid, and no payment that is known brought the money?
-- severity: medium
-- reference: invoice_id
-- reads: invoices invoice_payments charges payments uncounted_amounts
-- waits: 1 hour
-- sentence: Invoice {invoice_id} says that {paid_minor} was paid, and no payment that is known paid it: the payment is missing, or came in outside of Stripe.
select
    i.invoice_id,
    i.currency,
    i.paid_minor,
    i.subscription_id,
    i.customer_id
from invoices as i
where i.paid_minor > 0
    and coalesce(i.paid_at, i.created_at) < %(now)s - %(waits)s -- events come late, and in any order
    and not exists (
        select
        from invoice_payments as n
        left join charges as c on c.charge_id = n.payment_id -- until 2019 all that it may name
        join payments as p on p.payment_id = coalesce(c.payment_id, n.payment_id)
        where n.invoice_id = i.invoice_id and coalesce(n.state, 'paid') = 'paid'
            and p.received_minor > 0
    )
    -- what came in outside of Stripe has an issue of its own
    and not exists (
        select
        from uncounted_amounts as u
        where u.kind = 'invoice' and u.subject_id = i.invoice_id and u.amounts <> '[]'
    )
