"""Discounts: what a coupon takes off subscriptions, and of which; one row a discount."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import CouponFact, DiscountFact, Terms
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    least,
    named,
    newest,
)
from projections.engine.row import Currency, Few, Row, Words

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
    account: Few | None
    """The connected account that it belongs to; null for Stripe's own of the shop."""
    started_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None


# Stripe never changes a coupon's terms, but another coupon may be made under the id of one that
# was deleted: a discount's own word for its terms is the better one.
coupons = Mirror(
    "coupons",
    coupon_id=key(),
    duration=newest("text"),
    percent_off=newest("text"),
    amount_off_minor=newest("bigint"),
    currency=newest("text"),
    name=newest("text"),
    limits=named("text"),
)
discount_reports = Mirror(
    "discount_reports",
    discount_id=key(),
    coupon_id=known("text"),
    duration=known("text"),
    percent_off=known("text"),
    amount_off_minor=known("bigint"),
    currency=known("text"),
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
discounts = Derived(
    "discounts",
    key=("discount_id",),
    view="""
        select
            d.discount_id, d.coupon_id,
            coalesce(d.duration, c.duration) as duration,
            case when d.duration is null then c.percent_off else d.percent_off end as percent_off,
            case when d.duration is null then c.amount_off_minor else d.amount_off_minor end
                as amount_off_minor,
            case when d.duration is null then c.currency else d.currency end as currency,
            l.limits -> 'amounts' as amounts, l.limits -> 'products' as products,
            d.subscription_id, d.customer_id, d.customer_wide, d.account, d.started_at, d.ends_at,
            d.ended_at
        from discount_reports as d
        left join coupons as c on c.coupon_id = d.coupon_id
        cross join lateral (
            select case when d.duration is null then c.limits else d.limits end::jsonb as limits
        ) as l
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
        name=fact.name,
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
    return {
        "duration": terms.duration,
        "percent_off": terms.percent_off,
        "amount_off_minor": terms.amount_off_minor,
        "currency": terms.currency,
        "limits": _limits(terms),
    }


def _limits(terms: Terms) -> str | None:
    """Amounts in other currencies and products, as the same JSON for the same terms."""
    known = {"amounts": terms.amounts, "products": terms.products}
    told = {name: value for name, value in known.items() if value is not None}
    return msgspec.json.encode(told, order="sorted").decode() if told else None
