-- Which charges took money in another currency than their payment has?
-- severity: high
-- reference: charge_id
-- reads: charges payments
-- sentence: Charge {charge_id} took {captured_minor}, but payment {payment_id} is in {payment_currency}: no figure counts it.
select
    c.charge_id,
    c.captured_minor,
    c.currency,
    p.payment_id,
    p.currency as payment_currency
from charges as c
join payments as p on p.payment_id = coalesce(c.payment_id, c.charge_id)
where c.currency <> p.currency
    and c.captured_minor > 0
    and c.state <> 'failed'
