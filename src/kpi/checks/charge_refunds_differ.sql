-- Which charges report another refunded amount than their refunds allow?
-- severity: medium
-- reference: charge_id
-- reads: charges refunds payments
-- sentence: Charge {charge_id} reports {refunded_minor} as refunded; its refunds say {succeeded_minor}, and {other_minor} pending or failed.
with known as (
    select
        c.charge_id,
        coalesce(sum(r.amount_minor) filter (where r.state = 'succeeded'), 0)::bigint
            as succeeded_minor,
        coalesce(sum(r.amount_minor) filter (where r.state <> 'succeeded'), 0)::bigint
            as other_minor,
        -- a report knows the refunds that were made before it, and those that had not failed yet
        coalesce(sum(r.amount_minor) filter (
            where r.state = 'succeeded' and r.created_at < c.reported_at
        ), 0)::bigint as at_least_minor,
        coalesce(sum(r.amount_minor) filter (
            where r.created_at <= c.reported_at
                and (r.state not in ('failed', 'canceled') or r.failed_at >= c.reported_at)
        ), 0)::bigint as at_most_minor
    from refunds as r
    join charges as c on c.charge_id = r.charge_id and c.currency = r.currency
    where c.state = 'captured' or not c.state_known
    group by c.charge_id
)
select
    c.charge_id,
    c.payment_id,
    c.currency,
    c.refunded_minor,
    k.succeeded_minor,
    k.other_minor
from known as k
join charges as c on c.charge_id = k.charge_id
left join payment_reports as i on i.payment_id = c.payment_id and i.currency = c.currency
cross join lateral (
    -- until 2020 a charge says of a hold that was taken in part that it was taken as a whole, and
    -- that the rest was refunded; how much was taken only its payment says
    select greatest(c.captured_minor - coalesce(nullif(i.received_minor, 0), c.captured_minor), 0)
        as let_go_minor
) as l
where c.refunded_minor not between k.at_least_minor and k.at_most_minor + l.let_go_minor
