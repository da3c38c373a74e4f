-- Which subscriptions have two updates of one second that say different things, and none since?
-- severity: medium
-- reference: subscription_id
-- reads: subscriptions
-- sentence: Stripe reported {reports} different things of subscription {subscription_id} in the second {at} (events {events}): which of them was the last is not known until it is reported again.
with reports as (
    select
        subscription_id,
        at,
        place,
        max(place) over (partition by subscription_id) as last_place,
        substr(version, 19) as event_id,
        row(
            items, discount_ids, cancel_at_period_end, cancel_at, collection_paused, currency,
            customer_id
        )::text as said
    from subscription_reports
    -- second, step in it and rank; the event's id follows
    cross join lateral (select left(version, 17) as place) as p
)
select
    subscription_id,
    at,
    count(distinct said) as reports,
    string_agg(event_id, ', ' order by event_id) as events
from reports
where place = last_place
group by subscription_id, at
having count(distinct said) > 1
