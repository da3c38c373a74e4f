-- Which payments are said to belong to two orders?
-- severity: medium
-- reference: payment_id
-- reads: payments charges checkouts
-- sentence: Payment {payment_id} counts for order {order_id}, by {linked_by}; {said_by} names order {other_order_id}. Unlink it, or change its metadata at Stripe.
with said as (
    select payment_id, linked_order_id as order_id, 'the shop''s link' as said_by
    from payment_reports
    union all
    select payment_id, named.order_id, 'a payment page'
    from checkouts
    cross join lateral (values (order_id), (reference)) as named (order_id)
    union all
    select coalesce(payment_id, charge_id), order_id, 'a charge''s metadata'
    from charges
)
select
    p.payment_id,
    p.order_id,
    p.linked_by,
    string_agg(distinct s.order_id, ', ' order by s.order_id) as other_order_id,
    string_agg(distinct s.said_by, ' and ' order by s.said_by) as said_by
from payments as p
join said as s using (payment_id)
where s.order_id <> p.order_id
group by p.payment_id, p.order_id, p.linked_by
