-- Which disputes are in another currency than their payment?
-- severity: high
-- reference: dispute_id
-- reads: charges disputes payments
-- sentence: Dispute {dispute_id} is about {dispute_minor}, but payment {payment_id} is in {payment_currency}: no figure counts it.
select
    d.dispute_id,
    d.amount_minor as dispute_minor,
    d.currency,
    p.payment_id,
    p.currency as payment_currency
from disputes as d
left join charges as c on c.charge_id = d.charge_id
join payments as p on p.payment_id = coalesce(c.payment_id, c.charge_id, d.payment_id)
where d.currency <> p.currency
    and d.amount_minor > 0
    and d.state not in ('inquiry', 'inquiry_closed') -- takes no money
