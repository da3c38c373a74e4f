-- Which closed months did something come to since they were closed?
-- severity: low
-- reference: period_id
-- reads: postings periods
-- sentence: {late_minor} came to accounts of {period_id} or of months before since it was closed. It counts in the first open month. Where it must count in its own, `ledger books reopen {period}` and close it again.
with opening as (
    select version, (period || '-01')::date as begins
    from openings
    order by version desc
    limit 1
),
last_closed as (
    select
        period,
        version,
        date_trunc('month', (period || '-01')::date + 31)::date as until
    from periods
    where state = 'closed'
    order by period desc
    limit 1
),
known as (
    select account, currency, sum(minor) as minor
    from (
        select d.account, d.currency, d.debit_minor - d.credit_minor as minor
        from account_days as d
        cross join last_closed as c
        where d.day < c.until and d.day >= coalesce((select begins from opening), '-infinity')
        union all
        select account, currency, opening_minor
        from opening
        join opening_balances using (version)
    ) as moved
    group by account, currency
),
sealed as (
    select s.account, s.currency, s.closing_minor as minor
    from sealed_balances as s
    join last_closed using (period, version)
),
late as (
    select account, currency, coalesce(k.minor, 0) - coalesce(s.minor, 0) as minor
    from known as k
    full join sealed as s using (account, currency)
)
select
    c.period || ' ' || l.currency as period_id,
    c.period,
    c.version,
    l.currency,
    coalesce(sum(l.minor) filter (where l.minor > 0), 0)::bigint as late_minor,
    count(*) filter (where l.minor <> 0) as accounts
from late as l
cross join last_closed as c
group by c.period, c.version, l.currency
having bool_or(l.minor <> 0)
