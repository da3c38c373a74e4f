"""Orders with their whole lives, from which the laws of sales make arrivals and plain readings."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import msgspec

from ledger.domain.events import (
    Line,
    OrderCanceled,
    OrderLinesReturned,
    OrderPlaced,
    ReturnedLine,
    lines_by_id,
)
from ledger.domain.facts import (
    AnyFact,
    ChargeCaptured,
    ChargeFact,
    ChargeFailed,
    RefundFact,
    RefundFailed,
    RefundSucceeded,
)
from tests.projections.models import at, charge, refund

DAYS = 45

Timed = tuple[int, AnyFact]


@dataclass(frozen=True)
class Payment:
    """One charge for an order, and what became of it; a bank may take it back weeks later."""

    payment_id: str
    minutes: int
    amount_minor: int
    currency: str
    customer_id: str | None
    email: str | None
    refunded_minor: int
    refund_fails: bool
    taken_back: int | None

    def reports(self, order_id: str) -> Iterator[Timed]:
        """What Stripe said of it."""
        captured = self._charge(order_id, self.amount_minor, ChargeCaptured)
        known = {"customer_id": self.customer_id, "email": self.email}
        yield self.minutes, msgspec.structs.replace(captured, **known)
        if self.refunded_minor:
            yield self.minutes + 1, self._refund(RefundSucceeded)
        if self.refunded_minor and self.refund_fails:
            yield self.minutes + 2, self._refund(RefundFailed)
        if self.taken_back is not None:
            yield self.taken_back, self._charge(order_id, 0, ChargeFailed)

    def _charge(self, order_id: str, captured_minor: int, state: type[ChargeFact]) -> ChargeFact:
        return charge(
            captured_minor,
            charge_id=f"ch_{self.payment_id}",
            state=state,
            currency=self.currency,
            payment_id=self.payment_id,
            order_id=order_id,
            minutes=self.minutes,
        )

    def _refund(self, state: type[RefundFact]) -> RefundFact:
        return refund(
            state,
            self.refunded_minor,
            refund_id=f"re_{self.payment_id}",
            charge_id=f"ch_{self.payment_id}",
            payment_id=self.payment_id,
            currency=self.currency,
        )


@dataclass(frozen=True)
class Life:
    """All that ever happens to an order; times are minutes, and no two of them are equal."""

    placed: OrderPlaced
    minutes: int
    payments: tuple[Payment, ...]
    returns: tuple[tuple[int, OrderLinesReturned], ...]
    canceled: int | None

    def actions(self) -> Iterator[Timed]:
        """What the shop did."""
        yield self.minutes, self.placed
        yield from self.returns
        if self.canceled is not None:
            yield self.canceled, OrderCanceled(order_id=self.placed.order_id)

    def reports(self) -> Iterator[Timed]:
        """What Stripe said."""
        for paid in self.payments:
            yield from paid.reports(self.placed.order_id)

    @property
    def own(self) -> list[Payment]:
        """The payments in its currency, in the order in which they were made."""
        own = (p for p in self.payments if p.currency == self.placed.currency)
        return sorted(own, key=lambda p: p.minutes)

    @property
    def periods(self) -> list[tuple[int, int | None]]:
        """From when its payments reach its total to when a bank takes back what it needs."""
        if self.placed.total_minor == 0:
            return [(self.minutes, None)]
        moved = [(p.minutes, p.amount_minor) for p in self.own]
        moved += [(p.taken_back, -p.amount_minor) for p in self.own if p.taken_back is not None]
        so_far, found = 0, list[tuple[int, int | None]]()
        for minutes, amount_minor in sorted(moved):
            was_paid = so_far >= self.placed.total_minor
            so_far += amount_minor
            if so_far >= self.placed.total_minor and not was_paid:
                found.append((minutes, None))
            elif was_paid and so_far < self.placed.total_minor:
                found[-1] = (found[-1][0], minutes)
        return found


def an_order(random: Random, number: int) -> OrderPlaced:
    """Some have a SKU in several lines."""
    skus = random.sample(["CAP", "MUG", "PEN", "TEE"], random.randint(1, 4))
    skus += random.choices(skus, k=random.choice([0, 0, 1, 2]))
    lines = tuple(
        Line(
            sku=sku,
            name=sku.title(),
            quantity=random.randint(1, 7),
            unit_minor=random.choice([0, 1, 333, random.randint(1, 99_999)]),
            line_id=random.choice([None, f"line-{place}"]),
        )
        for place, sku in enumerate(skus, 1)
    )
    shipping_minor, tax_minor = random.choice([(0, 0), (500, 0), (499, 87)])
    due_minor = sum(each.quantity * each.unit_minor for each in lines) + shipping_minor + tax_minor
    discount_minor = random.choice([0, due_minor // 7, random.randint(0, due_minor), due_minor])
    return OrderPlaced(
        order_id=f"A{number}",
        currency=random.choice(["gbp", "jpy"]),
        lines=lines,
        total_minor=due_minor - discount_minor,
        expires_at=at(0),
        customer_id=random.choice([None, None, "ada", "bob"]),
        email=random.choice([None, "Ada@example.com", "ada@example.com"]),
        shipping_minor=shipping_minor,
        tax_minor=tax_minor,
        discount_minor=discount_minor,
    )


def a_life(random: Random, number: int, times: list[int]) -> Life:
    placed = an_order(random, number)
    whole = placed.total_minor
    amounts = random.choice(
        [[], [whole // 2], [whole], [whole], [whole // 3, whole - whole // 3], [whole, whole]]
    )
    payments = tuple(
        Payment(
            payment_id=f"pi_{number}_{part}",
            minutes=(minutes := times.pop()),
            amount_minor=amount_minor,
            currency=random.choice([*[placed.currency] * 7, "usd"]),
            customer_id=random.choice([None, "bob"]),
            email=random.choice([None, "Ada@Example.com"]),
            refunded_minor=random.choice([0, 0, random.randint(0, amount_minor)]),
            refund_fails=random.random() < 0.3,
            taken_back=minutes + 3 + 5 * random.randint(0, 4000) if random.random() < 0.2 else None,
        )
        for part, amount_minor in enumerate(filter(None, amounts))
    )
    first = min(times)
    times.remove(first)
    return Life(
        placed=placed,
        minutes=first,
        payments=payments,
        returns=tuple(sorted(some_returns(random, placed, times), key=lambda each: each[0])),
        canceled=times.pop() if random.random() < 0.25 else None,
    )


def some_returns(
    random: Random, placed: OrderPlaced, times: list[int]
) -> Iterator[tuple[int, OrderLinesReturned]]:
    """Some lines come back, in one or more steps, some of them in full.

    Those of an order without repeated SKUs may be told as they were before lines had ids.
    """
    lines = list(lines_by_id(placed.lines).items())
    older = len({line.sku for _, line in lines}) == len(lines) and random.random() < 0.5
    for line_id, line in random.sample(lines, random.randint(0, len(lines))):
        out = line.quantity
        while out and random.random() < 0.8:
            quantity = random.randint(1, out)
            out -= quantity
            came_back = ReturnedLine(line_id=line_id, sku=line.sku, quantity=quantity)
            yield (
                times.pop(),
                OrderLinesReturned(
                    order_id=placed.order_id,
                    quantities={line.sku: quantity},
                    lines=() if older else (came_back,),
                ),
            )


def some_lives(seed: int) -> list[Life]:
    random = Random(f"daily sales {seed}")
    minutes = random.sample(range(0, DAYS * 24 * 60, 5), 24 * 40)
    return [a_life(random, n, minutes[n * 40 : (n + 1) * 40]) for n in range(24)]


def arrivals(lives: list[Life], random: Random) -> list[Timed]:
    """The shop's actions in their order, and Stripe's reports anywhere, every fourth twice."""
    actions = sorted((each for life in lives for each in life.actions()), key=lambda each: each[0])
    reports = [each for life in lives for each in life.reports()]
    reports += random.sample(reports, len(reports) // 4)
    random.shuffle(reports)
    turns = [actions] * len(actions) + [reports] * len(reports)
    random.shuffle(turns)
    waiting = {id(actions): iter(actions), id(reports): iter(reports)}
    return [next(waiting[id(turn)]) for turn in turns]
