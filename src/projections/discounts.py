"""Discounts: what a coupon takes off subscriptions, and of which; one row a discount."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import CouponFact, DiscountFact, Terms
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
    least,
    named,
    newest,
)
from projections.engine.row import Account, Currency, Row, Words

_NOT_TOLD: Final = datetime.fromtimestamp(0, UTC)

Duration = TypeAliasType("Duration", Annotated[str, Words(("forever", "once", "repeating"))])


class Discount(Row):
    """What a coupon takes off, and of what; its terms are null while no report told them."""

    discount_id: str
    coupon_id: str | None
    duration: Duration | None
    percent_off: str | None
    """A decimal number, of a hundred."""
    amount_off_minor: int | None
    """Off each invoice, in `currency`."""
    currency: Currency | None
    amounts: dict[str, int] | None
    """What it takes off in other currencies, where a coupon says it."""
    products: list[str] | None
    """What it is for, where a coupon says it; null for everything."""
    subscription_id: str | None
    customer_id: str | None
    customer_wide: bool
    """Whether it is for all subscriptions of the customer that have none of their own."""
    account: Account
    started_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None


# Stripe never changes a coupon's terms, but another coupon may be made under the id of one that
# was deleted: when it was made and its terms tell it apart. What is not told of (`_NOT_TOLD`) was
# made before all that is.
coupons = Mirror(
    "coupons",
    coupon_id=key(),
    made_at=key("timestamptz"),
    terms=key(),
    name=newest("text"),
    limits=named("text"),
    deleted_at=greatest("timestamptz"),
)
discount_reports = Mirror(
    "discount_reports",
    discount_id=key(),
    coupon_id=known("text"),
    terms=known("text"),
    limits=known("text"),
    subscription_id=known("text"),
    customer_id=known("text"),
    customer_wide=least("boolean"),
    account=known("text"),
    started_at=known("timestamptz"),
    ends_at=known("timestamptz"),
    ended_at=least("timestamptz"),
    indexes=("coupon_id",),
)
# A discount's own word for its terms is the best one. Else they are those of the coupon that stood
# when it started, the last one made until then: deleting it takes nothing from who has it. They are
# not known where that one was deleted before, where there may have been several, and where the
# coupon lasts forever and the discount does not.
discounts = Derived(
    "discounts",
    key=("discount_id",),
    view="""
        select
            d.discount_id, d.coupon_id,
            t.terms ->> 'duration' as duration,
            t.terms ->> 'percent_off' as percent_off,
            (t.terms -> 'amount_off_minor')::bigint as amount_off_minor,
            t.terms ->> 'currency' as currency,
            t.limits -> 'amounts' as amounts, t.limits -> 'products' as products,
            d.subscription_id, d.customer_id, d.customer_wide, d.account, d.started_at, d.ends_at,
            d.ended_at
        from discount_reports as d
        left join lateral (
            select min(terms) as terms, min(limits) as limits
            from (
                select terms, limits, deleted_at, made_at, max(made_at) over () as last_made_at
                from coupons
                where coupon_id = d.coupon_id
                    and (d.started_at is null or made_at <= d.started_at)
            ) as made
            where d.started_at is null or made_at = last_made_at
            having count(distinct (terms, limits)) = 1
                and not coalesce(bool_or(deleted_at < d.started_at), false)
        ) as stood on d.terms is null
            and (d.ends_at is null or stood.terms::jsonb ->> 'duration' <> 'forever')
        cross join lateral (
            select
                coalesce(d.terms, stood.terms)::jsonb as terms,
                case when d.terms is null then stood.limits else d.limits end::jsonb as limits
        ) as t
    """,
    touched="""
        select discount_id from staged_discount_reports
        union all
        select d.discount_id
        from staged_coupons
        join discount_reports as d using (coupon_id)
    """,
    indexes=("customer_id", "subscription_id"),
)
projection = Projection(
    "discounts",
    tables=(coupons, discount_reports, discounts),
    listing=Listing(
        discounts,
        Discount,
        noun="discount",
        filled_by=FROM_STRIPE,
        filters=("coupon_id", "duration", "subscription_id", "customer_id", "account"),
        link="discount",
    ),
)


@projection.handles(CouponFact)
def made(fact: CouponFact, at: EventContext) -> Iterator[Change]:
    """A coupon, also one that was deleted: discounts of it go on."""
    yield coupons.report(
        at,
        0,
        coupon_id=fact.coupon_id,
        made_at=fact.created_at or _NOT_TOLD,
        name=fact.name,
        deleted_at=at.effective_at if fact.deleted else None,
        **_columns(fact.terms),
    )


@projection.handles(DiscountFact)
def given(fact: DiscountFact, at: EventContext) -> Iterator[Change]:
    """A discount, with its terms where the report shows its coupon."""
    yield discount_reports.mention(
        discount_id=fact.discount_id,
        coupon_id=fact.coupon_id,
        subscription_id=fact.subscription_id,
        customer_id=fact.customer_id,
        customer_wide=fact.customer_wide,
        account=at.account,
        started_at=fact.started_at,
        ends_at=None if fact.ended else fact.ends_at,
        ended_at=at.effective_at if fact.ended else None,
        **({} if fact.terms is None else _columns(fact.terms)),
    )


def _columns(terms: Terms) -> dict[str, Any]:
    """Terms as the same JSON for the same terms; apart, what only some reports of them tell."""
    told = {
        "duration": terms.duration,
        "percent_off": terms.percent_off,
        "amount_off_minor": terms.amount_off_minor,
        "currency": terms.currency,
    }
    limits = {"amounts": terms.amounts, "products": terms.products}
    return {"terms": _json(told), "limits": _json(limits) if _said(limits) else None}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _json(fields: dict[str, Any]) -> str:
    return msgspec.json.encode(_said(fields), order="sorted").decode()
