-- Which clearing accounts, whose two sides should come together, are not 0 for too long?
-- severity: medium
-- reference: clearing_id
-- reads: postings
-- waits: 3 days
-- sentence: {clearing_id} stands at {balance_minor} since {since}: the other side did not come. A pull may bring it (`ledger stripe pull`); `ledger books account {account}` shows what is there.
with running as (
    select
        account,
        currency,
        day,
        (sum(sum(debit_minor - credit_minor)) over (
            partition by account, currency order by day
        ))::bigint as balance_minor
    from account_days
    -- conversions and card spending do not come to 0 in each currency
    where account ~ '(^|:)assets:clearing:(reserve|tax_fund)$' and day <= ledger.business_day(%(now)s)
    group by account, currency, day
),
latest as (
    select distinct on (account, currency) account, currency, balance_minor
    from running
    order by account, currency, day desc
),
held as (
    select
        l.*,
        (
            select min(r.day)
            from running as r
            where r.account = l.account and r.currency = l.currency and r.day > coalesce(
                (
                    select max(z.day)
                    from running as z
                    where z.account = l.account and z.currency = l.currency and z.balance_minor = 0
                ),
                '-infinity'
            )
        ) as since
    from latest as l
    where l.balance_minor <> 0
)
select account || ' ' || currency as clearing_id, account, currency, balance_minor, since
from held
where since <= ledger.business_day(%(now)s - %(waits)s)
