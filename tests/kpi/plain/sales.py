"""Sales as a plain reading finds them: orders that became fully paid, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeVar

from ledger.domain.events import Line, OrderCanceled, OrderLinesReturned, OrderPlaced
from ledger.domain.facts import CheckoutFact, EventContext
from tests.kpi.plain.payments import Payment
from tests.kpi.plain.said import Amount, Said, all_of
from tests.kpi.plain.things import Thing, things

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
        periods = list(periods_of(said, order, placed.effective_at, own))
        for period in periods:
            canceled = [at.effective_at for at, _ in of(said, OrderCanceled, order)]
            over = [max(at, period.paid_at) for at in canceled if period.holds(at)]
            canceled_at = max(over, default=None)
            known = [p for p in brought if p.received[0].at <= period.paid_at]
            yield Sale(
                order,
                period is periods[0],
                period.paid_at,
                period.unpaid_at,
                canceled_at,
                customer_of(order, known if order.total_minor else brought),
                period.brought_minor,
                sum(payment.refunded_minor for payment in own),
                sold_lines(said, order, period, canceled_at),
            )


def of(
    said: Said, kind: type[OrderEvent], order: OrderPlaced
) -> list[tuple[EventContext, OrderEvent]]:
    return [(at, fact) for at, fact in all_of(said, kind) if fact.order_id == order.order_id]


def periods_of(
    said: Said, order: OrderPlaced, placed_at: datetime, payments: list[Payment]
) -> Iterator[Period]:
    """From when its payments reach what is due to when a bank takes back what it needs."""
    if order.total_minor == 0:
        yield Period(placed_at, None, 0)
        return
    begun = None
    for at, received, due in states_of(said, order, payments):
        if begun is None and received >= due:
            begun = Period(at, None, min(received, due))
        elif begun is not None and received < due:
            yield begun._replace(unpaid_at=at)
            begun = None
    if begun is not None:
        yield begun


def overpaid(said: Said, payments: list[Payment]) -> Iterator[tuple[str, Amount]]:
    """By currency: what each amount, or page, adds to what lies beyond what is due."""
    for order_id, (_, order) in orders_of(said).items():
        own = [payment for payment in payments if payment.order_id == order_id]
        for payment in own:
            if payment.currency != order.currency:
                yield from ((payment.currency, amount) for amount in payment.received)
        beyond = 0
        own = [payment for payment in own if payment.currency == order.currency]
        for at, received, due in states_of(said, order, own) if own else ():
            yield order.currency, Amount(at, max(received - due, 0) - beyond)
            beyond = max(received - due, 0)


def states_of(
    said: Said, order: OrderPlaced, payments: list[Payment]
) -> Iterator[tuple[datetime, int, int]]:
    """What was received and what was due, after each payment and each page, in time.

    Of one instant the page comes first: it says what its payment is for.
    """
    moved = [(a.at, 1, p.payment_id, a.value < 0, a.value) for p in payments for a in p.received]
    moved += [(a.at, 0, "", False, a.value) for a in waived(said, order)]
    received, due = 0, order.total_minor
    for at, is_paid, _, _, value in sorted(moved):
        received += value if is_paid else 0
        due -= 0 if is_paid else value
        yield at, received, due


def waived(said: Said, order: OrderPlaced) -> Iterator[Amount]:
    """What each payment page took off that no page before it did.

    Pages that together come to no more than the total are parts of the order: each takes off its
    own. Of any others the one that takes off most counts.
    """
    paid = [(paid_at(page), page) for page in pages_of(said, order)]
    told = [(at, page.newest.session_id, taken_off(page, order)) for at, page in paid if at]
    so_far = most = of_parts = pages_minor = 0
    for at, _, (off, asked) in sorted(told):
        pages_minor += off + asked
        of_parts += off if pages_minor <= order.total_minor else 0
        most = max(most, off)
        if max(most, of_parts) > so_far:
            yield Amount(at, max(most, of_parts) - so_far)
            so_far = max(most, of_parts)


def pages_of(said: Said, order: OrderPlaced) -> list[Thing]:
    """Those whose metadata name it, or, where they name none, whose reference does."""
    found: list[Thing] = []
    for page in things(said, CheckoutFact, "session_id").values():
        named = page.latest_named("order_id")
        if order.order_id == (named[1] if named else page.known("reference")):
            found.append(page)
    return found


def paid_at(page: Thing) -> datetime | None:
    """When it was first said to be paid, by a page that still is."""
    if page.state != "paid":
        return None
    return page.since(lambda fact: fact.state.word == "paid")


def taken_off(page: Thing, order: OrderPlaced) -> tuple[int, int]:
    """What it took off the order's total, and what it asked for, both in the order's currency."""
    is_own = page.newest.currency == order.currency
    asked = (page.newest.total_minor or 0) if is_own else 0
    if page.newest.currency is not None and not is_own:
        return 0, 0
    if page.known("nothing_due"):
        return min(order.total_minor, page.known("discount_minor") or order.total_minor), asked
    less = max(order.total_minor - asked, 0)
    knows = is_own and page.newest.total_minor is not None
    return min(less, page.known("discount_minor") or 0) if knows else 0, asked


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
