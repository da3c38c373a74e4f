"""Subscriptions: what customers pay for again and again, and what that is a month.

Monthly recurring revenue by Stripe's rule, clause by clause in docs/mrr.md: that of active and past
due subscriptions, by the list (`ledger.domain.mrr`), less what coupons that last forever take off,
rounded once, half to even, until their end is asked for. What is not known is named, and the rest
is counted.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

import msgspec
from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import SubscriptionFact, SubscriptionState
from ledger.domain.facts import EventContext
from projections.discounts import Duration
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
)
from projections.engine.row import Account, Currency, Part, Row, StateKnown, states
from projections.subscription_versions import subscription_points, subscription_versions

SubscriptionStateName = TypeAliasType(
    "SubscriptionStateName", Annotated[str, states(SubscriptionState)]
)


class Subscription(Row):
    """What a customer pays for again and again."""

    subscription_id: str
    state: SubscriptionStateName
    state_known: StateKnown
    customer_id: str
    currency: Currency
    mrr_minor: int
    """What it brings in a month, by Stripe's rule, as far as that is known."""
    mrr_known: bool
    mrr_unknown_because: str | None
    """Of what something would have to be known: items, discounts, a price, a coupon."""
    cancel_at_period_end: bool
    cancel_at: datetime | None
    collection_paused: str | None
    """What becomes of its invoices while their collection is paused."""
    collection_resumes_at: datetime | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    trial_end: datetime | None
    started_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    account: Account
    created_at: datetime


class SubscriptionItem(Row):
    """One price of a subscription, and how many units of it."""

    item_id: str | None
    price_id: str | None
    product_id: str | None
    quantity: int | None
    unit_amount: str | None
    """A decimal number of minor units; null for a price in tiers, and where it is not told."""
    interval: str | None
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


_ACTIVE: Final = frozenset({SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE})

# Every report is a separate version, in Stripe's order, whenever it arrives.
subscription_reports = Mirror(
    "subscription_reports",
    subscription_id=key(),
    version=key(),
    at=known("timestamptz"),
    state=known("text"),
    state_known=known("boolean"),
    is_active=known("boolean"),
    begun_at=known("timestamptz"),
    end_asked_at=known("timestamptz"),
    over_at=known("timestamptz"),
    customer_id=known("text"),
    currency=known("text"),
    items=known("jsonb"),
    items_missing=known("bigint"),
    items_changed=known("boolean"),
    parts=known("bigint"),
    invoices=known("bigint"),
    discount_ids=known("jsonb"),
    discounts_missing=known("bigint"),
    cancel_at_period_end=known("boolean"),
    cancel_at=known("timestamptz"),
    collection_paused=known("text"),
    collection_resumes_at=known("timestamptz"),
    current_period_start=known("timestamptz"),
    current_period_end=known("timestamptz"),
    trial_end=known("timestamptz"),
    started_at=known("timestamptz"),
    canceled_at=known("timestamptz"),
    ended_at=known("timestamptz"),
    account=known("text"),
    created_at=known("timestamptz"),
    indexes=("customer_id",),
)
subscription_discounts = Mirror(
    "subscription_discounts",
    discount_id=key(),
    subscription_id=key(),
)
# Prices whose amount the subscription's own reports do not say.
subscription_prices = Mirror(
    "subscription_prices",
    price_id=key(),
    subscription_id=key(),
)
subscriptions = Derived(
    "subscriptions",
    key=("subscription_id",),
    view="""
        select
            r.subscription_id, r.state, r.state_known, r.customer_id, r.currency, v.mrr_minor,
            v.unknown = '[]' as mrr_known,
            (select string_agg(cause, ', ') from jsonb_array_elements_text(v.unknown) as u (cause))
                as mrr_unknown_because,
            r.cancel_at_period_end, r.cancel_at, r.collection_paused, r.collection_resumes_at,
            r.current_period_start, r.current_period_end, r.trial_end, r.started_at,
            r.canceled_at, r.ended_at, r.account,
            (
                select min(created_at)
                from subscription_reports
                where subscription_id = r.subscription_id
            ) as created_at
        from subscription_reports as r
        join subscription_versions as v on v.subscription_id = r.subscription_id and v.at = (
            select max(at)
            from subscription_versions
            where subscription_id = r.subscription_id
        )
        where r.version = (
            select max(version)
            from subscription_reports
            where subscription_id = r.subscription_id
        )
    """,
    touched="select subscription_id from touched_subscription_versions",
    indexes=(
        "created_at, subscription_id",
        "mrr_minor, subscription_id",
        "customer_id",
        "mrr_known",
    ),
)
projection = Projection(
    "subscriptions",
    tables=(
        subscription_reports,
        subscription_discounts,
        subscription_prices,
        subscription_points,
        subscription_versions,
        subscriptions,
    ),
    reads=("discounts", "prices"),
    listing=Listing(
        subscriptions,
        Subscription,
        noun="subscription",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("mrr_minor",),
        filters=(
            "state",
            "state_known",
            "customer_id",
            "currency",
            "mrr_known",
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
def reported(fact: SubscriptionFact, at: EventContext) -> Iterator[Change]:
    """A version of the subscription, and which discounts and prices it leaves to others to tell."""
    yield subscription_reports.mention(
        subscription_id=fact.subscription_id,
        version=at.newest(fact.state.rank),
        at=at.effective_at,
        state=fact.state_name,
        state_known=fact.state_known,
        is_active=fact.state in _ACTIVE,
        begun_at=_begun_at(fact),
        end_asked_at=_end_asked_at(fact, at.effective_at),
        over_at=_over_at(fact, at.effective_at),
        customer_id=fact.customer_id,
        currency=fact.currency,
        items=msgspec.json.encode(fact.items).decode(),
        items_missing=fact.items_missing,
        items_changed=fact.items_changed,
        parts=fact.parts,
        invoices=fact.invoices,
        discount_ids=msgspec.json.encode(fact.discount_ids).decode(),
        discounts_missing=fact.discounts_missing,
        cancel_at_period_end=fact.cancel_at_period_end,
        cancel_at=fact.cancel_at,
        collection_paused=fact.collection_paused,
        collection_resumes_at=fact.collection_resumes_at,
        current_period_start=fact.current_period_start,
        current_period_end=fact.current_period_end,
        trial_end=fact.trial_end,
        started_at=fact.started_at,
        canceled_at=fact.canceled_at,
        ended_at=fact.ended_at,
        account=at.account,
        created_at=fact.created_at,
    )
    for discount_id in {*fact.discount_ids, *(d for i in fact.items for d in i.discount_ids)}:
        yield subscription_discounts.mention(
            discount_id=discount_id, subscription_id=fact.subscription_id
        )
    for item in fact.items:
        if item.asked is not None and item.price_id is not None:
            yield subscription_prices.mention(
                price_id=item.price_id, subscription_id=fact.subscription_id
            )


def _begun_at(fact: SubscriptionFact) -> datetime | None:
    """Since when, by this report alone, it was active; none where it says nothing of it."""
    if fact.state not in {*_ACTIVE, SubscriptionState.CANCELED}:
        return None
    begun_at = fact.started_at or fact.created_at
    return max(begun_at, fact.trial_end or begun_at)


def _end_asked_at(fact: SubscriptionFact, at: datetime) -> datetime | None:
    """When its end was asked for, which may be the period's or any later one."""
    if (
        fact.state is not SubscriptionState.CANCELED
        and not fact.cancel_at_period_end
        and fact.cancel_at is None
    ):
        return None
    return min(fact.canceled_at or fact.ended_at or at, at)


def _over_at(fact: SubscriptionFact, at: datetime) -> datetime | None:
    return min(fact.ended_at or at, at) if fact.state is SubscriptionState.CANCELED else None
