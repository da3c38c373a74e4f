"""Random lives of money that goes back, as Stripe tells them: what the laws of closed days need."""

from collections.abc import Iterator
from functools import partial
from random import Random

import msgspec

from ledger.domain.facts import (
    AnyFact,
    ChargeState,
    DisputeFact,
    DisputeState,
    FundsMovement,
    PaymentFact,
    PaymentState,
    RefundState,
)
from tests.projections.models import at, charge, refund

Told = tuple[int, AnyFact]
"""A report, and when Stripe made it: minutes after noon."""


def a_disputed_life(random: Random) -> list[Told]:
    """A dispute whose funds go to and fro in one to three currencies, listed, told or neither."""
    currencies = random.choice([["gbp"], ["usd"], ["usd"], ["gbp", "usd"], ["usd", "gbp", "eur"]])
    amount_minor = random.choice([1, 1000, random.randint(1, 10**12)])
    movements: list[FundsMovement] = []
    told: list[Told] = []
    minutes, out = 0, True
    state: DisputeState = random.choice(
        [DisputeState.OPEN, DisputeState.OPEN, DisputeState.INQUIRY]
    )
    for _ in range(random.randint(1, 6)):
        minutes += random.randint(1, 4000)
        moves, is_listed = random.random() < 0.75, random.random() < 0.8
        if moves and is_listed:
            movements.append(moved(random, minutes, random.choice(currencies), out, amount_minor))
        state = random.choice(
            [state, state, DisputeState.UNDER_REVIEW, DisputeState.LOST, DisputeState.WON]
        )
        says_so = moves and (not is_listed or random.random() < 0.5)
        fact = DisputeFact(
            state=state,
            dispute_id="dp_1",
            amount_minor=amount_minor,
            currency="gbp",
            created_at=at(0),
            charge_id="ch_1",
            movements=tuple(movements),
            withdrawn=says_so and out,
            reinstated=says_so and not out,
        )
        told.append((minutes, fact))
        if moves and random.random() < 0.7:
            out = not out
    return told


def a_paid_life(random: Random) -> list[Told]:
    """A hold or a payment, taken in one to three captures, of which refunds go back.

    Captures are told by the charge, the payment, or both. A refund is told when it is made; or only
    the charge's total tells of it, at once; or, later, that it failed.
    """
    tellers = random.choice(["c", "p", "cp", "cp"])
    held = random.random() < 0.6
    totals = sorted(random.sample(range(8000, 10000), random.randint(1, 3) if held else 1))
    told = list(_captures(random, tellers, totals, held=held))
    told += _refunds(random, 10_000, totals[-1] if "c" in tellers else None)
    if "c" in tellers and random.random() < 0.2:
        told.append((random.randint(10_000, 20_000), charge(0, state=ChargeState.FAILED)))
    return sorted(told, key=lambda each: each[0])


def _captures(random: Random, tellers: str, totals: list[int], *, held: bool) -> Iterator[Told]:
    if held and "c" in tellers:
        yield 0, charge(0, state=ChargeState.AUTHORIZED)
    minutes = 0
    for total in totals:
        minutes = random.randint(minutes + 1, minutes + 3000) if held else 0
        if "c" in tellers:
            yield minutes, captured(total, minutes if random.random() < 0.7 else 0)
        if "p" in tellers and (random.random() < 0.8 or tellers == "p"):
            yield (
                minutes,
                paid(
                    total,
                    PaymentState.SUCCEEDED if total == totals[-1] else PaymentState.AUTHORIZED,
                ),
            )
        if "c" in tellers and random.random() < 0.3:
            yield minutes + 1, captured(total, 0)


def _refunds(random: Random, minutes: int, captured_minor: int | None) -> Iterator[Told]:
    """Without a charge that was captured, no total tells of them."""
    total = 0
    for number in range(random.randint(0, 4)):
        minutes += random.randint(1, 2000)
        amount = random.randint(1, 500)
        total += amount
        is_told, waits, fails = (random.random() < chance for chance in (0.6, 0.3, 0.3))
        is_told |= captured_minor is None
        made = partial(refund, amount_minor=amount, refund_id=f"re_{number}", minutes=minutes)
        if is_told:
            yield minutes, made(RefundState.PENDING if waits else RefundState.SUCCEEDED)
        if captured_minor is not None and (not is_told or random.random() < 0.6):
            yield minutes, charge(captured_minor, refunded_minor=total)
        if is_told and waits and not (fails and random.random() < 0.5):
            minutes += random.randint(1, 2000)
            yield minutes, made(RefundState.SUCCEEDED)
        if fails and (is_told or not waits):
            minutes += random.randint(1, 2000)
            total -= amount
            yield minutes, made(RefundState.FAILED)


def captured(total: int, when: int) -> AnyFact:
    """A report of the charge, which was made at noon; `when` is when it was taken, as it says."""
    return msgspec.structs.replace(charge(total), captured_at=at(when))


def paid(total: int, state: PaymentState) -> PaymentFact:
    return PaymentFact(
        state=state,
        payment_id="pi_1",
        amount_minor=10_000,
        received_minor=total,
        currency="gbp",
        created_at=at(0),
        charge_id="ch_1",
        order_id="A1",
    )


def moved(
    random: Random, minutes: int, currency: str, out: bool, amount_minor: int
) -> FundsMovement:
    """About the whole, or a part of it."""
    worth = max(1, amount_minor * random.choice([9, 10, 11]) // 10)
    minor = random.choice([worth, worth, random.randint(1, worth)])
    return FundsMovement(
        transaction_id=f"txn_{minutes}",
        amount_minor=-minor if out else minor,
        fee_minor=random.choice([0, 2000, -2000]),
        currency=currency,
        created_at=at(minutes),
    )
