"""Movements of monthly recurring revenue: what each customer's changes did to it, and by day.

Stripe's rule, https://docs.stripe.com/billing/subscriptions/analytics: a subscriber is a customer
with a paid subscription that is active or past due, so one whose MRR is above nothing. His first
one makes him new, a second one is expansion, the last one's end is churn, what comes after that is
reactivation: customers are told apart, not subscriptions; and per currency, as all money is. A
subscription that costs nothing counts as active and makes no subscriber: its kind is `free`.
"""

from projections.engine.declare import Derived, Projection, Rollup

MOVEMENTS = """
select
    v.subscription_id, v.version, v.customer_id, v.currency, v.at,
    ledger.business_day(v.at) as day,
    case
        when change.amount_minor = 0 then 'free'
        when customer.mrr_minor = 0 and customer.was_subscriber then 'reactivation'
        when customer.mrr_minor = 0 then 'new'
        when customer.mrr_minor + change.amount_minor = 0 then 'churned'
        when change.amount_minor > 0 then 'expansion'
        else 'contraction'
    end collate "C" as kind,
    change.amount_minor,
    change.subscriptions,
    case when customer.mrr_minor = 0 and change.amount_minor <> 0 then 1 else 0 end::bigint
        as subscribers_new,
    case
        when customer.mrr_minor > 0 and customer.mrr_minor + change.amount_minor = 0 then 1
        else 0
    end::bigint as subscribers_churned
from subscription_versions as v
left join lateral (
    select mrr_minor, active
    from subscription_versions
    where subscription_id = v.subscription_id and version < v.version
    order by version desc
    limit 1
) as before on true
cross join lateral (
    select
        v.mrr_minor - coalesce(before.mrr_minor, 0) as amount_minor,
        v.active - coalesce(before.active, 0) as subscriptions
) as change
cross join lateral (
    select
        coalesce(sum(mrr_minor) filter (where version = newest), 0)::bigint as mrr_minor,
        coalesce(bool_or(mrr_minor > 0), false) as was_subscriber
    from (
        select mrr_minor, version, max(version) over (partition by subscription_id) as newest
        from subscription_versions
        where customer_id = v.customer_id and currency = v.currency
            and (version, subscription_id) < (v.version, v.subscription_id)
    ) as earlier
) as customer
where change.amount_minor <> 0 or change.subscriptions <> 0
"""

# From the first version that changed on, all of its customer's are counted anew.
mrr_movements = Derived(
    "mrr_movements",
    key=("subscription_id", "version"),
    view=MOVEMENTS,
    touched="""
        select v.subscription_id, v.version
        from (
            select v.customer_id, v.currency, min(t.version) as version
            from (
                select subscription_id, min(version) as version
                from touched_subscription_versions
                group by subscription_id
            ) as t
            join subscription_versions as v
                on v.subscription_id = t.subscription_id and v.version >= t.version
            group by v.customer_id, v.currency
        ) as since
        join subscription_versions as v
            on v.customer_id = since.customer_id and v.currency = since.currency
                and v.version >= since.version
    """,
    indexes=("day, currency", "customer_id"),
)
mrr_daily = Rollup(
    "mrr_daily",
    key=("day", "currency"),
    amounts=(
        "mrr_minor",
        "new_minor",
        "expansion_minor",
        "contraction_minor",
        "churned_minor",
        "reactivation_minor",
        "subscriptions",
        "subscribers",
        "new_subscribers",
        "churned_subscribers",
    ),
    source=mrr_movements,
    contribution="""
        select
            day, currency,
            amount_minor as mrr_minor,
            case when kind = 'new' then amount_minor else 0 end as new_minor,
            case when kind = 'expansion' then amount_minor else 0 end as expansion_minor,
            case when kind = 'contraction' then amount_minor else 0 end as contraction_minor,
            case when kind = 'churned' then amount_minor else 0 end as churned_minor,
            case when kind = 'reactivation' then amount_minor else 0 end as reactivation_minor,
            subscriptions,
            subscribers_new - subscribers_churned as subscribers,
            subscribers_new as new_subscribers,
            subscribers_churned as churned_subscribers
        from source
    """,
)
projection = Projection(
    "mrr_movements", tables=(mrr_movements, mrr_daily), reads=("subscriptions",)
)
