-- Which amounts that Stripe tells are in no figure?
-- severity: medium
-- reference: amount_id
-- reads: uncounted_amounts
-- sentence: No figure counts {amount_id}: {sum_minor} as `{part}` of {objects} objects ({samples}). By field, in minor units: {fields}.
with told as (
    select u.kind, u.subject_id, u.account, u.first_at, a.part, a.currency, a.amount_minor
    from uncounted_amounts as u
    cross join lateral jsonb_to_recordset(u.amounts) as a (
        part text,
        currency text,
        amount_minor bigint
    )
),
by_part as (
    select
        kind,
        currency,
        account,
        part,
        coalesce(sum(amount_minor), 0)::bigint as sum_minor,
        count(*) as amounts,
        count(*) filter (where amount_minor is null) as unreadable,
        row_number() over (
            partition by kind, currency, account
            order by length(part) - length(replace(part, '.', '')), part
        ) as place
    from told
    group by kind, currency, account, part
),
by_kind as (
    select
        kind,
        currency,
        account,
        min(sum_minor) filter (where place = 1) as sum_minor,
        min(part) filter (where place = 1) as part,
        sum(amounts)::bigint as amounts,
        string_agg(
            case
                when place > 12 then '…'
                when unreadable = 0 then part || ' ' || sum_minor
                else part || ' ' || sum_minor || ' and ' || unreadable || ' that cannot be read'
            end,
            ', ' order by place
        ) filter (where place <= 13) as fields
    from by_part
    group by kind, currency, account
),
by_object as (
    select kind, subject_id, currency, account, min(first_at) as first_at
    from told
    group by kind, subject_id, currency, account
),
objects as (
    select
        kind,
        currency,
        account,
        count(*) as objects,
        min(first_at) as first_at,
        array_to_string((array_agg(subject_id order by first_at, subject_id))[1:3], ', ') as samples
    from by_object
    group by kind, currency, account
)
select
    concat_ws(' ', k.kind, nullif(k.currency, ''), k.account) as amount_id,
    k.kind,
    k.part,
    case when k.currency = '' then 'unknown' else k.currency end as currency,
    k.account,
    k.sum_minor,
    k.amounts,
    k.fields,
    o.objects,
    o.first_at,
    o.samples
from by_kind as k
join objects as o
    on o.kind = k.kind
    and o.currency = k.currency
    and o.account is not distinct from k.account
