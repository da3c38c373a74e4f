"""Stripe's prices, and the plans of before, as prices of the domain and as facts.

An amount is in the currency of the price, which may have others, and its subscriptions too:
https://docs.stripe.com/products-prices/manage-prices#create-multi-currency-prices
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain import mrr
from ledger.domain.billing_facts import PriceAmount, PriceFact, PriceTier
from ledger.domain.facts import Fact
from ledger.domain.money import MAX_MINOR
from webhooks.translate.billing_objects import (
    Item,
    Line,
    LinePrice,
    Plan,
    Price,
    Recurring,
    Tier,
    Transform,
)
from webhooks.translate.objects import Envelope, Reference
from webhooks.translate.payments import id_of

_MAX_DECIMALS = 12  # docs.stripe.com/api/prices: of `unit_amount_decimal`


class ListPrice(Struct, frozen=True, kw_only=True):
    """A price in its currency and, as far as Stripe says, in others; and its ids."""

    price: mrr.Price
    others: Mapping[str, mrr.Price]
    is_tiered: bool
    price_id: str
    product: Reference
    currency: str | None

    def in_currency(self, currency: str) -> mrr.Price:
        """The price in a currency, its amount unknown where Stripe does not say it."""
        if self.currency in (currency, None):
            return self.price
        return self.others.get(currency) or _unknown(self.price)

    @property
    def is_per_unit(self) -> bool:
        """Whether each unit costs the same and is sold by itself."""
        return not self.is_tiered and self.price.divide_by == 1


def price_facts(price: Price, _event: Envelope, _metadata_key: str) -> list[Fact]:
    """What a price costs; one that is asked once only says nothing."""
    recurring = price.recurring
    return _told(_of_price(price, recurring)) if isinstance(recurring, Recurring) else []


def plan_facts(plan: Plan, _event: Envelope, _metadata_key: str) -> list[Fact]:
    """What a plan costs: it is the price of its id, too."""
    return _told(_of_plan(plan))


def unit_of(line: Line, currency: str) -> tuple[str, str] | None:
    """A price's id and what a unit of it costs, as an invoice in a currency tells it, if it does.

    An amount that the price has in another currency is none of this one; what so many units cost
    together says what one does, before discounts.
    """
    priced = line.price or line.plan
    details = line.pricing.price_details if line.pricing else None
    price_id = id_of(details.price) if details else priced and priced.id
    if price_id is None or (line.currency or currency).lower() != currency:
        return None
    unit = _unit(line, priced, currency)
    return None if unit is None else (price_id, decimal_text(unit))


def list_price(item: Item) -> ListPrice | None:
    """What an item costs: its price, or its plan before there were prices (2020)."""
    if item.price is not None and isinstance(item.price.recurring, Recurring):
        return _of_price(item.price, item.price.recurring)
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


def _told(listed: ListPrice) -> list[Fact]:
    """The price in every currency in which its amount is known.

    Its own is among the others too, there without tiers, which are shown with the price.
    """
    own = {} if listed.currency is None else {listed.currency: listed.price}
    amounts = tuple(_amounts(own | {**listed.others, **own}))
    product_id = id_of(listed.product)
    if not amounts:
        return []
    return [PriceFact(price_id=listed.price_id, product_id=product_id, amounts=amounts)]


def _amounts(prices: Mapping[str, mrr.Price]) -> Iterator[PriceAmount]:
    for currency, price in prices.items():
        if price.unit is not None:
            yield PriceAmount(currency=currency, unit=decimal_text(price.unit))
        elif price.tiers:
            tiers = tuple(map(_tier_fact, price.tiers))
            yield PriceAmount(currency=currency, tiers=tiers, graduated=price.graduated)


def _tier_fact(tier: mrr.Tier) -> PriceTier:
    return PriceTier(up_to=tier.up_to, unit=decimal_text(tier.unit), flat=decimal_text(tier.flat))


def _unit(line: Line, priced: LinePrice | None, currency: str) -> Decimal | None:
    if line.pricing is not None:
        unit = line.pricing.unit_amount_decimal
        return unit if unit is not None and unit >= 0 else None
    if priced is not None and (priced.currency or currency).lower() == currency:
        unit = _amount(
            priced.unit_amount_decimal or priced.amount_decimal,
            priced.amount if priced.unit_amount is None else priced.unit_amount,
        )
        if unit is not None:
            return unit
    if not line.quantity or line.amount is None or line.amount < 0:
        return None
    unit, rest = divmod(line.amount, line.quantity)
    return None if rest else Decimal(unit)


def _of_price(price: Price, recurring: Recurring) -> ListPrice:
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
    is_read = _is_read(price, recurring.usage_type, price.transform_quantity)
    others = {
        currency.lower(): replace(
            made,
            unit=_amount(option.unit_amount_decimal, option.unit_amount),
            tiers=_tiers(option.tiers),
        )
        for currency, option in (price.currency_options or {}).items()
    }
    return ListPrice(
        price=made if is_read else _unknown(made),
        others=others if is_read else {},
        is_tiered=_is_tiered(price) or not is_read,
        price_id=price.id,
        product=price.product,
        currency=price.currency and price.currency.lower(),
    )


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
    is_read = _is_read(plan, plan.usage_type, plan.transform_usage)
    return ListPrice(
        price=made if is_read else _unknown(made),
        others={},
        is_tiered=_is_tiered(plan) or not is_read,
        price_id=plan.id,
        product=plan.product,
        currency=plan.currency and plan.currency.lower(),
    )


def _is_read(priced: Price | Plan, usage_type: str | None, transform: Transform | None) -> bool:
    """Whether every word that says how it is charged is one that this version knows."""
    return (
        priced.billing_scheme in (None, "per_unit", "tiered")
        and priced.tiers_mode in (None, "graduated", "volume")
        and usage_type in (None, "licensed", "metered")
        and (transform is None or transform.round in (None, "up", "down"))
    )


def _unknown(price: mrr.Price) -> mrr.Price:
    """The same without what it costs."""
    return replace(price, unit=None, tiers=())


def _is_tiered(priced: Price | Plan) -> bool:
    """A report may say that there are tiers and leave them out."""
    return priced.billing_scheme == "tiered" or priced.tiers_mode is not None or bool(priced.tiers)


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
