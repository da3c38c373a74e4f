-- Which clearing accounts, whose two sides should come together, are not 0 for too long?
-- severity: medium
-- reference: clearing_id
-- reads: postings periods
-- waits: 3 days
-- sentence: {clearing_id} stands at {balance_minor} since {since}: the other side did not come. A pull may bring it (`ledger stripe pull`); `ledger books account {account}` shows what is there. What has no other half, a person classifies (`ledger books classify`).
with opening as (
    select version, (period || '-01')::date as begins
    from openings
    order by version desc
    limit 1
),
moved as (
    select account, currency, day, debit_minor - credit_minor as minor
    from account_days
    where day >= coalesce((select begins from opening), '-infinity')
    union all
    select account, currency, begins - 1, opening_minor
    from opening
    join opening_balances using (version)
),
running as (
    select
        account,
        currency,
        day,
        (sum(sum(minor)) over (
            partition by account, currency order by day
        ))::bigint as balance_minor
    from moved
    -- conversions and card spending do not come to 0 in each currency
    where account ~ '(^|:)assets:clearing:(reserve|tax_fund)$' and day <= ledger.business_day(%(now)s)
    group by account, currency, day
),
counted as (
    select
        *,
        row_number() over latest_first as number,
        sum((balance_minor = 0)::int) over latest_first as zeros
    from running
    window latest_first as (partition by account, currency order by day desc)
),
held as ( -- the days since it was 0 last
    select
        account,
        currency,
        max(balance_minor) filter (where number = 1) as balance_minor,
        min(day) as since
    from counted
    where zeros = 0
    group by account, currency
)
select account || ' ' || currency as clearing_id, account, currency, balance_minor, since
from held
where since <= ledger.business_day(%(now)s - %(waits)s)
