"""Sales as a plain reading finds them: orders that became fully paid, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from ledger.domain.events import Line, OrderCanceled, OrderLinesReturned, OrderPlaced
from ledger.domain.facts import Moment
from tests.kpi.plain.payments import Payment
from tests.kpi.plain.said import Amount, Said, all_of

OrderEvent = TypeVar("OrderEvent", OrderCanceled, OrderLinesReturned)


class Back(NamedTuple):
    """Units of a line that came back or were called off, and what they are worth."""

    at: datetime
    units: int
    return_minor: int


class SoldLine(NamedTuple):
    """A line of a sale."""

    units: int
    gross_minor: int
    discount_minor: int
    back: list[Back]


class Sale(NamedTuple):
    """An order that became fully paid; nothing of it is called off before that."""

    order: OrderPlaced
    paid_at: datetime
    canceled_at: datetime | None
    customer: str | None
    brought_minor: int
    refunded_minor: int
    lines: list[SoldLine]


def orders_of(said: Said) -> dict[str, tuple[Moment, OrderPlaced]]:
    return {fact.order_id: (at, fact) for at, fact in all_of(said, OrderPlaced)}


def read_sales(said: Said, payments: list[Payment]) -> Iterator[Sale]:
    for order_id, (placed, order) in orders_of(said).items():
        own = [p for p in payments if p.order_id == order_id and p.currency == order.currency]
        brought: list[Any] = [payment for payment in own if payment.received_minor > 0]
        brought.sort(key=lambda payment: (payment.succeeded_at, payment.payment_id))
        paid_at = placed.effective_at if order.total_minor == 0 else paid_when(order, own)
        if paid_at is None:
            continue
        over = [max(at.effective_at, paid_at) for at, _ in of(said, OrderCanceled, order)]
        canceled_at = max(over, default=None)
        yield Sale(
            order,
            paid_at,
            canceled_at,
            customer_of(order, brought),
            min(order.total_minor, sum(payment.received_minor for payment in own)),
            sum(payment.refunded_minor for payment in own),
            sold_lines(said, order, paid_at, canceled_at),
        )


def of(said: Said, kind: type[OrderEvent], order: OrderPlaced) -> list[tuple[Moment, OrderEvent]]:
    return [(at, fact) for at, fact in all_of(said, kind) if fact.order_id == order.order_id]


def paid_when(order: OrderPlaced, payments: list[Payment]) -> datetime | None:
    """When what its payments brought last came to reach its total, if it still does."""
    moved = [(a.at, p.payment_id, a.value < 0, a.value) for p in payments for a in p.received]
    so_far, paid_at = 0, None
    for at, _, _, value in sorted(moved):
        if so_far < order.total_minor <= so_far + value:
            paid_at = at
        so_far += value
    return paid_at if so_far >= order.total_minor else None


def overpaid(said: Said, payments: list[Payment]) -> Iterator[tuple[str, Amount]]:
    """By currency: what is left of each amount when its order costs no more."""
    for order_id, (_, order) in orders_of(said).items():
        own = [payment for payment in payments if payment.order_id == order_id]
        for currency in {payment.currency for payment in own}:
            costs = order.total_minor if currency == order.currency else 0
            so_far = 0
            for at, _, _, value in sorted(
                (a.at, p.payment_id, a.value < 0, a.value)
                for p in own
                if p.currency == currency
                for a in p.received
            ):
                beyond = max(so_far + value - costs, 0) - max(so_far - costs, 0)
                so_far += value
                yield currency, Amount(at, beyond)


def customer_of(order: OrderPlaced, brought: list[Payment]) -> str | None:
    """By customer id, else e-mail; what the order does not say its first payment may."""
    email = order.email.lower() if order.email else None
    if order.customer_id or email or not brought:
        return order.customer_id or email
    first = brought[0]
    return first.customer_id or (first.email.lower() if first.email else None)


def sold_lines(
    said: Said, order: OrderPlaced, paid_at: datetime, canceled_at: datetime | None
) -> list[SoldLine]:
    returns = of(said, OrderLinesReturned, order)
    lines: list[SoldLine] = []
    shares = discount_shares(order)
    for place, (line, discount_minor) in enumerate(zip(order.lines, shares, strict=True), 1):
        gross_minor = line.quantity * line.unit_minor
        told = [(at.effective_at, came_back(fact, line, place)) for at, fact in returns]
        back = [(max(at, paid_at), units) for at, units in told if units]
        if canceled_at is not None:
            back.append((canceled_at, line.quantity))
        taken = list(taken_back(back, line.quantity, gross_minor - discount_minor))
        lines.append(SoldLine(line.quantity, gross_minor, discount_minor, taken))
    return lines


def came_back(fact: OrderLinesReturned, line: Line, place: int) -> int:
    """Units of a line, told by its id (else its place), or by its SKU in older events."""
    if not fact.lines:
        return fact.quantities.get(line.sku, 0)
    own = line.line_id or str(place)
    return sum(each.quantity for each in fact.lines if each.line_id == own)


def taken_back(
    returns: list[tuple[datetime, int]], quantity: int, net_minor: int
) -> Iterator[Back]:
    """By cumulative rounding, half to even: what all units are worth together is the net amount."""
    units = worth = 0
    for at, more in returns:
        so_far = min(units + more, quantity)
        worth_so_far = round(Fraction(net_minor * so_far, quantity))
        yield Back(at, so_far - units, worth_so_far - worth)
        units, worth = so_far, worth_so_far


def discount_shares(order: OrderPlaced) -> list[int]:
    """By the lines' amounts; what rounding down leaves goes to the largest remainders."""
    amounts = [line.quantity * line.unit_minor for line in order.lines]
    if not any(amounts):
        amounts[0] = 1
    exact = [Fraction(order.discount_minor * amount, sum(amounts)) for amount in amounts]
    shares = [int(share) for share in exact]
    largest_first = sorted(range(len(shares)), key=lambda i: shares[i] - exact[i])
    for i in largest_first[: order.discount_minor - sum(shares)]:
        shares[i] += 1
    return shares
