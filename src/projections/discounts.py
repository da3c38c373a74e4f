"""Discounts: what a coupon takes off subscriptions, and of which; one row a discount."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import CouponFact, DiscountFact, Terms
from ledger.domain.facts import Moment
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    newest,
)
from projections.engine.row import Currency, Row, Words

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
    subscription_id: str | None
    customer_id: str | None
    account: str | None
    """The connected account that it belongs to; null for Stripe's own of the shop."""
    started_at: datetime | None
    ends_at: datetime | None


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
)
discount_reports = Mirror(
    "discount_reports",
    discount_id=key(),
    coupon_id=known("text"),
    duration=known("text"),
    percent_off=known("text"),
    amount_off_minor=known("bigint"),
    currency=known("text"),
    subscription_id=known("text"),
    customer_id=known("text"),
    account=known("text"),
    started_at=known("timestamptz"),
    ends_at=known("timestamptz"),
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
            d.subscription_id, d.customer_id, d.account, d.started_at, d.ends_at
        from discount_reports as d
        left join coupons as c on c.coupon_id = d.coupon_id
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
def made(fact: CouponFact, at: Moment) -> Iterator[Change]:
    """A coupon, also one that was deleted: discounts of it go on."""
    yield coupons.report(
        at,
        0,
        coupon_id=fact.coupon_id,
        name=fact.name,
        **_columns(fact.terms),
    )


@projection.handles(DiscountFact)
def given(fact: DiscountFact, at: Moment) -> Iterator[Change]:
    """A discount, with its terms where the report shows its coupon."""
    yield discount_reports.mention(
        discount_id=fact.discount_id,
        coupon_id=fact.coupon_id,
        subscription_id=fact.subscription_id,
        customer_id=fact.customer_id,
        account=at.account,
        started_at=fact.started_at,
        ends_at=fact.ends_at,
        **({} if fact.terms is None else _columns(fact.terms)),
    )


def _columns(terms: Terms) -> dict[str, str | int | None]:
    return {
        "duration": terms.duration,
        "percent_off": terms.percent_off,
        "amount_off_minor": terms.amount_off_minor,
        "currency": terms.currency,
    }
