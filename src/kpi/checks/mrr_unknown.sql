-- Which things are not known that would have to be, to count the MRR of all subscriptions?
-- severity: medium
-- reference: cause_id
-- reads: subscriptions
-- sentence: MRR leaves out what is not known of {cause_id}: {subscriptions} active subscriptions, such as {examples}.
with unknown (cause_id, subscription_id) as (
    select
        case when starts_with(cause, 'discount/') then 'discount' else cause end,
        subscription_id
    from subscription_versions as v
    cross join lateral jsonb_array_elements_text(v.unknown) as u (cause)
    where v.uncounted = 1
        and v.at = (
            select max(at)
            from subscription_versions
            where subscription_id = v.subscription_id
        )
)
select
    cause_id,
    count(distinct subscription_id) as subscriptions,
    array_to_string((array_agg(distinct subscription_id order by subscription_id))[:5], ', ')
        as examples
from unknown
group by cause_id
