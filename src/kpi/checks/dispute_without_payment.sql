-- Which disputes are of a payment that the log knows nothing of?
-- severity: high
-- reference: dispute_id
-- reads: charges disputes payments
-- waits: 10 minutes
-- sentence: Dispute {dispute_id} is about {dispute_minor} of {of}, of which nothing else is known: no figure counts it.
select
    d.dispute_id,
    d.amount_minor as dispute_minor,
    d.currency,
    coalesce(c.payment_id, d.charge_id, d.payment_id, 'a payment that it does not name') as of
from disputes as d
left join charges as c on c.charge_id = d.charge_id
left join payments as p on p.payment_id = coalesce(c.payment_id, d.charge_id, d.payment_id)
where p.payment_id is null
    and d.amount_minor > 0
    and d.state not in ('inquiry', 'inquiry_closed') -- takes no money
    -- the payment may be a little behind
    and d.created_at < %(now)s - %(waits)s
