"""What the simulated Stripe remembers of billing; amounts in minor units, times in seconds."""

from msgspec import Struct, field

from simulator.objects import Customer, Payment

DAY = 86_400
SECONDS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


class Tier(Struct, frozen=True):
    """A step of a tiered price, up to and including `up_to` units."""

    up_to: int | None
    unit_minor: int
    flat_minor: int


class Price(Struct, eq=False):
    """What a unit costs every `interval_count` intervals; a `metered` one by what was used.

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


class Coupon(Struct, eq=False):
    """Takes a percentage or an amount off, `once`, `repeating` or `forever`."""

    id: str
    created: int
    duration: str
    percent_off: int | None
    amount_off_minor: int | None
    currency: str


class Discount(Struct, eq=False):
    """A coupon on a subscription, or on all of a customer's that have none."""

    id: str
    coupon: Coupon
    start: int


class Subscription(Struct, eq=False):
    """What a customer pays for again and again."""

    id: str
    created: int
    customer: Customer
    currency: str
    items: list[Item]
    status: str
    period_start: int
    period_end: int
    trial_end: int | None = None
    discount: Discount | None = None
    discount_of_customer: Discount | None = None
    cancel_at_period_end: bool = False
    cancel_at: int | None = None
    paused: str | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    invoices: "list[Invoice]" = field(default_factory=list["Invoice"])

    @property
    def due_minor(self) -> int:
        """What a period costs, in tens, so that every currency allows it."""
        listed = sum(item.price.charged(item.quantity, self.currency) for item in self.items)
        discount = self.discount or self.discount_of_customer
        if discount is None:
            return listed
        coupon = discount.coupon
        left = listed * (100 - (coupon.percent_off or 0)) // 100 - (coupon.amount_off_minor or 0)
        return max(0, left) // 10 * 10


class Invoice(Struct, eq=False):
    """What a customer is asked for."""

    id: str
    created: int
    subscription: Subscription
    due_minor: int
    period_start: int
    period_end: int
    items: list[Item]
    status: str = "draft"
    paid_at: int | None = None
    payment: Payment | None = None


class Payout(Struct, eq=False):
    """Money on its way to the shop's bank."""

    id: str
    created: int
    amount_minor: int
    currency: str
    arrival_date: int
    transaction_id: str
    status: str = "pending"
    failure_code: str | None = None
