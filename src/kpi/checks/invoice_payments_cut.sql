-- Which invoices have more payments than are known, because Stripe cut their list short?
-- severity: low
-- reference: invoice_id
-- reads: invoices invoice_payments
-- sentence: Invoice {invoice_id} has {payment_count} payments, of which {known} are known.
select
    i.invoice_id,
    i.payment_count,
    count(p.payment_id) as known
from invoices as i
left join invoice_payments as p using (invoice_id)
group by i.invoice_id, i.payment_count
having i.payment_count > count(p.payment_id)
