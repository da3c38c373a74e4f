"""What can be asked of an order. Time, ids and what Stripe says of its money come in with it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

from msgspec import Struct

from ledger.domain.aggregate import Command
from ledger.domain.events import Address, Event, Line, OrderOrigin, OrderPlaced, ReturnedLine
from ledger.domain.limits import MAX_LINE_UNITS


def units_of(lines: Iterable[Line | ReturnedLine]) -> dict[str, int]:
    """Units by SKU, whatever number of lines they stand in."""
    units: dict[str, int] = {}
    for line in lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return units


class OrderMoney(Struct, frozen=True, kw_only=True):
    """What Stripe took and gave back for an order, as known up to `position` of the log.

    Amounts are in minor units of `currency`, zero for an order without payments. `fully_paid`
    says that `paid_minor` covers what is due of the order's total in the order's currency: all but
    what a payment page took off. `nothing_due` says that this was all of it; what was paid all the
    same is too much, and may go back. A refund counts once: as refunded, as pending, or as failed
    (canceled ones too). `waiting_at` is when a payment was last said to be under way.
    Of the order's first `requests` for refunds, `requested_minor` waits for an answer;
    `open_requests` is what is open of each, by id, also of those that Stripe refused.
    """

    paid_minor: int
    refunded_minor: int
    pending_refund_minor: int
    currency: str
    fully_paid: bool
    position: int
    failed_refund_minor: int = 0
    nothing_due: bool = False
    waiting_at: datetime | None = None
    requested_minor: int = 0
    requests: int = 0
    open_requests: Mapping[str, int] = {}

    @property
    def covers(self) -> bool:
        """Whether the order is paid and that did not go back in full; nothing may be due."""
        return self.fully_paid and (self.held_minor > 0 or self.nothing_due)

    @property
    def held_minor(self) -> int:
        """What was paid and not given back."""
        return self.paid_minor - self.refunded_minor

    def refundable_minor(self, asked: Sequence[int]) -> int:
        """What can still be asked back after an order's requests, in their order.

        A request waits until refunds answer it (`projections.refund_requests`); those that were
        made since this was read wait all the same.
        """
        waiting_minor = self.requested_minor + sum(asked[self.requests :])
        return self.held_minor - self.pending_refund_minor - waiting_minor


class Rules(Struct, frozen=True, kw_only=True):
    """What a shop allows in an order's lines; the settings say it.

    Where `listed_prices_only` is off, a line may cost what it says instead of the listed price.
    Where `repeated_skus` is on, a SKU may stand in several lines.
    """

    max_units_per_line: int = 50
    listed_prices_only: bool = True
    repeated_skus: bool = False


RULES_OF_THE_PAST: Final = Rules(
    max_units_per_line=MAX_LINE_UNITS, listed_prices_only=False, repeated_skus=True
)
"""For an order that was placed elsewhere: it was sold as it is."""


class _OfOrder(Command, frozen=True, kw_only=True):
    order_id: str


class OnMoney(_OfOrder, frozen=True, kw_only=True):
    """What is decided by the order's money."""

    money: OrderMoney


class PlaceOrder(_OfOrder, frozen=True, kw_only=True):
    """Order goods and hold them until `expires_at`; amounts in minor units of `currency`.

    A `total_minor` that is sent along must agree with the one that is computed. `rules` are those
    of the shop for the person who places it. An order of the past takes no stock (not
    `reserves_stock`): its products need not be listed, nor have the price of today.
    """

    currency: str
    lines: tuple[Line, ...]
    expires_at: datetime
    customer_id: str | None = None
    email: str | None = None
    shipping_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    total_minor: int | None = None
    shipping_address: Address | None = None
    rules: Rules = Rules()
    origin: OrderOrigin = "shop"
    reserves_stock: bool = True

    @property
    def units(self) -> Mapping[str, int]:
        """How many of each SKU it takes of the stock."""
        return units_of(self.lines) if self.reserves_stock else {}


class RecordOrder(Command, frozen=True, kw_only=True):
    """Write down an order of the past as it was placed and, where it has an end, how it ended."""

    placed: PlaceOrder
    fulfilled_at: datetime | None = None
    canceled_at: datetime | None = None

    @property
    def order_id(self) -> str:
        """The order's own id."""
        return self.placed.order_id

    def time_of(self, event: Event) -> datetime:
        """Its end has a time of its own."""
        if isinstance(event, OrderPlaced):
            return self.at
        return self.fulfilled_at or self.canceled_at or self.at


class CancelOrder(OnMoney, frozen=True, kw_only=True):
    """Call off an order that no money is held for, and that no payment is under way for.

    One that has expired is called off only where it was paid after that: it counts as sold.
    """


class ExpireOrder(OnMoney, frozen=True, kw_only=True):
    """Release an unpaid order's stock: the timer does when it is due, a person may before.

    The timer waits for payments that were last said to be under way after `waits_since`; a person,
    who says none, does not.
    """

    waits_since: datetime | None = None


class FulfilOrder(OnMoney, frozen=True, kw_only=True):
    """Send out the goods of a paid order."""


class ReturnLines(_OfOrder, frozen=True, kw_only=True):
    """Take units of a fulfilled order back into stock.

    `line_quantities` are units by line id; `quantities` are units by SKU, for those that are out in
    one line.
    """

    NEEDS_REASON: ClassVar = True

    quantities: Mapping[str, int] = {}
    line_quantities: Mapping[str, int] = {}


class KnownPayment(Struct, frozen=True, kw_only=True):
    """What is known of a payment's id: whether it is one, and which order it belongs to.

    `linked_by` says by whose word: Stripe's (`metadata`, `reference`, `invoice`) or the `shop`'s.
    An id that is a charge's is not a payment; `charge_of` is the payment that it is a charge of.
    `payment_id` is the id among those of all accounts, where a connected account's was meant by
    less.
    """

    payment_id: str | None = None
    exists: bool = False
    order_id: str | None = None
    linked_by: str | None = None
    charge_of: str | None = None


class OnPayment(_OfOrder, frozen=True, kw_only=True):
    """What is decided by what is known of a payment."""

    payment_id: str
    known: KnownPayment


class LinkPayment(OnPayment, frozen=True, kw_only=True):
    """Say that a payment belongs to an order; one that is not known yet must be `expected`."""

    expected: bool = False


class UnlinkPayment(OnPayment, frozen=True, kw_only=True):
    """Take back that a payment belongs to an order."""


class RequestRefund(OnMoney, frozen=True, kw_only=True):
    """Ask for money (minor units of what was paid) to go back to the customer."""

    amount_minor: int


class ReallocateOrder(OnMoney, frozen=True, kw_only=True):
    """Hold stock again for an order that was paid after its reservation had expired."""


OrderCommand = (
    PlaceOrder
    | CancelOrder
    | ExpireOrder
    | FulfilOrder
    | ReturnLines
    | LinkPayment
    | UnlinkPayment
    | RequestRefund
    | ReallocateOrder
)
