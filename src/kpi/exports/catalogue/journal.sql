-- Which postings were made in these months, as they are known now, the earliest first?
select
    p.day,
    p.transaction_id || '/' || p.part as entry_id,
    p.transaction_id,
    p.part,
    p.account,
    greatest(p.amount_minor, 0) as debit_minor,
    greatest(-p.amount_minor, 0) as credit_minor,
    p.currency,
    t.category,
    t.type,
    t.source_id,
    y.order_id,
    p.at
from postings as p
join transactions as t using (transaction_id)
left join charges as c on c.charge_id = t.source_id
left join refunds as r on r.refund_id = t.source_id
left join disputes as d on d.dispute_id = t.source_id
left join charges as of_refund on of_refund.charge_id = coalesce(r.charge_id, d.charge_id)
left join payments as y on y.payment_id = coalesce(
    c.payment_id, c.charge_id, of_refund.payment_id, of_refund.charge_id, r.payment_id, d.payment_id
)
where p.day between %(first)s and %(last)s
    and (%(currency)s::text is null or p.currency = %(currency)s)
order by p.day, p.at, p.transaction_id, p.part, p.slot
