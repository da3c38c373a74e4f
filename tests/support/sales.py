"""Orders with their whole lives, from which the laws of sales make arrivals and plain readings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

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
    ChargeFact,
    ChargeState,
    CheckoutFact,
    CheckoutState,
    RefundFact,
    RefundState,
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
        captured = self._charge(order_id, self.amount_minor, ChargeState.CAPTURED)
        known = {"customer_id": self.customer_id, "email": self.email}
        yield self.minutes, msgspec.structs.replace(captured, **known)
        if self.refunded_minor:
            yield self.minutes + 1, self._refund(RefundState.SUCCEEDED)
        if self.refunded_minor and self.refund_fails:
            yield self.minutes + 2, self._refund(RefundState.FAILED)
        if self.taken_back is not None:
            yield self.taken_back, self._charge(order_id, 0, ChargeState.FAILED)

    def _charge(self, order_id: str, captured_minor: int, state: ChargeState) -> ChargeFact:
        return charge(
            captured_minor,
            charge_id=f"ch_{self.payment_id}",
            state=state,
            currency=self.currency,
            payment_id=self.payment_id,
            order_id=order_id,
            minutes=self.minutes,
        )

    def _refund(self, state: RefundState) -> RefundFact:
        return refund(
            state,
            self.refunded_minor,
            refund_id=f"re_{self.payment_id}",
            charge_id=f"ch_{self.payment_id}",
            payment_id=self.payment_id,
            currency=self.currency,
        )


@dataclass(frozen=True)
class Page:
    """A payment page: what it asked for and took off, and when it was completed and paid."""

    session_id: str
    completed: int
    minutes: int
    asked_minor: int
    off_minor: int
    currency: str

    def reports(self, order_id: str) -> Iterator[Timed]:
        """What Stripe said of it."""
        for minutes, state in (
            (self.completed, CheckoutState.COMPLETED),
            (self.minutes, CheckoutState.PAID),
        ):
            if self.asked_minor or state is CheckoutState.PAID:
                yield minutes, self._fact(order_id, state)

    def _fact(self, order_id: str, state: CheckoutState) -> CheckoutFact:
        return CheckoutFact(
            state=state,
            session_id=self.session_id,
            created_at=at(0),
            currency=self.currency,
            total_minor=self.asked_minor,
            discount_minor=self.off_minor,
            nothing_due=self.asked_minor == 0,
            order_id=order_id,
            mode="payment",
        )


class Period(NamedTuple):
    """From when what came in reached what was due to when a bank took back what it needs."""

    paid: int
    unpaid: int | None
    brought_minor: int


@dataclass(frozen=True)
class Life:
    """All that ever happens to an order; times are minutes, and no two of them are equal."""

    placed: OrderPlaced
    minutes: int
    payments: tuple[Payment, ...]
    pages: tuple[Page, ...]
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
        for each in (*self.payments, *self.pages):
            yield from each.reports(self.placed.order_id)

    @property
    def own(self) -> list[Payment]:
        """The payments in its currency, in the order in which they were made."""
        own = (p for p in self.payments if p.currency == self.placed.currency)
        return sorted(own, key=lambda p: p.minutes)

    @property
    def steps(self) -> Iterator[tuple[int, int, int]]:
        """When anything was paid, taken back or taken off; what came in so far, what is due."""
        moved = [(p.minutes, p.amount_minor) for p in self.own]
        moved += [(p.taken_back, -p.amount_minor) for p in self.own if p.taken_back is not None]
        for minutes in sorted({*(when for when, _ in moved), *(p.minutes for p in self.pages)}):
            received = sum(amount for when, amount in moved if when <= minutes)
            yield minutes, received, self.placed.total_minor - self.taken_off(minutes)

    def taken_off(self, minutes: int) -> int:
        """By its pages so far: the most of one, or what the first of them did, as parts of it."""
        total = self.placed.total_minor
        pages = sorted((p for p in self.pages if p.minutes <= minutes), key=lambda p: p.minutes)
        own = [p for p in pages if p.currency == self.placed.currency]
        offs = [min(p.off_minor, total) if p.asked_minor or p.off_minor else total for p in own]
        gross = [p.asked_minor + off for p, off in zip(own, offs, strict=True)]
        parts = [n for n in range(len(own) + 1) if sum(gross[:n]) <= total]
        return max([sum(offs[:n]) for n in parts] + offs)

    @property
    def periods(self) -> list[Period]:
        """When it was paid in full."""
        if self.placed.total_minor == 0:
            return [Period(self.minutes, None, 0)]
        found: list[Period] = []
        is_paid = False
        for minutes, received, due in self.steps:
            if received >= due and not is_paid:
                found.append(Period(minutes, None, min(received, due)))
            elif is_paid and received < due:
                found[-1] = found[-1]._replace(unpaid=minutes)
            is_paid = received >= due
        return found

    @property
    def overpaid(self) -> dict[int, int]:
        """What lies beyond what is due of it, in its currency: by when it came to."""
        beyond = [(minutes, max(came - due, 0)) for minutes, came, due in self.steps]
        before = [0, *(minor for _, minor in beyond)]
        return {
            minutes: minor - earlier
            for (minutes, minor), earlier in zip(beyond, before, strict=False)
            if minor != earlier
        }


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


def ways_to_pay(random: Random, whole: int) -> Sequence[tuple[int, int | None]]:
    """Amounts that are paid, and what a payment page took off for each, where it was one."""
    half, third, tenth = whole // 2, whole // 3, whole // 10
    return random.choice(
        [
            [],
            [(half, None)],
            *[[(whole, None)]] * 2,
            [(third, None), (whole - third, None)],
            [(whole, None)] * 2,
            [(whole - tenth, tenth)],
            [(whole - half, half)] * 2,
            [(whole - tenth, tenth)] * random.randint(2, 3),
            [(whole - third, third), (whole - half, half)],
            [(half - tenth, tenth), (whole - half - tenth, tenth)],
            [(half - tenth, tenth), (whole - half - tenth, tenth), (whole, 0)],
            [(0, whole)],
            [(0, third), (whole - third, 0)],
            [(0, 0)],
            [(0, whole), (whole, random.choice([None, 0]))],
            [(third, None), (whole - third - tenth, tenth), (half, half)],
        ]
    )


def a_life(random: Random, number: int, times: list[int]) -> Life:
    placed = an_order(random, number)
    payments: list[Payment] = []
    pages: list[Page] = []
    for part, (asked_minor, off_minor) in enumerate(ways_to_pay(random, placed.total_minor)):
        payment = a_payment(random, f"{number}_{part}", asked_minor, placed.currency, times.pop())
        if asked_minor:
            payments.append(payment)
        if off_minor is not None and placed.total_minor:
            later = random.choice([payment.minutes + 4, times.pop()])
            pages.append(
                Page(
                    session_id=f"cs_{number}_{part}",
                    completed=random.choice([later, min(later, payment.minutes)]),
                    minutes=later,
                    asked_minor=asked_minor,
                    off_minor=off_minor,
                    currency=payment.currency,
                )
            )
    first = min(times)
    times.remove(first)
    return Life(
        placed=placed,
        minutes=first,
        payments=tuple(payments),
        pages=tuple(pages),
        returns=tuple(sorted(some_returns(random, placed, times), key=lambda each: each[0])),
        canceled=times.pop() if random.random() < 0.25 else None,
    )


def a_payment(random: Random, name: str, amount_minor: int, currency: str, minutes: int) -> Payment:
    return Payment(
        payment_id=f"pi_{name}",
        minutes=minutes,
        amount_minor=amount_minor,
        currency=random.choice([*[currency] * 7, "usd"]),
        customer_id=random.choice([None, "bob"]),
        email=random.choice([None, "Ada@Example.com"]),
        refunded_minor=random.choice([0, 0, random.randint(0, amount_minor)]),
        refund_fails=random.random() < 0.3,
        taken_back=minutes + 3 + 5 * random.randint(0, 4000) if random.random() < 0.35 else None,
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
