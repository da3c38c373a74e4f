"""Movements of monthly recurring revenue: what each customer's changes did to it, and by day.

Stripe's rule, https://docs.stripe.com/billing/subscriptions/analytics: a subscriber is a customer
with a paid subscription that is active or past due, so one whose MRR is above nothing, or not
known. His first one makes him new, a second one is expansion, the last one's end is churn, what
comes after that is reactivation: customers are told apart, not subscriptions; and per currency, as
all money is. A subscription that changes its customer or currency leaves the one and comes to the
other.

Three kinds move no money: `free` is a subscription that costs nothing, which counts as active and
makes no subscriber; `scheduled` one whose end had been asked for before; `unknown` says that more
or less of the same MRR is known. What becomes known later is counted where it belongs, from the
first report on that it is about: the movements from there are made again.
"""

from projections.engine.declare import Derived, Projection, Rollup

# What a subscription had been to its customer in its currency, from when it is another one's.
subscription_departures = Derived(
    "subscription_departures",
    key=("subscription_id", "at"),
    by=("subscription_id",),
    view="""
        select v.subscription_id, v.at, before.customer_id, before.currency
        from subscription_versions as v
        cross join lateral (
            select customer_id, currency
            from subscription_versions
            where subscription_id = v.subscription_id and at < v.at
            order by at desc
            limit 1
        ) as before
        where (before.customer_id, before.currency) <> (v.customer_id, v.currency)
    """,
    touched="select subscription_id from touched_subscription_versions",
    indexes=("customer_id, currency, at, subscription_id",),
)

_STANDINGS = """(
    select subscription_id, at, customer_id, currency, mrr_minor, active, uncounted, pays, ends
    from subscription_versions
    union all
    select subscription_id, at, customer_id, currency, 0, 0, 0, false, false
    from subscription_departures
)"""
"""What each subscription is from a time on to a customer in a currency."""

# Of one second what begins comes first, so that a change of plans is no churn.
MOVEMENTS = """
select
    v.subscription_id, v.at, v.customer_id, v.currency,
    ledger.business_day(v.at) as day,
    case
        when change.amount_minor = 0 and change.paying = 0 then
            case
                when change.subscriptions = 0 then 'unknown'
                when before.ends or v.ends and change.subscriptions > 0 then 'scheduled'
                else 'free'
            end
        when customer.paying = 0 and customer.was_subscriber then 'reactivation'
        when customer.paying = 0 then 'new'
        when customer.paying + change.paying = 0 then 'churned'
        when change.amount_minor > 0 or change.amount_minor = 0 and change.paying > 0
        then 'expansion'
        else 'contraction'
    end collate "C" as kind,
    change.amount_minor,
    change.subscriptions,
    change.uncounted,
    (customer.paying = 0 and change.paying > 0)::integer::bigint as subscribers_new,
    (customer.paying > 0 and customer.paying + change.paying = 0)::integer::bigint
        as subscribers_churned
from (standings) as v
left join lateral (
    select mrr_minor, active, uncounted, pays, ends
    from (standings) as earlier
    where subscription_id = v.subscription_id and at < v.at
        and customer_id = v.customer_id and currency = v.currency
    order by at desc
    limit 1
) as before on true
cross join lateral (
    select
        v.mrr_minor - coalesce(before.mrr_minor, 0) as amount_minor,
        v.active - coalesce(before.active, 0) as subscriptions,
        v.uncounted - coalesce(before.uncounted, 0) as uncounted,
        v.pays::integer - coalesce(before.pays, false)::integer as paying
) as change
cross join lateral (
    select
        count(*) filter (where pays and at = newest) as paying,
        coalesce(bool_or(pays), false) as was_subscriber
    from (
        select pays, at, max(at) over (partition by subscription_id) as newest
        from (standings) as theirs
        where customer_id = v.customer_id and currency = v.currency
            and (at, not pays, subscription_id) < (v.at, not v.pays, v.subscription_id)
    ) as earlier
) as customer
where change.amount_minor <> 0 or change.subscriptions <> 0 or change.uncounted <> 0
    or change.paying <> 0
""".replace("(standings)", _STANDINGS)

# From the first version that changed on, all of its customer's are counted again.
mrr_movements = Derived(
    "mrr_movements",
    key=("subscription_id", "at", "customer_id", "currency"),
    by=("subscription_id", "at"),
    view=MOVEMENTS,
    touched="""
        select v.subscription_id, v.at
        from (
            select v.customer_id, v.currency, min(v.at) as at
            from (select distinct subscription_id from touched_subscription_versions) as t
            join (standings) as v using (subscription_id)
            group by v.customer_id, v.currency
        ) as since
        join (standings) as v
            on v.customer_id = since.customer_id and v.currency = since.currency
                and v.at >= since.at
    """.replace("(standings)", _STANDINGS),
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
        "uncounted",
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
            uncounted,
            subscribers_new - subscribers_churned as subscribers,
            subscribers_new as new_subscribers,
            subscribers_churned as churned_subscribers
        from source
    """,
)
projection = Projection(
    "mrr_movements",
    tables=(subscription_departures, mrr_movements, mrr_daily),
    reads=("subscriptions",),
)
