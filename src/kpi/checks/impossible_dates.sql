-- Which dates cannot be: before 2010 (Stripe's first year), in the future where they tell of the past, or after 2099?
-- severity: high
-- reference: dated_id
-- reads: audit charges checkouts customers discounts disputes invoices invoice_payments payments payouts refunds subscriptions
-- waits: 1 day
-- sentence: The {dated_id} is of a day that cannot be: {dates}. Its money may stand under that day, and be missed in the figures of the right one: look it up at Stripe.
with dated (kind, object_id, date_of, at, may_lie_ahead) as (
    select 'event', object_id, 'created', effective_at, false
    from audit
    where object_kind = 'stripe'
    union all
    select 'event', object_kind || '/' || object_id, kind, effective_at, false
    from audit
    where object_kind <> 'stripe' and effective_at > %(now)s
    union all
    select 'payment', payment_id, told.date_of, told.at, false
    from payment_reports
    cross join lateral (
        values ('created', created_at), ('canceled', canceled_at)
    ) as told (date_of, at)
    union all
    select 'charge', charge_id, told.date_of, told.at, false
    from charges
    cross join lateral (
        values ('created', created_at), ('captured', captured_at)
    ) as told (date_of, at)
    union all
    select 'refund', refund_id, 'created', created_at, false
    from refund_reports
    union all
    select 'dispute', dispute_id, told.date_of, told.at, told.may_lie_ahead
    from dispute_reports
    cross join lateral (
        values ('created', created_at, false), ('evidence due', due_at, true)
    ) as told (date_of, at, may_lie_ahead)
    union all
    select 'dispute', dispute_id, 'movement ' || transaction_id, created_at, false
    from dispute_movements
    union all
    select 'checkout', session_id, 'created', created_at, false
    from checkouts
    union all
    select 'customer', customer_id, 'created', created_at, false
    from customer_reports
    union all
    select 'invoice', invoice_id, told.date_of, told.at, told.may_lie_ahead
    from invoice_reports
    cross join lateral (
        values
            ('created', created_at, false),
            ('paid', paid_at, false),
            ('period start', period_start, true),
            ('period end', period_end, true)
    ) as told (date_of, at, may_lie_ahead)
    union all
    select 'invoice', invoice_id, told.date_of || payment_id, told.at, false
    from invoice_payment_reports
    cross join lateral (
        values ('created for payment ', created_at), ('paid by payment ', paid_at)
    ) as told (date_of, at)
    union all
    select 'payout', payout_id, told.date_of, told.at, told.may_lie_ahead
    from payouts
    cross join lateral (
        values ('created', created_at, false), ('arrival', arrives_at, true)
    ) as told (date_of, at, may_lie_ahead)
    union all
    select 'subscription', subscription_id, told.date_of, told.at, told.may_lie_ahead
    from subscription_reports
    cross join lateral (
        values
            ('created', created_at, false),
            ('started', started_at, true),
            ('period start', current_period_start, true),
            ('period end', current_period_end, true),
            ('trial end', trial_end, true),
            ('cancel at', cancel_at, true),
            ('canceled', canceled_at, false),
            ('ended', ended_at, false),
            ('collection resumes', collection_resumes_at, true)
    ) as told (date_of, at, may_lie_ahead)
    union all
    select 'discount', discount_id, told.date_of, told.at, told.may_lie_ahead
    from discount_reports
    cross join lateral (
        values
            ('started', started_at, true),
            ('ends', ends_at, true),
            ('ended', ended_at, false)
    ) as told (date_of, at, may_lie_ahead)
),
impossible as (
    select distinct kind, object_id, date_of, at
    from dated
    where at < timestamptz '2010-01-01 00:00 utc'
        or at >= timestamptz '2100-01-01 00:00 utc'
        or not may_lie_ahead and at > %(now)s + %(waits)s
)
select
    concat_ws(' ', kind, object_id) as dated_id,
    kind,
    string_agg(
        date_of || ' ' || to_char(at at time zone 'utc', 'YYYY-MM-DD HH24:MI'),
        ', ' order by date_of, at
    ) as dates
from impossible
group by kind, object_id
