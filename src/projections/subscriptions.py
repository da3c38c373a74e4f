"""Subscriptions: what customers pay for again and again, and what that is a month.

Monthly recurring revenue by Stripe's rule: that of active and past due subscriptions, by the list
(`ledger.domain.mrr`), less what coupons that last forever take off, rounded once, half to even.
https://support.stripe.com/questions/billing-analytics. A discount of a customer, rather than of
his subscription, and what a coupon may say of single products stay out: reports do not tell.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import SubscriptionFact
from ledger.domain.facts import Moment
from projections.discounts import Duration
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
)
from projections.engine.row import Currency, Part, Row, states

SubscriptionState = TypeAliasType("SubscriptionState", Annotated[str, states(SubscriptionFact)])


class Subscription(Row):
    """What a customer pays for again and again."""

    subscription_id: str
    state: SubscriptionState
    state_known: bool
    """Whether this version knows what the state means: it may be a new word of Stripe's."""
    customer_id: str
    currency: Currency
    mrr_minor: int
    """What it brings in a month, by Stripe's rule."""
    cancel_at_period_end: bool
    current_period_start: datetime | None
    current_period_end: datetime | None
    trial_end: datetime | None
    started_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    account: str | None
    """The connected account that it belongs to; null for Stripe's own of the shop."""
    created_at: datetime


class SubscriptionItem(Row):
    """One price of a subscription, and how many units of it."""

    item_id: str | None
    price_id: str | None
    product_id: str | None
    quantity: int | None
    unit_amount: str | None
    """A decimal number of minor units; null for a price in tiers."""
    interval: str
    interval_count: int
    metered: bool


class AppliedDiscount(Row):
    """A discount of a subscription; they are taken off in the order in which they stand."""

    discount_id: str
    coupon_id: str | None
    duration: Duration | None
    percent_off: str | None
    """A decimal number, of a hundred."""
    amount_off_minor: int | None
    """Off each invoice, in `currency`."""
    currency: Currency | None


# Every report is a version of its own, in Stripe's order, whenever it arrives.
subscription_reports = Mirror(
    "subscription_reports",
    subscription_id=key(),
    version=key(),
    state=known("text"),
    state_known=known("boolean"),
    customer_id=known("text"),
    currency=known("text"),
    items=known("jsonb"),
    parts=known("bigint"),
    invoices=known("bigint"),
    discount_ids=known("jsonb"),
    cancel_at_period_end=known("boolean"),
    current_period_start=known("timestamptz"),
    current_period_end=known("timestamptz"),
    trial_end=known("timestamptz"),
    started_at=known("timestamptz"),
    canceled_at=known("timestamptz"),
    ended_at=known("timestamptz"),
    account=known("text"),
    created_at=known("timestamptz"),
    at=known("timestamptz"),
)
subscription_discounts = Mirror(
    "subscription_discounts",
    discount_id=key(),
    subscription_id=key(),
)

# Amounts are in parts of a minor unit, so that all of it is whole numbers and finite decimals.
_LESS_DISCOUNTS = """
    select greatest(left_over, 0) as amount
    from (
        with recursive applied (step, left_over) as (
            select 0, start_amount
            union all
            select
                step + 1,
                left_over * (100 - coalesce(d.percent_off::numeric, 0)) * 0.01
                    - coalesce(d.amount_off_minor, 0) * r.invoices::numeric
            from applied
            left join discounts as d on d.discount_id = its_discounts ->> step
                and d.duration = 'forever'
                and (d.amount_off_minor is null or d.currency = r.currency)
            where step < jsonb_array_length(its_discounts)
        )
        select left_over from applied order by step desc limit 1
    ) as last
"""
"""An amount less each discount in turn; one that falls below nothing never comes up again."""


def _less_discounts(amount: str, discounts: str) -> str:
    return _LESS_DISCOUNTS.replace("start_amount", amount).replace("its_discounts", discounts)


VERSIONS = """
select
    r.subscription_id, r.version, r.customer_id, r.currency, r.at,
    case
        when r.state not in ('active', 'past_due') then 0
        when 2 * rest < r.parts or 2 * rest = r.parts and whole % 2 = 0 then whole
        else whole + 1
    end::bigint as mrr_minor,
    case when r.state in ('active', 'past_due') then 1 else 0 end::bigint as active
from subscription_reports as r
cross join lateral (
    select coalesce(sum(one.amount), 0) as amount
    from jsonb_array_elements(r.items) as i (item)
    cross join lateral (of_one_item) as one
) as listed
cross join lateral (of_the_whole) as reduced
cross join lateral (
    select div(reduced.amount, r.parts) as whole, mod(reduced.amount, r.parts) as rest
) as divided
"""
"""What a subscription came to at each of its reports, and whether it was active (1) or not (0)."""

subscription_versions = Derived(
    "subscription_versions",
    key=("subscription_id", "version"),
    view=VERSIONS.replace(
        "of_one_item", _less_discounts("(item ->> 'monthly')::numeric", "(item -> 'discount_ids')")
    ).replace("of_the_whole", _less_discounts("listed.amount", "r.discount_ids")),
    touched="""
        select subscription_id, version from staged_subscription_reports
        union all
        select r.subscription_id, r.version
        from touched_discounts
        join subscription_discounts as d using (discount_id)
        join subscription_reports as r on r.subscription_id = d.subscription_id
    """,
    indexes=("customer_id, currency, version, subscription_id",),
)
subscriptions = Derived(
    "subscriptions",
    key=("subscription_id",),
    view="""
        select
            r.subscription_id, r.state, r.state_known, r.customer_id, r.currency, v.mrr_minor,
            r.cancel_at_period_end, r.current_period_start, r.current_period_end, r.trial_end,
            r.started_at, r.canceled_at, r.ended_at, r.account,
            (
                select min(created_at)
                from subscription_reports
                where subscription_id = r.subscription_id
            ) as created_at
        from subscription_reports as r
        join subscription_versions as v using (subscription_id, version)
        where r.version = (
            select max(version)
            from subscription_reports
            where subscription_id = r.subscription_id
        )
    """,
    touched="select subscription_id from touched_subscription_versions",
    indexes=("created_at, subscription_id", "mrr_minor, subscription_id", "customer_id"),
)
projection = Projection(
    "subscriptions",
    tables=(subscription_reports, subscription_discounts, subscription_versions, subscriptions),
    reads=("discounts",),
    listing=Listing(
        subscriptions,
        Subscription,
        sort="created_at",
        sorts=("mrr_minor",),
        filters=(
            "state",
            "state_known",
            "customer_id",
            "currency",
            "cancel_at_period_end",
            "account",
        ),
        link="subscription",
        parts={
            "items": Part(
                SubscriptionItem,
                """
                select
                    item ->> 'item_id' as item_id, item ->> 'price_id' as price_id,
                    item ->> 'product_id' as product_id, (item -> 'quantity')::bigint as quantity,
                    item ->> 'unit_minor' as unit_amount, item ->> 'interval' as interval,
                    (item -> 'interval_count')::bigint as interval_count,
                    (item -> 'metered')::boolean as metered
                from subscription_reports
                cross join lateral jsonb_array_elements(items) with ordinality as i (item, n)
                where subscription_id = %(id)s and version = (
                    select max(version) from subscription_reports where subscription_id = %(id)s
                )
                order by n
                """,
            ),
            "discounts": Part(
                AppliedDiscount,
                """
                select d.discount_id, d.coupon_id, d.duration, d.percent_off, d.amount_off_minor,
                    d.currency
                from subscription_reports as r
                cross join lateral jsonb_array_elements_text(r.discount_ids)
                    with ordinality as i (discount_id, n)
                join discounts as d on d.discount_id = i.discount_id
                where r.subscription_id = %(id)s and r.version = (
                    select max(version) from subscription_reports where subscription_id = %(id)s
                )
                order by n
                """,
            ),
        },
    ),
)


@projection.handles(SubscriptionFact)
def reported(fact: SubscriptionFact, at: Moment) -> Iterator[Change]:
    """A version of the subscription, and which discounts it names."""
    yield subscription_reports.mention(
        subscription_id=fact.subscription_id,
        version=at.newest(fact.RANK),
        state=fact.state,
        state_known=fact.state_known,
        customer_id=fact.customer_id,
        currency=fact.currency,
        items=msgspec.json.encode(fact.items).decode(),
        parts=fact.parts,
        invoices=fact.invoices,
        discount_ids=msgspec.json.encode(fact.discount_ids).decode(),
        cancel_at_period_end=fact.cancel_at_period_end,
        current_period_start=fact.current_period_start,
        current_period_end=fact.current_period_end,
        trial_end=fact.trial_end,
        started_at=fact.started_at,
        canceled_at=fact.canceled_at,
        ended_at=fact.ended_at,
        account=at.account,
        created_at=fact.created_at,
        at=at.effective_at,
    )
    for discount_id in {*fact.discount_ids, *(d for i in fact.items for d in i.discount_ids)}:
        yield subscription_discounts.mention(
            discount_id=discount_id, subscription_id=fact.subscription_id
        )
