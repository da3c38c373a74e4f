-- Which figures of a day differ from the accounts of the books that say the same?
-- severity: high
-- reference: figure_id
-- reads: postings transactions fees_daily
-- sentence: The figure {figure_id} is {figure_minor}; the accounts of the books come to {booked_minor}. One of both is wrong: `ledger verify` says whether tables differ from the log.
with lines as ( -- as Stripe booked it: what orders, losses and persons say of it comes on top
    select
        p.day,
        p.currency,
        p.slot,
        regexp_replace(p.account, '^acct_[A-Za-z0-9]+:', '') as account,
        sum(p.amount_minor) as minor
    from postings as p
    join transactions as t using (transaction_id)
    where p.part = 'booked' and t.category is not null
    group by 1, 2, 3, 4
),
booked as (
    select l.day, l.currency, f.figure, sum(f.sign * l.minor)::bigint as minor
    from lines as l
    cross join lateral (
        values
            ('settled_gross', -1, l.slot = 2 and l.account = 'income:sales'),
            ('settled_refunds', 1, l.account = 'contra:refunds' or l.slot = 12),
            ('settled_disputes', 1, l.slot = 2 and l.account = 'assets:disputes'),
            ('fees', 1, l.slot between 6 and 11 or l.slot = 2 and l.account in (
                'expenses:stripe:software',
                'expenses:stripe:network',
                'expenses:stripe:tax_on_fees',
                'expenses:stripe:fx'
            ))
    ) as f (figure, sign, is_of_it)
    where f.is_of_it
    group by 1, 2, 3
),
shown as (
    select d.day, d.currency, f.figure, f.minor
    from fees_daily as d
    cross join lateral (
        values
            ('settled_gross', d.charged_minor),
            ('settled_refunds', d.refunded_minor),
            ('settled_disputes', d.disputed_minor),
            ('fees', d.fees_minor)
    ) as f (figure, minor)
)
select
    concat_ws(' ', figure, day, currency) as figure_id,
    currency,
    coalesce(s.minor, 0) as figure_minor,
    coalesce(b.minor, 0) as booked_minor
from booked as b
full join shown as s using (day, currency, figure)
where coalesce(s.minor, 0) <> coalesce(b.minor, 0)
    and not exists (
        select
        from transactions as t
        where t.category is null and t.currency = currency
            and ledger.business_day(t.created_at) = day
    )
