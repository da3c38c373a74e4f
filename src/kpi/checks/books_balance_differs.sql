-- Which balances at Stripe differ from what the books have of them, as of when Stripe was asked?
-- severity: high
-- reference: balance_id
-- reads: postings periods stripe_balances transactions
-- waits: 1 hour
-- sentence: Stripe held {held_minor} ({balance_id}) at {asked_at}; the books come to {booked_minor}. Transactions are missing, or what accounts held before the first one is: `ledger stripe pull` lists all, `ledger books begin` enters the rest.
with opening as (
    select version, (period || '-01')::date as begins
    from openings
    order by version desc
    limit 1
),
told as (
    select account, currency, minor, asked_at
    from stripe_balances as s
    where asked_at <= %(now)s - %(waits)s
        and account !~ ':connect_reserved:' -- moves with no balance of the books
        and exists ( -- of an account that was never pulled, an event told the balance
            select
            from transactions as t
            where t.account is not distinct from nullif(s.owner, '')
        )
),
booked as (
    select t.account, t.currency, coalesce(sum(p.amount_minor), 0) as minor
    from told as t
    left join postings as p on p.account = t.account and p.currency = t.currency
        and p.at <= t.asked_at and p.day >= coalesce((select begins from opening), '-infinity')
    group by t.account, t.currency
),
began as (
    select account, currency, opening_minor as minor
    from opening
    join opening_balances using (version)
)
select
    concat_ws(' ', t.account, t.currency) as balance_id,
    t.currency,
    t.asked_at,
    t.minor as held_minor,
    (b.minor + coalesce(o.minor, 0))::bigint as booked_minor
from told as t
join booked as b using (account, currency)
left join began as o using (account, currency)
where t.minor <> b.minor + coalesce(o.minor, 0)
    and t.asked_at >= coalesce((select begins from opening), '-infinity')
