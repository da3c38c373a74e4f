-- Which refunds are in another currency than their payment?
-- severity: high
-- reference: refund_id
-- reads: charges payments refunds
-- sentence: Refund {refund_id} gives {refund_minor} back, but payment {payment_id} is in {payment_currency}: no figure counts it.
select
    r.refund_id,
    r.amount_minor as refund_minor,
    r.currency,
    p.payment_id,
    p.currency as payment_currency
from refunds as r
left join charges as c on c.charge_id = r.charge_id
join payments as p on p.payment_id = coalesce(c.payment_id, c.charge_id, r.payment_id)
where r.currency <> p.currency
    and r.amount_minor > 0
    and r.state not in ('failed', 'canceled')
