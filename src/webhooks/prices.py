"""Stripe's prices, and the plans of before, as prices of the domain."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from ledger.domain import mrr
from ledger.domain.money import MAX_MINOR
from webhooks.billing_objects import Item, Plan, Price, Tier, Transform
from webhooks.stripe_objects import Reference

_MAX_DECIMALS = 12  # docs.stripe.com/api/prices: of `unit_amount_decimal`


class ListPrice(Struct, frozen=True):
    """A price, and by which ids it is known."""

    price: mrr.Price
    price_id: str
    product: Reference
    currency: str | None


def list_price(item: Item) -> ListPrice | None:
    """What an item costs: its price, or its plan before there were prices (2020)."""
    if item.price is not None and item.price.recurring is not None:
        return _of_price(item.price)
    return None if item.plan is None else _of_plan(item.plan)


def exact(number: Decimal) -> Decimal:
    """A number from 0 on that is no larger and no finer than Stripe's; raises ValueError."""
    exponent = number.as_tuple().exponent
    is_fine = isinstance(exponent, int) and exponent >= -_MAX_DECIMALS  # else it is not finite
    if not is_fine or not 0 <= number <= MAX_MINOR:
        raise ValueError(f"{str(number)[:40]} is no amount or percentage that Stripe knows")
    return abs(number)


def decimal_text(number: Decimal) -> str:
    """A decimal number as text, always the same for the same number: 25.50 is `25.5`."""
    text = f"{exact(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _of_price(price: Price) -> ListPrice:
    assert price.recurring is not None
    recurring = price.recurring
    made = mrr.Price(
        interval=recurring.interval,
        interval_count=recurring.interval_count,
        unit=_amount(price.unit_amount_decimal, price.unit_amount),
        metered=recurring.usage_type == "metered",
        tiers=_tiers(price.tiers),
        graduated=price.tiers_mode == "graduated",
        divide_by=_divide_by(price.transform_quantity),
        round_up=_round_up(price.transform_quantity),
    )
    return ListPrice(made, price.id, price.product, price.currency)


def _of_plan(plan: Plan) -> ListPrice:
    made = mrr.Price(
        interval=plan.interval,
        interval_count=plan.interval_count,
        unit=_amount(plan.amount_decimal, plan.amount),
        metered=plan.usage_type == "metered",
        tiers=_tiers(plan.tiers),
        graduated=plan.tiers_mode == "graduated",
        divide_by=_divide_by(plan.transform_usage),
        round_up=_round_up(plan.transform_usage),
    )
    return ListPrice(made, plan.id, plan.product, plan.currency)


def _amount(decimal: Decimal | None, minor: int | None) -> Decimal | None:
    """The decimal figure, which exists since 2019, is the exact one."""
    if decimal is not None:
        return exact(decimal)
    return None if minor is None else Decimal(minor)


def _tiers(tiers: Sequence[Tier] | None) -> tuple[mrr.Tier, ...]:
    return tuple(
        mrr.Tier(
            up_to=tier.up_to,
            unit=_amount(tier.unit_amount_decimal, tier.unit_amount or tier.amount) or mrr.NOTHING,
            flat=_amount(tier.flat_amount_decimal, tier.flat_amount) or mrr.NOTHING,
        )
        for tier in tiers or ()
    )


def _divide_by(transform: Transform | None) -> int:
    return transform.divide_by if transform else 1


def _round_up(transform: Transform | None) -> bool:
    return transform is not None and transform.round == "up"
