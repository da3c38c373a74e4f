"""Facts of billing for the tests of read models."""

from decimal import Decimal
from math import lcm
from typing import Any

from msgspec.structs import replace

from ledger.domain.billing_facts import (
    Asked,
    DiscountFact,
    SubscriptionFact,
    SubscriptionItem,
    SubscriptionState,
    Terms,
)
from ledger.domain.mrr import Price, monthly, periods_a_month
from tests.projections.models import NOON


def terms(
    percent_off: str | None = None,
    amount_off_minor: int | None = None,
    *,
    duration: str = "forever",
    currency: str = "gbp",
    **more: Any,
) -> Terms:
    """A coupon's terms."""
    return Terms(
        duration=duration,
        percent_off=percent_off,
        amount_off_minor=amount_off_minor,
        currency=None if amount_off_minor is None else currency,
        **more,
    )


def discount(its_terms: Terms | None, discount_id: str = "di_1") -> DiscountFact:
    """A discount that shows its terms, or only names the coupon `OFF`."""
    return DiscountFact(discount_id=discount_id, coupon_id="OFF", terms=its_terms)


def unpriced(
    asked: Asked | None, state: SubscriptionState = SubscriptionState.ACTIVE, **more: Any
) -> SubscriptionFact:
    """A report of a subscription that does not say what its price costs."""
    one = subscription(state, **more)
    items = (replace(one.items[0], monthly=None, unit_minor=None, asked=asked),)
    return replace(one, items=items)


def subscription(
    state: SubscriptionState = SubscriptionState.ACTIVE,
    unit_minor: int = 1000,
    quantity: int = 1,
    *,
    interval: str = "month",
    discounts: tuple[str, ...] = (),
    item_discounts: tuple[str, ...] = (),
    **more: Any,
) -> SubscriptionFact:
    """A report of a subscription of one price."""
    price = Price(interval=interval, unit=Decimal(unit_minor))
    each, rate = monthly(price, quantity), periods_a_month(price)
    assert each is not None
    assert rate is not None
    parts = lcm(each.denominator, rate.denominator)
    item = SubscriptionItem(
        item_id="si_1",
        price_id="price_1",
        product_id="prod_1",
        quantity=quantity,
        unit_minor=str(unit_minor),
        interval=interval,
        interval_count=1,
        metered=False,
        monthly=int(each * parts),
        discount_ids=item_discounts,
    )
    fields: dict[str, Any] = {
        "subscription_id": "sub_1",
        "customer_id": "cus_1",
        "currency": "gbp",
        "created_at": NOON,
        "items": (item,),
        "parts": parts,
        "invoices": int(rate * parts),
        "discount_ids": discounts,
    }
    return SubscriptionFact(state=state, **(fields | more))
