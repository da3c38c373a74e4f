-- Which invoices have more payments than are known, because Stripe cut their list short?
-- severity: low
-- reference: invoice_id
-- reads: invoices
-- sentence: Invoice {invoice_id} has {payments} payments, of which {known} are known.
select
    i.invoice_id,
    i.payments,
    count(p.payment_id) as known
from invoices as i
left join invoice_payments as p using (invoice_id)
group by i.invoice_id, i.payments
having i.payments > count(p.payment_id)
