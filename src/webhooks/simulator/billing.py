"""What the simulated Stripe remembers of billing; amounts in minor units, times in seconds."""

from msgspec import Struct, field

from webhooks.simulator.objects import Customer, Payment

DAY = 86_400
SECONDS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


class Price(Struct, eq=False):
    """What a unit costs every `interval_count` intervals; a `metered` one by what was used."""

    id: str
    product_id: str
    unit_minor: int
    currency: str
    interval: str = "month"
    interval_count: int = 1
    metered: bool = False

    @property
    def period_seconds(self) -> int:
        """How long a period is; the simulator's months have 30 days."""
        return SECONDS[self.interval] * self.interval_count


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
    """A coupon on a subscription."""

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
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    invoices: "list[Invoice]" = field(default_factory=list["Invoice"])

    @property
    def due_minor(self) -> int:
        """What a period costs, in tens, so that every currency allows it."""
        listed = sum(i.price.unit_minor * i.quantity for i in self.items if not i.price.metered)
        if self.discount is None:
            return listed
        coupon = self.discount.coupon
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
