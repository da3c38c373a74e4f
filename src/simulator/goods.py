"""What the simulated shop sells, and at which prices; amounts in minor units."""

from collections.abc import Sequence

from msgspec import Struct

DAY = 86_400
SECONDS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


class Tier(Struct, frozen=True):
    """A step of a tiered price, up to and including `up_to` units."""

    up_to: int | None
    unit_minor: int
    flat_minor: int


class Product(Struct, eq=False):
    """What the shop sells."""

    id: str
    created: int
    name: str


class Price(Struct, eq=False):
    """What a unit costs every `interval_count` intervals; a `metered` one by what was used.

    Without an interval it is asked for once.

    `options` are what it costs in other currencies, `tiers` (graduated) what it costs instead:
    neither stands in events of the subscriptions to it.
    """

    id: str
    product_id: str
    unit_minor: int
    currency: str
    interval: str = "month"
    interval_count: int = 1
    metered: bool = False
    options: dict[str, int] = {}
    tiers: tuple[Tier, ...] = ()
    created: int = 0

    @property
    def is_recurring(self) -> bool:
        """Whether it is asked for again and again."""
        return bool(self.interval)

    @property
    def period_seconds(self) -> int:
        """How long a period is; the simulator's months have 30 days."""
        return SECONDS[self.interval] * self.interval_count

    def unit_in(self, currency: str) -> int:
        """What a unit costs in a currency."""
        return self.unit_minor if currency == self.currency else self.options[currency]

    def charged(self, quantity: int, currency: str) -> int:
        """What so many units cost in a period; nothing if they are metered."""
        if self.metered:
            return 0
        if not self.tiers:
            return self.unit_in(currency) * quantity
        below, total = 0, 0
        for tier in self.tiers:
            upto = quantity if tier.up_to is None else min(quantity, tier.up_to)
            if upto > below:
                total += (upto - below) * tier.unit_minor + tier.flat_minor
            below = max(below, upto)
        return total


class Item(Struct, eq=False):
    """So many units of a price."""

    id: str
    created: int
    price: Price
    quantity: int


Goods = Sequence[tuple[Price, int]]
"""Prices, each with the number of units."""
