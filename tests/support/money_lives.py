"""Random lives of money that goes back, as Stripe tells them: what the laws of closed days need."""

from random import Random

from ledger.domain.facts import (
    AnyFact,
    DisputeFact,
    DisputeInquiry,
    DisputeLost,
    DisputeOpened,
    DisputeUnderReview,
    DisputeWon,
    FundsMovement,
)
from tests.projections.models import at

Told = tuple[int, AnyFact]
"""A report, and when Stripe made it: minutes after noon."""


def a_disputed_life(random: Random) -> list[Told]:
    """A dispute whose funds go to and fro in one to three currencies, listed, told or neither."""
    currencies = random.choice([["gbp"], ["usd"], ["usd"], ["gbp", "usd"], ["usd", "gbp", "eur"]])
    amount_minor = random.choice([1, 1000, random.randint(1, 10**12)])
    movements: list[FundsMovement] = []
    told: list[Told] = []
    minutes, out = 0, True
    state: type[DisputeFact] = random.choice([DisputeOpened, DisputeOpened, DisputeInquiry])
    for _ in range(random.randint(1, 6)):
        minutes += random.randint(1, 4000)
        moves, is_listed = random.random() < 0.75, random.random() < 0.8
        if moves and is_listed:
            movements.append(moved(random, minutes, random.choice(currencies), out, amount_minor))
        state = random.choice([state, state, DisputeUnderReview, DisputeLost, DisputeWon])
        says_so = moves and (not is_listed or random.random() < 0.5)
        fact = state(
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
