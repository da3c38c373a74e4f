"""What the simulated Stripe remembers of its objects; amounts in minor units, times in seconds."""

from msgspec import Struct, field

from simulator.goods import Item
from simulator.transactions import Transaction

PAGE_SECONDS = 1800  # how long a payment page stays open: the shortest that Stripe allows


class Customer(Struct, eq=False):
    """A customer of the shop, as Stripe knows it."""

    id: str
    created: int
    email: str
    name: str
    deleted: bool = False


class Payment(Struct, eq=False):
    """A payment and its attempts; `intent_id` is None before payment intents existed (2018)."""

    intent_id: str | None
    created: int
    amount_minor: int
    currency: str
    metadata: dict[str, str]
    customer: Customer | None
    manual_capture: bool
    charges: "list[Charge]" = field(default_factory=list["Charge"])
    status: str = "requires_payment_method"
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    session: "Session | None" = None
    description: str | None = None
    email: str | None = None

    @property
    def id(self) -> str:
        """The payment intent's id."""
        assert self.intent_id is not None, "this payment is a bare charge"
        return self.intent_id

    @property
    def charge(self) -> "Charge":
        """The latest attempt."""
        return self.charges[-1]


class Charge(Struct, eq=False):
    """One attempt to take money, by card or by bank debit."""

    id: str
    created: int
    payment: Payment
    bank_debit: bool
    status: str
    captured: bool = False
    captured_minor: int = 0
    released_minor: int = 0
    transaction_id: str | None = None
    failure_code: str | None = None
    failure_transaction_id: str | None = None
    refunds: "list[Refund]" = field(default_factory=list["Refund"])
    dispute: "Dispute | None" = None

    @property
    def refunded_minor(self) -> int:
        """Stripe's cumulative figure: what goes or went back, and what was never captured."""
        return self.released_minor + sum(r.amount_minor for r in self.refunds if not r.is_over)

    @property
    def refundable_minor(self) -> int:
        """What of the captured amount is still the shop's."""
        return self.payment.amount_minor - self.refunded_minor if self.captured else 0


class Refund(Struct, eq=False):
    """Money on its way back to the customer."""

    id: str
    created: int
    charge: Charge
    amount_minor: int
    status: str
    reason: str | None = None
    transaction_id: str | None = None
    failure_reason: str | None = None
    failure_transaction_id: str | None = None
    metadata: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether it came to nothing, for good."""
        return self.status in {"failed", "canceled"}


class Dispute(Struct, eq=False):
    """A customer's bank asks the money back."""

    id: str
    created: int
    charge: Charge
    amount_minor: int
    status: str
    reason: str
    due_by: int
    answered: bool = False
    movements: list[Transaction] = field(default_factory=list[Transaction])


class Session(Struct, eq=False):
    """A visit to Stripe's payment page, which may take something off `amount_minor`."""

    id: str
    created: int
    amount_minor: int
    currency: str
    metadata: dict[str, str]
    reference: str | None
    customer: Customer | None
    email: str | None
    discount_minor: int = 0
    payment: Payment | None = None
    status: str = "open"
    payment_status: str = "unpaid"
    lines: list[Item] = field(default_factory=list[Item])

    @property
    def total_minor(self) -> int:
        """What the page asks for."""
        return self.amount_minor - self.discount_minor
