"""What a price comes to in a month: Stripe's rule for monthly recurring revenue, exact.

https://docs.stripe.com/billing/subscriptions/analytics and
https://support.stripe.com/questions/billing-analytics: the prices of active and past due
subscriptions by the month, without trials, metered prices and tax; a yearly price counts a twelfth.
What is not known is None, and never nothing.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from msgspec import Struct

PERIODS_A_MONTH: Final = {
    "day": Fraction(365, 12),
    "week": Fraction(52, 12),
    "month": Fraction(1),
    "year": Fraction(1, 12),
}
NOTHING: Final = Decimal(0)


class Tier(Struct, frozen=True):
    """A step of a tiered price: up to and including `up_to` units, the last one without an end."""

    up_to: int | None
    unit: Decimal = NOTHING
    flat: Decimal = NOTHING


class Price(Struct, frozen=True, kw_only=True):
    """What units cost every `interval_count` intervals, in minor units that may be broken.

    Without a `unit` amount the `tiers` say it; a report may leave out both. `graduated` tiers each
    take their part of the units, others take all of them. `divide_by` is how many units are sold
    together, a last part of them too if `round_up`.
    """

    interval: str
    interval_count: int = 1
    unit: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    graduated: bool = False
    divide_by: int = 1
    round_up: bool = False
    metered: bool = False


def periods_a_month(price: Price) -> Fraction | None:
    """How often a month the price is asked: 52/12 for a weekly one, 1/12 for a yearly one.

    None for an interval that Stripe did not have when this was written.
    """
    periods = PERIODS_A_MONTH.get(price.interval)
    return None if periods is None else periods / price.interval_count


def monthly(price: Price, quantity: int) -> Fraction | None:
    """What so many units come to in a month, in minor units, before discounts and tax."""
    if price.metered:
        return Fraction(0)
    periods, charged = periods_a_month(price), _charged(price, packs(price, quantity))
    return None if periods is None or charged is None else charged * periods


def packs(price: Price, quantity: int) -> int:
    """How often the price is asked for so many units."""
    whole, rest = divmod(quantity, price.divide_by)
    return whole + 1 if rest and price.round_up else whole


def _charged(price: Price, units: int) -> Fraction | None:
    """What one period costs; None also for more units than the tiers speak of."""
    if price.unit is not None:
        return Fraction(price.unit) * units
    if not price.tiers:
        return None
    return _graduated(price.tiers, units) if price.graduated else _volume(price.tiers, units)


def _volume(tiers: tuple[Tier, ...], units: int) -> Fraction | None:
    """All units at the price of the tier that their number falls into."""
    for tier in tiers:
        if tier.up_to is None or units <= tier.up_to:
            return Fraction(tier.unit) * units + Fraction(tier.flat)
    return None


def _graduated(tiers: tuple[Tier, ...], units: int) -> Fraction | None:
    """Each tier's units at its price; no unit at all costs what the first tier asks flat."""
    total, below = Fraction(0), 0
    for tier in tiers:
        upto = units if tier.up_to is None else min(units, tier.up_to)
        if upto > below or below == 0 == units:
            total += Fraction(tier.unit) * (upto - below) + Fraction(tier.flat)
        below = max(below, upto)
        if upto == units:
            return total
    return None
