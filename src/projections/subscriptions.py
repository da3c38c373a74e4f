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

from ledger.domain.billing_facts import SubscriptionFact
from ledger.domain.facts import EventContext
from ledger.domain.money import MAX_MINOR
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
from projections.engine.row import Currency, Few, Part, Row, states
from projections.prices import CHARGED

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
    account: Few | None
    """The connected account that it belongs to; null for Stripe's own of the shop."""
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


_ACTIVE: Final = frozenset({"active", "past_due"})
_CANCELED: Final = "canceled"

# Every report is a version of its own, in Stripe's order, whenever it arrives.
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

# A report holds from its second on until that of the next one; of one second the last report is
# right. Its object's own times are better than its own: of the first one when it began (it was
# active since then), of a later one when an end was asked for, and came. While it holds, a discount
# of the customer may begin or end.
POINTS = """
select
    r.subscription_id, p.at, r.version, r.customer_id, r.currency, s.active,
    s.active and (r.end_asked_at is null or p.at < r.end_asked_at) as counts,
    r.end_asked_at <= p.at as ends, p.at >= r.at and not r.state_known as is_strange
from subscription_reports as r
left join lateral (
    select at, is_active
    from subscription_reports
    where subscription_id = r.subscription_id and version < r.version and at < r.at
    order by version desc
    limit 1
) as before on true
left join lateral (
    select
        least(
            at,
            case when end_asked_at > r.at then end_asked_at end,
            case when over_at > r.at then over_at end
        ) as at
    from subscription_reports as n
    where subscription_id = r.subscription_id and version > r.version and at > r.at
        and not exists (
            select
            from subscription_reports
            where subscription_id = n.subscription_id and version > n.version and at = n.at
        )
    order by version
    limit 1
) as next on true
cross join lateral (
    select case
        when before.at is null and r.begun_at < least(r.at, r.end_asked_at) then r.begun_at
    end as at
) as begun
cross join lateral (
    select r.at
    union
    select at
    from (values (begun.at), (r.end_asked_at), (r.over_at)) as own (at)
    where at < r.at and (at > before.at or at >= begun.at)
    union
    select c.at
    from discounts as d
    cross join lateral (values (d.started_at), (d.ended_at)) as c (at)
    where d.customer_id = r.customer_id and d.customer_wide
        and jsonb_array_length(r.discount_ids) = 0
        and c.at > coalesce(begun.at, r.at) and (next.at is null or c.at < next.at)
) as p
cross join lateral (
    select case
        when r.over_at <= p.at then false
        when p.at >= r.at then r.is_active
        else coalesce(before.is_active, true)
    end as active
) as s
where not exists (
    select
    from subscription_reports
    where subscription_id = r.subscription_id and version > r.version and at = r.at
)
"""
"""When what is known of a subscription may change, and by which of its reports."""

subscription_points = Derived(
    "subscription_points",
    key=("subscription_id", "at"),
    by=("subscription_id",),
    view=POINTS,
    touched="""
        select subscription_id from staged_subscription_reports
        union all
        select r.subscription_id
        from touched_discounts
        join discounts as d using (discount_id)
        join subscription_reports as r on r.customer_id = d.customer_id
        where d.customer_wide
    """,
)

# Amounts are in parts of a minor unit, so that all of it is whole numbers and finite decimals.
_AMOUNT_OFF: Final = """
select case
    when d.currency = r.currency then d.amount_off_minor
    else (d.amounts ->> r.currency)::bigint
end as minor
"""
"""What a discount takes off an invoice in the subscription's currency; null where not known."""
_LESS_DISCOUNTS: Final = """
case when jsonb_array_length(its_discounts) = 0 then start_amount else (
    with recursive applied (step, left_over) as (
        select 0, start_amount
        union all
        select
            step + 1,
            left_over * (100 - coalesce(d.percent_off::numeric, 0)) * 0.01
                - coalesce(off.minor, 0) * r.invoices::numeric
        from applied
        left join discounts as d on d.discount_id = its_discounts ->> step
            and d.duration = 'forever'
            and (d.products is null or its_products <@ d.products)
        cross join lateral (amount_off) as off
        where step < jsonb_array_length(its_discounts)
    )
    select greatest(left_over, 0) from applied order by step desc limit 1
) end
""".replace("(amount_off)", f"({_AMOUNT_OFF})")
"""An amount less each discount in turn; one that falls below nothing never comes up again."""

# A discount with an end is none that lasts forever, whatever its coupon says.
_UNKNOWN_DISCOUNTS: Final = """
select case
    when d.discount_id is null or d.duration is null and d.coupon_id is null
    then 'discount/' || named.id
    when d.duration is null then 'coupon/' || d.coupon_id
    when d.duration not in ('forever', 'repeating', 'once') then 'coupon/' || d.coupon_id
    when d.duration = 'forever' and d.percent_off is null and off.minor is null and is_own
    then concat_ws('/', 'coupon', d.coupon_id, r.currency)
    when d.duration = 'forever' and d.products ?| array(
        select jsonb_array_elements_text(its_products)
    ) and not its_products <@ d.products
    then concat_ws('/', 'coupon', d.coupon_id, 'products')
end as cause
from jsonb_array_elements_text(its_discounts) as named (id)
left join discounts as d on d.discount_id = named.id
cross join lateral (amount_off) as off
where d.ends_at is null or d.duration is not null
""".replace("(amount_off)", f"({_AMOUNT_OFF})")
"""What would have to be known of discounts to know what they take off."""


def _less_discounts(amount: str, discounts: str, products: str) -> str:
    sql = _LESS_DISCOUNTS.replace("start_amount", amount)
    return sql.replace("its_discounts", discounts).replace("its_products", products)


def _unknown_discounts(discounts: str, products: str, *, own: str = "true") -> str:
    sql = _UNKNOWN_DISCOUNTS.replace("its_discounts", discounts)
    return sql.replace("its_products", products).replace("is_own", own)


# An invoice tells a price best: that of the report's own period, else the last one before it.
_ASKED: Final = """
(item #>> '{asked,rate}')::numeric * coalesce(
    (
        select unit::numeric * q.packs
        from invoiced_prices
        where (item #> '{asked,per_unit}')::boolean
            and subscription_id = r.subscription_id and currency = r.currency
            and price_id = item ->> 'price_id'
        order by
            invoiced_at >= r.at desc,
            case when invoiced_at >= r.at then invoiced_at end,
            invoiced_at desc,
            invoice_id
        limit 1
    ),
    (
        select charged
        from price_amounts as a
        where price_id = item ->> 'price_id' and currency = r.currency
    )
)
""".replace("charged", CHARGED)

VERSIONS: Final = """
select
    p.subscription_id, p.at, p.version, p.customer_id, p.currency,
    case when not p.counts or is_too_much then 0 else minor end::bigint as mrr_minor,
    case
        when p.counts then u.causes
        when p.is_strange then jsonb_build_array('state/' || r.state)
        else '[]'
    end as unknown,
    p.active::integer::bigint as active,
    (p.is_strange or p.counts and u.causes <> '[]')::integer::bigint as uncounted,
    p.counts and (u.causes <> '[]' or minor > 0) as pays,
    p.ends is true as ends
from subscription_points as p
join subscription_reports as r using (subscription_id, version)
cross join lateral (
    select case
        when jsonb_array_length(r.discount_ids) > 0 or r.discounts_missing > 0 then r.discount_ids
        else coalesce((
            select jsonb_build_array(discount_id)
            from (
                select discount_id, ended_at
                from discounts
                where customer_id = r.customer_id and customer_wide
                    and coalesce(started_at, '-infinity') <= p.at
                order by started_at desc nulls last, discount_id desc
                limit 1
            ) as latest
            where ended_at is null or ended_at > p.at
        ), '[]')
    end as ids
) as whole
cross join lateral (
    select
        coalesce(sum(reduced.amount), 0) as amount,
        coalesce(jsonb_agg(item -> 'product_id'), '[]') as products,
        coalesce(jsonb_agg(c.causes) filter (where c.causes is not null), '[]') as causes
    from jsonb_array_elements(r.items) as i (item)
    cross join lateral (select (item #>> '{asked,packs}')::numeric as packs) as q
    cross join lateral (
        select coalesce((item ->> 'monthly')::numeric, asked_amount) as amount
        offset 0 -- computed once, not at each use
    ) as listed
    cross join lateral (select of_one_item as amount) as reduced
    cross join lateral (
        select case
            when listed.amount is not null then (
                select jsonb_agg(cause)
                from (discounts_of_one_item) as d
                where listed.amount > 0 and cause is not null
            )
            when item ->> 'price_id' is null then '["price"]'
            when item -> 'asked' = 'null'
            then jsonb_build_array(concat_ws('/', 'interval', item ->> 'interval'))
            else jsonb_build_array(concat_ws('/', 'price', item ->> 'price_id', r.currency))
        end as causes
    ) as c
) as listed
cross join lateral (select of_the_whole as amount) as reduced
cross join lateral (
    select div(reduced.amount, r.parts) as units, mod(reduced.amount, r.parts) as rest
) as divided
cross join lateral (
    select case
        when 2 * rest < r.parts or 2 * rest = r.parts and units % 2 = 0 then units
        else units + 1
    end as minor
) as rounded
cross join lateral (select minor > most as is_too_much) as bounded
cross join lateral (
    select coalesce(jsonb_agg(distinct cause collate "C" order by cause collate "C"), '[]')
        as causes
    from (
        select cause
        from jsonb_array_elements(listed.causes) as l (each)
        cross join lateral jsonb_array_elements_text(l.each) as e (cause)
        union all
        select 'items' where r.items_missing > 0
        union all
        select 'discounts' where r.discounts_missing > 0
        union all
        select 'amount' where is_too_much
        union all
        select cause
        from (discounts_of_the_whole) as d
        where listed.amount > 0 or listed.causes <> '[]'
    ) as every
    where cause is not null
) as u
"""
"""What a subscription came to from each of these points on, and what of it is not known."""

subscription_versions = Derived(
    "subscription_versions",
    key=("subscription_id", "at"),
    by=("subscription_id",),
    view=VERSIONS.replace("asked_amount", _ASKED)
    .replace(
        "discounts_of_one_item",
        _unknown_discounts("(item -> 'discount_ids')", "jsonb_build_array(item -> 'product_id')"),
    )
    .replace(
        "discounts_of_the_whole",
        _unknown_discounts(
            "whole.ids", "listed.products", own="jsonb_array_length(r.discount_ids) > 0"
        ),
    )
    .replace(
        "of_one_item",
        _less_discounts(
            "listed.amount",
            "(item -> 'discount_ids')",
            "jsonb_build_array(item -> 'product_id')",
        ),
    )
    .replace("of_the_whole", _less_discounts("listed.amount", "whole.ids", "listed.products"))
    .replace("most", str(MAX_MINOR)),
    touched="""
        select subscription_id from touched_subscription_points
        union all
        select subscription_id
        from touched_discounts
        join subscription_discounts using (discount_id)
        union all
        select subscription_id
        from staged_price_amounts
        join subscription_prices using (price_id)
        union all
        select subscription_id
        from staged_invoiced_prices
        join subscription_prices using (price_id, subscription_id)
    """,
    indexes=("customer_id, currency, at, subscription_id",),
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
        version=at.newest(fact.RANK),
        at=at.effective_at,
        state=fact.state,
        state_known=fact.state_known,
        is_active=fact.STATE in _ACTIVE,
        begun_at=_begun_at(fact),
        end_asked_at=_end_asked_at(fact, at.effective_at),
        over_at=_over_at(fact, at.effective_at),
        customer_id=fact.customer_id,
        currency=fact.currency,
        items=msgspec.json.encode(fact.items).decode(),
        items_missing=fact.items_missing,
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
    if fact.STATE not in {*_ACTIVE, _CANCELED}:
        return None
    begun_at = fact.started_at or fact.created_at
    return max(begun_at, fact.trial_end or begun_at)


def _end_asked_at(fact: SubscriptionFact, at: datetime) -> datetime | None:
    """When somebody asked for its end, which may be the period's or any later one."""
    if fact.STATE != _CANCELED and not fact.cancel_at_period_end and fact.cancel_at is None:
        return None
    return min(fact.canceled_at or fact.ended_at or at, at)


def _over_at(fact: SubscriptionFact, at: datetime) -> datetime | None:
    return min(fact.ended_at or at, at) if fact.STATE == _CANCELED else None
