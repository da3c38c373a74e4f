-- Which disputes got money back in a currency in which nothing had left?
-- severity: medium
-- reference: dispute_id
-- reads: disputes
-- sentence: Dispute {dispute_id} got {back_minor} back, in a currency in which nothing had left: that is not counted as come back.
select distinct on (d.dispute_id)
    d.dispute_id,
    m.currency,
    m.amount_minor as back_minor
from disputes as d
join dispute_movements as m using (dispute_id)
where d.disputed_minor > 0
    and m.amount_minor > 0
    and m.currency <> d.currency
    and not exists (
        select from dispute_funds as f
        where f.dispute_id = d.dispute_id and f.transaction_id = m.transaction_id
    )
order by d.dispute_id, m.created_at, m.transaction_id
