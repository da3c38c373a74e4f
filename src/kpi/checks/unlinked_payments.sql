-- Which payments brought or gave back money that belongs to no order and no subscription?
-- severity: medium
-- reference: payments_id
-- reads: orders payments invoices invoice_payments subscriptions
-- waits: 10 minutes
-- sentence: {payments_count} payments ({payments_id}) belong to no known order or subscription. They keep {kept_minor}, and gave back {given_back_minor} beyond what came in. Some of them: {samples}.
with unlinked as (
    select
        p.payment_id,
        p.charge_id,
        p.currency,
        p.account,
        p.net_minor,
        p.created_at,
        coalesce(p.succeeded_at, p.created_at) as at
    from payments as p
    where p.net_minor <> 0
        -- the order or the link may be a little behind
        and coalesce(p.succeeded_at, p.created_at) < %(now)s - %(waits)s
        and not exists (select from orders as o where o.order_id = p.order_id)
),
own as (
    select payment_id, currency, net_minor, created_at, payment_id as id
    from unlinked
    union all
    select payment_id, currency, net_minor, created_at, charge_id
    from unlinked
    where charge_id <> payment_id
),
named as ( -- each by an index or a hash, which an `or` would not have
    select o.*, n.invoice_id, n.state, n.paid_minor, n.currency as told_currency
    from own as o
    join invoice_payments as n on n.payment_id = o.id
    union all
    select o.*, n.invoice_id, n.state, n.paid_minor, n.currency
    from own as o
    join invoice_payments as n on n.charge_id = o.id
    where n.charge_id <> n.payment_id
),
invoiced as ( -- only of a known subscription: any shop may have invoices made for its orders
    select
        n.payment_id,
        n.net_minor,
        n.created_at,
        i.invoice_id,
        i.paid_minor,
        case when count(n.state) > 0
            then coalesce(max(n.paid_minor) filter (where n.state = 'paid'), 0)
        end as told_minor
    from named as n
    join invoices as i on i.invoice_id = n.invoice_id
    join subscriptions as s on s.subscription_id = i.subscription_id
    where coalesce(n.told_currency, i.currency) = n.currency and i.currency = n.currency
    group by n.payment_id, n.net_minor, n.created_at, i.invoice_id, i.paid_minor
),
parts as ( -- payments that are only named share what their invoice says was paid
    select
        payment_id,
        coalesce(told_minor, greatest(0, paid_minor - coalesce(
            sum(coalesce(told_minor, greatest(net_minor, 0))) over (
                partition by invoice_id
                order by told_minor is null, created_at, payment_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ))) as minor
    from invoiced
),
placed as (
    select min(placed_at) as first_at
    from orders
    where origin = 'shop'
),
both_sides as ( -- a group instead of a join: nothing is known of how many rows there are
    select payment_id, currency, account, net_minor, at, 0::numeric as paid_minor
    from unlinked
    union all
    select payment_id, null, null, null, null, minor
    from parts
),
sums as (
    select
        payment_id,
        max(currency) as currency,
        max(account) as account,
        max(net_minor) as net_minor,
        max(at) as at,
        sum(paid_minor) as paid_minor
    from both_sides
    group by payment_id
),
held as (
    select
        s.payment_id,
        s.currency,
        s.account,
        (s.net_minor - case when s.net_minor > 0 then s.paid_minor else 0 end)::bigint as held_minor,
        case when s.at >= p.first_at then ledger.business_day(s.at) end as day
    from sums as s
    cross join placed as p
    where s.net_minor < 0 or s.net_minor > s.paid_minor
)
select
    concat_ws(' ', currency, account, coalesce(day::text, 'before the first order')) as payments_id,
    currency,
    account,
    day,
    count(*) as payments_count,
    coalesce(sum(held_minor) filter (where held_minor > 0), 0)::bigint as kept_minor,
    coalesce(-sum(held_minor) filter (where held_minor < 0), 0)::bigint as given_back_minor,
    array_to_string((array_agg(payment_id order by payment_id))[1:5], ', ') as samples
from held
group by currency, account, day
