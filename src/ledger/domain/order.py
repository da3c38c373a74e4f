"""Orders: the states of one, how an event changes it, and what a command does to it."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain import claim, purchase
from ledger.domain.aggregate import Aggregate, StateOf
from ledger.domain.claim import ClaimCommand
from ledger.domain.events import (
    Event,
    Line,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PaymentLinked,
    PaymentUnlinked,
    RefundRequested,
    ReturnedLine,
    StockReleased,
    StockReturned,
    StockSold,
    lines_by_id,
)
from ledger.domain.limits import check_between, check_id, check_payment_id
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    LinkPayment,
    OrderCommand,
    OrderMoney,
    PlaceOrder,
    ReallocateOrder,
    RecordOrder,
    RequestRefund,
    ReturnLines,
    UnlinkPayment,
    units_of,
)
from ledger.domain.placing import place, reserve
from ledger.domain.purchase import OrderPurchase
from ledger.domain.stock import Item, StockEvent, missing
from ledger.errors import (
    AlreadyExists,
    FieldError,
    InvalidCommand,
    LinkedElsewhere,
    UnknownOrder,
    UnknownPayment,
    WrongState,
)

PAYMENT_INTENT: Final = "pi_"
AT_STRIPE: Final = {
    "metadata": "its own metadata",
    "reference": "the reference of its checkout",
    "invoice": "the checkout of its invoice",
}
"""By what a payment is linked that is not the shop's own word."""
"""How the id of a payment begins that Stripe has not reported yet."""

# ── States ──────────────────────────────────────────────────────────────────────────────────────


class Sale(Struct, frozen=True, kw_only=True):
    """What is known of an order whatever its state; lines by id, amounts in minor units."""

    order_id: str
    total_minor: int
    lines: Mapping[str, Line]
    customer_id: str | None = None
    payments: frozenset[str] = frozenset()
    refunds_requested: tuple[int, ...] = ()
    reserves_stock: bool = True

    @property
    def units(self) -> Mapping[str, int]:
        """How many of each SKU it takes of the stock; none for an order of the past."""
        return units_of(self.lines.values()) if self.reserves_stock else {}


class NoOrder(Struct, frozen=True):
    """Nothing was ordered under this id."""


class Pending(Struct, frozen=True):
    """Its stock is held; whether it is paid is Stripe's to say."""

    sale: Sale
    NAME: ClassVar = "pending"


class Canceled(Struct, frozen=True):
    """Called off."""

    sale: Sale
    NAME: ClassVar = "canceled"


class Expired(Struct, frozen=True):
    """Not paid in time."""

    sale: Sale
    NAME: ClassVar = "expired"


class Unallocated(Struct, frozen=True):
    """Paid after it had expired, when there was not enough stock any more."""

    sale: Sale
    NAME: ClassVar = "paid, unallocated"


class Fulfilled(Struct, frozen=True):
    """The goods left; `returned` units (by line id) came back."""

    sale: Sale
    returned: Mapping[str, int]
    NAME: ClassVar = "fulfilled"

    @property
    def out(self) -> Mapping[str, int]:
        """Units by line id that did not come back."""
        return {
            line_id: line.quantity - self.returned.get(line_id, 0)
            for line_id, line in self.sale.lines.items()
        }


KnownOrder = Pending | Canceled | Expired | Unallocated | Fulfilled
Order = NoOrder | KnownOrder
OrderEvent = (
    OrderPlaced
    | OrderCanceled
    | OrderExpired
    | OrderReinstated
    | OrderAllocationFailed
    | OrderFulfilled
    | OrderLinesReturned
    | PaymentLinked
    | PaymentUnlinked
    | RefundRequested
)
Change = OrderEvent | StockEvent


def evolve(order: Order, event: OrderEvent) -> Order:
    """The order after an event of its stream."""
    if isinstance(event, OrderPlaced):
        return Pending(
            Sale(
                order_id=event.order_id,
                total_minor=event.total_minor,
                lines=lines_by_id(event.lines),
                customer_id=event.customer_id,
                reserves_stock=event.reserves_stock,
            )
        )
    assert not isinstance(order, NoOrder), "an order's stream begins with OrderPlaced"
    sale = order.sale
    match event:
        case OrderCanceled():
            return Canceled(sale)
        case OrderExpired():
            return Expired(sale)
        case OrderReinstated():
            return Pending(sale)
        case OrderAllocationFailed():
            return Unallocated(sale)
        case OrderFulfilled():
            return Fulfilled(sale, {})
        case OrderLinesReturned():
            assert isinstance(order, Fulfilled), "only what left can come back"
            return Fulfilled(sale, _sum(order.returned, _came_back(sale, event)))
        case PaymentLinked() | PaymentUnlinked() | RefundRequested():
            return replace(order, sale=_noted(sale, event))
        case _:
            assert_never(event)


def _noted(sale: Sale, event: PaymentLinked | PaymentUnlinked | RefundRequested) -> Sale:
    if isinstance(event, PaymentLinked):
        return replace(sale, payments=sale.payments | {event.payment_id})
    if isinstance(event, PaymentUnlinked):
        return replace(sale, payments=sale.payments - {event.payment_id})
    return replace(sale, refunds_requested=(*sale.refunds_requested, event.amount_minor))


def _came_back(sale: Sale, event: OrderLinesReturned) -> dict[str, int]:
    """Units by line id, also where the event is older than they are."""
    if event.lines:
        return {line.line_id: line.quantity for line in event.lines}
    return {
        line_id: event.quantities[line.sku]
        for line_id, line in sale.lines.items()
        if line.sku in event.quantities
    }


def _sum(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: some.get(name, 0) + more.get(name, 0) for name in {**some, **more}}


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────


def decide(command: OrderCommand, order: Order, items: Mapping[str, Item]) -> list[Change]:
    """What a command does to an order and to the stock `items` of its lines (by SKU).

    No events: what is asked for was done before. Raises a `Refused`.
    """
    if isinstance(command, PlaceOrder):
        return _place(command, order, items)
    if isinstance(order, NoOrder):
        raise UnknownOrder(f"There is no order {command.order_id[:100]!r}.")
    match command:
        case CancelOrder():
            return _cancel(command, order)
        case ExpireOrder():
            return _expire(command, order)
        case FulfilOrder():
            return _fulfil(command, order)
        case ReturnLines():
            return _take_back(command, order)
        case LinkPayment() | UnlinkPayment():
            return _relink(command, order)
        case RequestRefund():
            return _request_refund(command, order)
        case ReallocateOrder():
            return _reallocate(command, order, items)
        case _:
            assert_never(command)


def _place(command: PlaceOrder, order: Order, items: Mapping[str, Item]) -> list[Change]:
    if not isinstance(order, NoOrder):
        told = f"Order {command.order_id} exists already; use another id, or none."
        raise AlreadyExists(told, FieldError("id", "taken", told))
    placed, reserved = place(command, items)
    return [placed, *reserved]


def _record(command: RecordOrder, order: Order) -> list[Change]:
    """The order of the past with its end, if it had one: all of it, or nothing."""
    placed = _place(command.placed, order, {})
    order_id = command.order_id
    if command.fulfilled_at is not None:
        return [*placed, OrderFulfilled(order_id=order_id, based_on_position=0)]
    return [*placed, OrderCanceled(order_id=order_id)] if command.canceled_at else placed


def _cancel(command: CancelOrder, order: KnownOrder) -> list[Change]:
    if isinstance(order, Canceled):
        return []
    if isinstance(order, Expired | Unallocated) and command.money.fully_paid:
        # It was paid too late and is a sale until it is called off. Its stock is free already.
        return [OrderCanceled(order_id=_given_back(order, command.money).order_id)]
    sale = _unpaid(order, command.money, "can be called off")
    if command.money.waiting_at is not None:
        raise _wrong_state(
            order,
            "a payment for it is under way; cancel that first, at Stripe, or expire the order: its"
            " stock is free then, and holds for the money if it comes all the same",
        )
    return [OrderCanceled(order_id=sale.order_id), *_release(sale)]


def _expire(command: ExpireOrder, order: KnownOrder) -> list[Change]:
    sale, money = _unpaid(order, command.money, "can expire"), command.money
    if money.fully_paid and money.refunded_minor > 0 and not money.nothing_due:
        raise WrongState(f"Order {sale.order_id} is refunded in full; cancel it instead.")
    if money.fully_paid:
        raise _wrong_state(order, "nothing is due of it; it is paid")
    since, waiting_at = command.waits_since, money.waiting_at
    if since is not None and waiting_at is not None and waiting_at > since:
        raise _wrong_state(order, "a payment for it is under way")
    return [OrderExpired(order_id=sale.order_id), *_release(sale)]


def _unpaid(order: KnownOrder, money: OrderMoney, what: str) -> Sale:
    if not isinstance(order, Pending):
        raise _wrong_state(order, f"only a pending one {what}")
    return _given_back(order, money)


def _given_back(order: KnownOrder, money: OrderMoney) -> Sale:
    if money.held_minor > 0:
        paid = "paid" if money.fully_paid else "partially paid"
        raise WrongState(f"Order {order.sale.order_id} is {paid}; refund its money first.")
    return order.sale


def _release(sale: Sale) -> list[Change]:
    return [
        StockReleased(sku=sku, order_id=sale.order_id, quantity=units)
        for sku, units in sale.units.items()
    ]


def _fulfil(command: FulfilOrder, order: KnownOrder) -> list[Change]:
    if isinstance(order, Fulfilled):
        return []
    sale, money = order.sale, command.money
    if not isinstance(order, Pending):
        raise _wrong_state(order, "only a paid one whose stock is held can be fulfilled")
    if sale.total_minor > 0 and not money.fully_paid:
        raise _wrong_state(
            order, f"{money.paid_minor} of {sale.total_minor} (minor units) are paid"
        )
    if money.refunded_minor > 0 and money.held_minor <= 0 and not money.nothing_due:
        raise WrongState(f"Order {sale.order_id} is refunded in full; cancel it instead.")
    return [
        OrderFulfilled(order_id=sale.order_id, based_on_position=money.position),
        *(
            StockSold(sku=sku, order_id=sale.order_id, quantity=units)
            for sku, units in sale.units.items()
        ),
    ]


def _take_back(command: ReturnLines, order: KnownOrder) -> list[Change]:
    if not isinstance(order, Fulfilled):
        raise _wrong_state(order, "only the goods of a fulfilled one can come back")
    if not (command.quantities or command.line_quantities):
        must = "one must name what came back."
        raise InvalidCommand(
            f"quantities and line_quantities are empty; {must}",
            FieldError("quantities", "missing", must),
        )
    lines = order.sale.lines
    back = _sum(command.line_quantities, _by_line(command, order))
    for line_id, quantity in back.items():
        if not order.out.get(line_id):
            told = _none_out(f"line {line_id[:100]!r}", command)
            raise InvalidCommand(told, FieldError("line_quantities", "invalid", told))
        name, field = f"the quantity of {lines[line_id].sku}", f"line_quantities.{line_id}"
        check_between(name, quantity, 1, order.out[line_id], field=field)
    returned = tuple(
        ReturnedLine(line_id=line_id, sku=lines[line_id].sku, quantity=quantity)
        for line_id, quantity in back.items()
    )
    units = units_of(returned)
    return [
        OrderLinesReturned(order_id=command.order_id, quantities=units, lines=returned),
        *(
            StockReturned(sku=sku, order_id=command.order_id, quantity=quantity)
            for sku, quantity in units.items()
            if order.sale.reserves_stock
        ),
    ]


def _by_line(command: ReturnLines, order: Fulfilled) -> dict[str, int]:
    """What was said by SKU, by the one line of it that is still out."""
    found: dict[str, int] = {}
    for sku, quantity in command.quantities.items():
        out = [name for name, line in order.sale.lines.items() if line.sku == sku]
        out = [name for name in out if order.out[name] > 0]
        if not out:
            told = _none_out(repr(sku[:100]), command)
            raise InvalidCommand(told, FieldError("quantities", "invalid", told))
        if len(out) > 1:
            told = (
                f"{sku} of order {command.order_id} is out in the lines {', '.join(out)}; say by"
                " line how much of each came back."
            )
            raise InvalidCommand(told, FieldError("quantities", "ambiguous", told))
        found[out[0]] = quantity
    return found


def _none_out(what: str, command: ReturnLines) -> str:
    return f"No {what} of order {command.order_id} is still out."


def _relink(command: LinkPayment | UnlinkPayment, order: KnownOrder) -> list[Change]:
    """A link can be taken back also where Stripe's word has given the payment to another order."""
    check_payment_id(command.payment_id)
    takes_back = isinstance(command, UnlinkPayment) and command.payment_id in order.sale.payments
    if not takes_back and (other := command.known.order_id) not in {None, command.order_id}:
        told = f"Payment {command.payment_id} belongs to order {other}."
        raise LinkedElsewhere(told, FieldError("payment_id", "linked_elsewhere", told))
    if isinstance(command, LinkPayment):
        return _link(command, order)
    return _unlink(command, order)


def _link(command: LinkPayment, order: KnownOrder) -> list[Change]:
    if command.known.order_id == command.order_id or command.payment_id in order.sale.payments:
        return []
    _check_is_payment(command)
    return [PaymentLinked(order_id=command.order_id, payment_id=command.payment_id)]


def _check_is_payment(command: LinkPayment) -> None:
    """A payment whose webhook is yet to come is known by its prefix only, and must be expected."""
    payment_id, known = command.payment_id, command.known
    if known.exists:
        return
    if known.charge_of is not None:
        told = f"{payment_id} is a charge of payment {known.charge_of}; link that."
        raise InvalidCommand(told, FieldError("payment_id", "invalid", told))
    if not payment_id.startswith(PAYMENT_INTENT):
        told = f"{payment_id} is no payment; link one, as `{PAYMENT_INTENT}…`."
        raise InvalidCommand(told, FieldError("payment_id", "invalid", told))
    if not command.expected:
        raise UnknownPayment(
            f"No payment {payment_id} is known. If Stripe is yet to report it, link it as expected."
        )


def _unlink(command: UnlinkPayment, order: KnownOrder) -> list[Change]:
    """Only the shop's own word can be taken back."""
    known = command.known
    if known.order_id == command.order_id and known.linked_by in AT_STRIPE:
        raise WrongState(
            f"Payment {command.payment_id} belongs to order {command.order_id} by"
            f" {AT_STRIPE[known.linked_by]}, which cannot be unlinked here; change it at Stripe."
        )
    if command.payment_id not in order.sale.payments:
        raise UnknownPayment(
            f"Payment {command.payment_id} is not linked to order {command.order_id}."
        )
    return [PaymentUnlinked(order_id=command.order_id, payment_id=command.payment_id)]


def _request_refund(command: RequestRefund, order: KnownOrder) -> list[Change]:
    money = command.money
    refundable_minor = money.refundable_minor(order.sale.refunds_requested)
    if refundable_minor <= 0:
        raise _wrong_state(order, "nothing that was paid is left to refund")
    check_between(
        "amount_minor", command.amount_minor, 1, refundable_minor, currency=money.currency
    )
    requested = RefundRequested(
        order_id=command.order_id,
        amount_minor=command.amount_minor,
        currency=money.currency,
        based_on_position=money.position,
    )
    return [requested]


def _reallocate(
    command: ReallocateOrder, order: KnownOrder, items: Mapping[str, Item]
) -> list[Change]:
    """The first failure is recorded; a later try changes something only when it succeeds."""
    if isinstance(order, Pending | Fulfilled):
        return []
    if isinstance(order, Canceled):
        raise _wrong_state(order, "its money can only go back")
    sale, money = order.sale, command.money
    if not money.covers:
        raise _wrong_state(order, "its money is not there")
    if not (short := missing(sale.units, items)):
        return [OrderReinstated(order_id=sale.order_id), *reserve(sale.order_id, sale.units)]
    if isinstance(order, Unallocated):
        return []
    return [OrderAllocationFailed(order_id=sale.order_id, missing=short)]


def _wrong_state(order: KnownOrder, why: str) -> WrongState:
    return WrongState(f"Order {order.sale.order_id} is {order.NAME}; {why}.")


# ── The aggregate ───────────────────────────────────────────────────────────────────────────────


AnyCommand = OrderCommand | OrderPurchase | RecordOrder
"""Those of an order that is there or begins, and those that write one down."""


def _check(command: AnyCommand) -> None:
    check_id("order id", command.order_id)
    for line in command.lines if isinstance(command, PlaceOrder) else ():
        check_id("SKU", line.sku)
    if isinstance(command, ClaimCommand):
        check_payment_id(command.payment_id)
    if isinstance(command, OrderPurchase):
        purchase.check(command)


def _needs(command: AnyCommand) -> set[str]:
    if isinstance(command, OrderPurchase):
        return purchase.needs(command)
    if isinstance(command, ClaimCommand):
        return {f"payment/{command.payment_id}"}
    return {f"stock/{sku}" for sku in _ordered(command)}


def _ordered(command: AnyCommand) -> set[str]:
    return set(command.units) if isinstance(command, PlaceOrder) else set()


def _goods(order: Order) -> set[str]:
    return set() if isinstance(order, NoOrder) else set(order.sale.units)


def _decide(command: AnyCommand, order: Order, state_of: StateOf) -> Sequence[Event]:
    """Of a payment that is linked, the claim is decided with it."""
    if isinstance(command, OrderPurchase):
        is_new = isinstance(order, NoOrder)
        placed = place(command.placed, {})[:1] if is_new else ()
        return purchase.order_purchase(command, placed, is_new=is_new, state_of=state_of)
    if isinstance(command, RecordOrder):
        return _record(command, order)
    skus = _ordered(command) | _goods(order)
    decided = decide(command, order, {sku: state_of(f"stock/{sku}") for sku in skus})
    if not isinstance(command, ClaimCommand):
        return [*decided]
    held = state_of(f"payment/{command.payment_id}")
    return [*claim.decide(command, held, decided), *decided]


AGGREGATE = Aggregate(
    initial=NoOrder(),
    events=OrderEvent,
    evolve=evolve,
    stream_id=lambda event: event.order_id,
    commands=AnyCommand,
    key="order_id",
    decide=_decide,
    check=_check,
    needs=_needs,
    state_needs=lambda order: {f"stock/{sku}" for sku in _goods(order)},
    correlated=True,
)
