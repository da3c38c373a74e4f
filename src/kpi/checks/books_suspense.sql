-- Which balance transactions wait in suspense for a person to say what they were for?
-- severity: medium
-- reference: suspense_id
-- reads: postings transactions periods
-- sentence: {held_minor} stand in suspense ({suspense_id}). Transactions: {transactions_count}. Say what they were for, as `ledger books classify {samples} --account expenses:misc` with a reason, or all that a rule finds: `ledger books classify --kind {kind} --currency {currency}`.
with opening as (
    select (period || '-01')::date as begins
    from openings
    order by version desc
    limit 1
),
begun as ( -- before a month was ever closed, years of months wait for the same decision
    select exists (select from periods) or exists (select from openings) as are_begun
),
accounts as (
    select distinct account
    from account_days
    where account ~ '(^|:)suspense:'
),
held as (
    select transaction_id, -sum(amount_minor)::bigint as held_minor
    from postings
    where account in (select account from accounts)
        and day >= coalesce((select begins from opening), '-infinity')
    group by transaction_id
    having sum(amount_minor) <> 0
),
named as (
    select
        case
            when b.are_begun then to_char(ledger.business_day(t.created_at), 'YYYY-MM')
        end as month,
        coalesce(t.category, t.type) as kind,
        t.currency,
        t.account,
        t.transaction_id,
        h.held_minor
    from held as h
    join transactions as t using (transaction_id)
    cross join begun as b
)
select
    concat_ws(' ', month, kind, currency, account) as suspense_id,
    month,
    kind,
    currency,
    account,
    count(*) as transactions_count,
    sum(held_minor)::bigint as held_minor,
    array_to_string((array_agg(transaction_id order by transaction_id))[1:5], ' ') as samples
from named
group by month, kind, currency, account
