-- Which paid purchases can become no order?
-- severity: high
-- reference: purchase_id
-- reads: purchases
-- sentence: No order can be made of the {kind} {purchase_id} over {total_minor}: {refused_because} Mend that at Stripe, or place the order by hand and link its payment (ledger order link): the issue is resolved then.
select
    w.purchase_id,
    w.kind,
    p.sale ->> 'currency' as currency,
    (p.sale ->> 'total_minor')::bigint as total_minor,
    w.names as order_id,
    p.refused_because
from waiting_purchases as w
join purchases as p using (purchase_id)
where p.refused_because is not null
