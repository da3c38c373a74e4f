-- Which refunds are of a payment that the log knows nothing of?
-- severity: high
-- reference: refund_id
-- reads: charges payments refunds
-- waits: 10 minutes
-- sentence: Refund {refund_id} gives {refund_minor} back of {of}, of which nothing else is known: no figure counts it.
select
    r.refund_id,
    r.amount_minor as refund_minor,
    r.currency,
    coalesce(c.payment_id, r.charge_id, r.payment_id, 'a payment that it does not name') as of
from refunds as r
left join charges as c on c.charge_id = r.charge_id
left join payments as p on p.payment_id = coalesce(c.payment_id, r.charge_id, r.payment_id)
where p.payment_id is null
    and r.amount_minor > 0
    and r.state not in ('failed', 'canceled')
    -- the payment may be a little behind
    and r.created_at < %(now)s - %(waits)s
