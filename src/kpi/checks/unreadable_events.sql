-- Which of Stripe's events could not be read?
-- severity: medium
-- reference: cause_id
-- reads: audit
-- sentence: Events that cannot be read ({cause_id}), {events} in number: {cause}. Such as {samples}, first at position {first_position}.
with told as (
    select
        position,
        event_id,
        type,
        cause,
        md5(regexp_replace(cause, '[0-9]+', 'n', 'g')) as alike -- but for where in the text it is
    from unreadable_events
)
select
    concat_ws(' ', type, left(alike, 8)) as cause_id,
    type,
    min(cause) as cause,
    count(*) as events,
    min(position) as first_position,
    array_to_string((array_agg(event_id order by position))[:3], ', ') as samples
from told
group by type, alike
