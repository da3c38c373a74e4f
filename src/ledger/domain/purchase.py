"""Purchases: what was bought at the provider's, and the one order that is made of it.

A purchase has several objects there: a payment page, an invoice, payments, a subscription that it
opens. Each has a stream of its own that remembers the order that was made of it, so that there is
never a second one, whichever of them is looked at, and in whatever order they are reported.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, assert_never, get_args

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.accounts import name_of
from ledger.domain.aggregate import Aggregate, Command, StateOf
from ledger.domain.claim import Claim
from ledger.domain.events import (
    Event,
    Line,
    PaymentClaimed,
    PaymentLinked,
    PurchaseOrdered,
    PurchaseRefused,
)
from ledger.domain.facts import REMAINDER, Sale, SoldLine
from ledger.domain.limits import MAX_LINE_UNITS, MAX_LINES, check_payment_id, is_id
from ledger.domain.money import split
from ledger.domain.order_commands import RULES_OF_THE_PAST, PlaceOrder
from ledger.errors import AlreadyExists, FieldError, LinkedElsewhere

PurchaseKind = Literal["checkout", "invoice", "payment"]
PURCHASE_KINDS: Final[Sequence[PurchaseKind]] = get_args(PurchaseKind)
"""What an order is made of; of two that are one purchase, the earlier kind here makes it."""


class PurchaseObject(Struct, frozen=True):
    """An object of a purchase, by its id among those of all accounts.

    `kind` is `checkout`, `invoice`, `payment` or `subscription`.
    """

    kind: str
    object_id: str


class OrderPurchase(Command, frozen=True, kw_only=True):
    """Make an order of a purchase: of all these objects, paid by these payments.

    `object_id` is the one that says what was sold.
    """

    placed: PlaceOrder
    object_id: str
    objects: tuple[PurchaseObject, ...]
    payments: tuple[str, ...] = ()

    @property
    def order_id(self) -> str:
        """The order that is made."""
        return self.placed.order_id


class RefusePurchase(Command, frozen=True, kw_only=True):
    """Say why no order could be made of a purchase."""

    kind: PurchaseKind
    object_id: str
    message: str


PurchaseEvent = PurchaseOrdered | PurchaseRefused


class Purchase(Struct, frozen=True):
    """The order that was made of an object, if any, or why none could be."""

    order_id: str | None = None
    refused_because: str | None = None


def evolve(_purchase: Purchase, event: PurchaseEvent) -> Purchase:
    """The purchase after an event of its stream."""
    match event:
        case PurchaseOrdered(order_id=order_id):
            return Purchase(order_id)
        case PurchaseRefused(message=message):
            return Purchase(refused_because=message)
        case _:
            assert_never(event)


def decide(command: RefusePurchase, purchase: Purchase) -> list[PurchaseEvent]:
    """The reason, where it is another one than was said last; none once there is an order."""
    if purchase.order_id is not None or purchase.refused_because == command.message:
        return []
    return [
        PurchaseRefused(kind=command.kind, object_id=command.object_id, message=command.message)
    ]


def check(command: OrderPurchase) -> None:
    """Raise InvalidCommand for payments that cannot be."""
    for payment_id in command.payments:
        check_payment_id(payment_id)


def needs(command: OrderPurchase) -> set[str]:
    """The streams that say whether a part of it belongs to an order already."""
    return {f"purchase/{each.object_id}" for each in command.objects} | {
        f"payment/{payment_id}" for payment_id in command.payments
    }


def order_purchase(
    command: OrderPurchase, placed: Sequence[Event], *, is_new: bool, state_of: StateOf
) -> list[Event]:
    """The order with its payments, or nothing where it was made before; raises a `Refused`.

    `placed` are the events of the order itself, which `is_new` or not.
    """
    order_id = command.order_id
    made: set[str | None] = set()
    for each in command.objects:
        purchase: Purchase = state_of(f"purchase/{each.object_id}")
        made.add(purchase.order_id)
    if others := sorted(made - {None, order_id}, key=str):
        raise LinkedElsewhere(f"Order {others[0]} was made of this purchase.")
    if order_id in made:
        return []
    if not is_new:
        told = f"Order {order_id} exists already, and was not made of this purchase."
        raise AlreadyExists(told, FieldError("id", "taken", told))
    for payment_id in command.payments:
        claim: Claim = state_of(f"payment/{payment_id}")
        if claim.order_id is not None:
            raise LinkedElsewhere(f"Payment {payment_id} belongs to order {claim.order_id}.")
    return [*placed, *_linked(command), *_ordered(command)]


def _linked(command: OrderPurchase) -> Iterator[Event]:
    for payment_id in command.payments:
        yield PaymentLinked(order_id=command.order_id, payment_id=payment_id)
        yield PaymentClaimed(order_id=command.order_id, payment_id=payment_id)


def _ordered(command: OrderPurchase) -> Iterator[Event]:
    for each in command.objects:
        yield PurchaseOrdered(kind=each.kind, object_id=each.object_id, order_id=command.order_id)


AGGREGATE: Final = Aggregate(
    initial=Purchase(),
    events=PurchaseEvent,
    evolve=evolve,
    stream_id=lambda event: event.object_id,
    commands=RefusePurchase,
    key="object_id",
    decide=lambda command, purchase, _: decide(command, purchase),
)
"""The command that makes its order decides what else becomes of it."""


# ── From what was sold to an order ──────────────────────────────────────────────────────────────


def bare_name(object_id: str) -> str:
    """How an object's id is written where an account must not stand in it: after a dot.

    So is an order called that is made of it, and a SKU that is a product's id.
    """
    bare, account = name_of(object_id)
    named = bare if account is None else f"{bare}.{account}"
    if "." not in bare and is_id(named):
        return named
    return f"sha256-{sha256(object_id.encode()).hexdigest()}"


def order_of(
    purchase_id: str,
    kind: PurchaseKind,
    sale: Sale,
    lines: Sequence[SoldLine],
    *,
    placed_at: datetime,
    reservation: timedelta,
    order_id: str | None = None,
) -> PlaceOrder:
    """The order of a purchase that was made at a time; it takes no stock.

    It is called as the purchase names it, else like its object.
    Total, shipping, tax and discount are those of the sale, as far as they leave something for the
    goods; credits among the lines count as discount. One that loses its payment expires as if there
    had been a `reservation`.
    """
    sale, lines = _with_credits(sale, lines)
    goods_minor = sale.total_minor - sale.shipping_minor - sale.tax_minor + sale.discount_minor
    if goods_minor < 0:
        sale = replace(sale, shipping_minor=0, tax_minor=0, discount_minor=0)
        lines, goods_minor = (), sale.total_minor
    return PlaceOrder(
        order_id=order_id or bare_name(purchase_id),
        at=placed_at,
        currency=sale.currency,
        lines=_lines(goods_minor, lines, sale),
        expires_at=placed_at + reservation,
        customer_id=sale.customer_id,
        email=sale.email,
        shipping_minor=sale.shipping_minor,
        tax_minor=sale.tax_minor,
        discount_minor=sale.discount_minor,
        total_minor=sale.total_minor,
        shipping_address=sale.shipping_address,
        rules=RULES_OF_THE_PAST,
        origin=kind,
        reserves_stock=False,
    )


def _with_credits(sale: Sale, lines: Sequence[SoldLine]) -> tuple[Sale, Sequence[SoldLine]]:
    credit_minor = -sum(min(line.amount_minor, 0) for line in lines)
    discounted = replace(sale, discount_minor=sale.discount_minor + credit_minor)
    return discounted, [line for line in lines if line.amount_minor >= 0]


def _lines(goods_minor: int, shown: Sequence[SoldLine], sale: Sale) -> tuple[Line, ...]:
    """Lines that add up to the goods exactly.

    What no line shows (a list may be cut) is one more; where the lines show more than there is,
    each has its share of it.
    """
    amounts = [line.amount_minor for line in shown]
    if sum(amounts) > goods_minor:
        amounts = split(goods_minor, amounts)
    lines = [
        each
        for line, amount_minor in zip(shown, amounts, strict=True)
        for each in _pieces(line, amount_minor)
    ]
    if not lines or len(lines) > MAX_LINES or _worth(lines) < goods_minor:
        lines = lines[: MAX_LINES - 1]
        left_minor = goods_minor - _worth(lines)
        lines.append(Line(sku=sale.sku, name=sale.name, quantity=1, unit_minor=left_minor))
    return tuple(lines)


def _worth(lines: Iterable[Line]) -> int:
    return sum(line.quantity * line.unit_minor for line in lines)


def _pieces(line: SoldLine, amount_minor: int) -> tuple[Line, ...]:
    """A line of so many units at one price; where none fits, some cost one minor unit more."""
    sku = line.sku or (bare_name(line.product_id) if line.product_id else REMAINDER)
    quantity = line.quantity if 1 <= line.quantity <= MAX_LINE_UNITS else 1
    unit_minor, dearer = divmod(amount_minor, quantity)
    units = ((quantity - dearer, unit_minor), (dearer, unit_minor + 1))
    return tuple(
        Line(sku=sku, name=line.name, quantity=count, unit_minor=each)
        for count, each in units
        if count
    )
