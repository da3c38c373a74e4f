"""Sales as a plain reading finds them: orders that became fully paid, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeVar

from ledger.domain.events import Line, OrderCanceled, OrderLinesReturned, OrderPlaced
from ledger.domain.facts import EventContext
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


class Period(NamedTuple):
    """A time for which an order was fully paid, and what it had brought when that began."""

    paid_at: datetime
    unpaid_at: datetime | None
    brought_minor: int

    def holds(self, at: datetime) -> bool:
        """Whether it was not over by then."""
        return self.unpaid_at is None or at < self.unpaid_at


class Sale(NamedTuple):
    """An order while it was fully paid; nothing of it is called off before that.

    `is_first` where it had not been paid before: a bank may take back what paid it.
    """

    order: OrderPlaced
    is_first: bool
    paid_at: datetime
    unpaid_at: datetime | None
    canceled_at: datetime | None
    customer: str | None
    brought_minor: int
    refunded_minor: int
    lines: list[SoldLine]


def orders_of(said: Said) -> dict[str, tuple[EventContext, OrderPlaced]]:
    return {fact.order_id: (at, fact) for at, fact in all_of(said, OrderPlaced)}


def read_sales(said: Said, payments: list[Payment]) -> Iterator[Sale]:
    for order_id, (placed, order) in orders_of(said).items():
        own = [p for p in payments if p.order_id == order_id and p.currency == order.currency]
        brought = [payment for payment in own if payment.received]
        brought.sort(key=lambda payment: (payment.received[0].at, payment.payment_id))
        periods = list(periods_of(order, placed.effective_at, own))
        for period in periods:
            canceled = [at.effective_at for at, _ in of(said, OrderCanceled, order)]
            over = [max(at, period.paid_at) for at in canceled if period.holds(at)]
            canceled_at = max(over, default=None)
            yield Sale(
                order,
                period is periods[0],
                period.paid_at,
                period.unpaid_at,
                canceled_at,
                customer_of(order, brought),
                period.brought_minor,
                sum(payment.refunded_minor for payment in own),
                sold_lines(said, order, period, canceled_at),
            )


def of(
    said: Said, kind: type[OrderEvent], order: OrderPlaced
) -> list[tuple[EventContext, OrderEvent]]:
    return [(at, fact) for at, fact in all_of(said, kind) if fact.order_id == order.order_id]


def periods_of(
    order: OrderPlaced, placed_at: datetime, payments: list[Payment]
) -> Iterator[Period]:
    """From when its payments reach its total to when a bank takes back what it needs."""
    total_minor = order.total_minor
    if total_minor == 0:
        yield Period(placed_at, None, 0)
        return
    moved = [(a.at, p.payment_id, a.value < 0, a.value) for p in payments for a in p.received]
    so_far, begun = 0, None
    for at, _, _, value in sorted(moved):
        so_far += value
        if begun is None and so_far >= total_minor:
            begun = Period(at, None, total_minor)
        elif begun is not None and so_far < total_minor:
            yield begun._replace(unpaid_at=at)
            begun = None
    if begun is not None:
        yield begun


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
    said: Said, order: OrderPlaced, period: Period, canceled_at: datetime | None
) -> list[SoldLine]:
    returns = of(said, OrderLinesReturned, order)
    lines: list[SoldLine] = []
    shares = discount_shares(order)
    for place, (line, discount_minor) in enumerate(zip(order.lines, shares, strict=True), 1):
        gross_minor = line.quantity * line.unit_minor
        told = [(at.effective_at, came_back(fact, line, place)) for at, fact in returns]
        back = [
            (max(at, period.paid_at), units) for at, units in told if units and period.holds(at)
        ]
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
