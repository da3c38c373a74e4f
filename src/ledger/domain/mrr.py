"""What a price comes to in a month: Stripe's rule for monthly recurring revenue, exact.

https://docs.stripe.com/billing/subscriptions/analytics and
https://support.stripe.com/questions/billing-analytics: the prices of active and past due
subscriptions by the month, without trials, metered prices and tax; a yearly price counts a twelfth.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

Interval = Literal["day", "week", "month", "year"]

PERIODS_A_MONTH: Final[dict[Interval, Fraction]] = {
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

    Without a `unit` amount the `tiers` say it; a report that leaves those out costs nothing that
    we know of. `graduated` tiers each take their part of the units, others take all of them.
    `divide_by` is how many units are sold together, a last part of them too if `round_up`.
    """

    interval: Interval
    interval_count: int = 1
    unit: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    graduated: bool = False
    divide_by: int = 1
    round_up: bool = False
    metered: bool = False


def periods_a_month(price: Price) -> Fraction:
    """How often a month the price is asked: 52/12 for a weekly one, 1/12 for a yearly one."""
    return PERIODS_A_MONTH[price.interval] / price.interval_count


def monthly(price: Price, quantity: int) -> Fraction:
    """What so many units come to in a month, in minor units, before discounts and tax."""
    if price.metered:
        return Fraction(0)
    return _charged(price, _packs(price, quantity)) * periods_a_month(price)


def _packs(price: Price, quantity: int) -> int:
    packs, rest = divmod(quantity, price.divide_by)
    return packs + 1 if rest and price.round_up else packs


def _charged(price: Price, units: int) -> Fraction:
    """What one period costs."""
    if price.unit is not None:
        return Fraction(price.unit) * units
    return _graduated(price.tiers, units) if price.graduated else _volume(price.tiers, units)


def _volume(tiers: tuple[Tier, ...], units: int) -> Fraction:
    """All units at the price of the tier that their number falls into."""
    for tier in tiers:
        if tier.up_to is None or units <= tier.up_to:
            return Fraction(tier.unit) * units + Fraction(tier.flat)
    return Fraction(0)


def _graduated(tiers: tuple[Tier, ...], units: int) -> Fraction:
    """Each tier's units at its price; no unit at all costs what the first tier asks flat."""
    total, below = Fraction(0), 0
    for tier in tiers:
        upto = units if tier.up_to is None else min(units, tier.up_to)
        if upto > below or below == 0 == units:
            total += Fraction(tier.unit) * (upto - below) + Fraction(tier.flat)
        below = max(below, upto)
        if upto == units:
            break
    return total
