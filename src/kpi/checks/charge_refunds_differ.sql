-- Which charges report another refunded amount than their refunds allow?
-- severity: medium
-- reference: charge_id
-- reads: charges refunds
-- sentence: Charge {charge_id} reports {refunded_minor} as refunded; its refunds say {succeeded_minor}, and {other_minor} pending or failed.
with known as (
    select
        charge_id,
        currency,
        coalesce(sum(amount_minor) filter (where state = 'succeeded'), 0)::bigint
            as succeeded_minor,
        coalesce(sum(amount_minor) filter (where state <> 'succeeded'), 0)::bigint
            as other_minor,
        max(left(newest_by, 12)) as reported_at -- Stripe's time of the newest report
    from refunds
    where charge_id is not null
    group by charge_id, currency
)
select
    c.charge_id,
    c.payment_id,
    c.currency,
    c.refunded_minor,
    k.succeeded_minor,
    k.other_minor
from charges as c
join known as k on k.charge_id = c.charge_id and k.currency = c.currency
where (c.state = 'captured' or not c.state_known)
    and left(c.newest_by, 12) >= k.reported_at -- a charge's report that is older knows less
    -- Stripe counts a refund from its beginning, and may report before one that failed is taken off
    and c.refunded_minor not between k.succeeded_minor and k.succeeded_minor + k.other_minor
