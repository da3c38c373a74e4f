"""What the simulated Stripe remembers of billing; amounts in minor units, times in seconds."""

from msgspec import Struct, field

from simulator.goods import Item
from simulator.objects import Customer, Payment, Refund
from simulator.transactions import Transaction


class Coupon(Struct, eq=False):
    """Takes a percentage or an amount off, `once`, `repeating` or `forever`."""

    id: str
    created: int
    duration: str
    percent_off: int | None
    amount_off_minor: int | None
    currency: str


class PromotionCode(Struct, eq=False):
    """What customers enter to get a coupon's discount."""

    id: str
    created: int
    coupon: Coupon
    code: str


class Discount(Struct, eq=False):
    """A coupon on a subscription, or on all of a customer's that have none."""

    id: str
    coupon: Coupon
    start: int


class Applied(Struct, eq=False):
    """A discount, and on what: a subscription, or all that a customer has."""

    discount: Discount
    customer: Customer
    subscription: "Subscription | None" = None

    @property
    def id(self) -> str:
        """The discount's id."""
        return self.discount.id

    @property
    def created(self) -> int:
        """When it began."""
        return self.discount.start


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
    """What a customer is asked for, in a period of a subscription or once."""

    id: str
    created: int
    customer: Customer
    currency: str
    due_minor: int
    period_start: int
    period_end: int
    items: list[Item]
    subscription: Subscription | None = None
    status: str = "draft"
    paid_at: int | None = None
    payment: Payment | None = None
    payment_id: str | None = None
    discount: Discount | None = None

    @property
    def listed_minor(self) -> int:
        """What its lines come to, before a discount."""
        return sum(item.price.charged(item.quantity, self.currency) for item in self.items)


class InvoicePayment(Struct, eq=False):
    """That an invoice was paid, a separate object since 2025-03-31."""

    id: str
    created: int
    invoice: Invoice


class CreditNote(Struct, eq=False):
    """A part of an invoice that the shop lets go; what was paid of it is refunded."""

    id: str
    created: int
    invoice: Invoice
    amount_minor: int
    reason: str
    refund: Refund | None = None


class Payout(Struct, eq=False):
    """Money on its way to the shop's bank; an automatic one knows its `members`, oldest first."""

    id: str
    created: int
    amount_minor: int
    currency: str
    arrival_date: int
    automatic: bool
    reconciliation_status: str
    transaction_id: str | None = None
    status: str = "pending"
    failure_code: str | None = None
    failure_message: str | None = None
    failure_transaction_id: str | None = None
    members: list[Transaction] = field(default_factory=list[Transaction])
