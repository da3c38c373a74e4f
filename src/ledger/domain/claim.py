"""Claims: which order the shop linked a payment to, so that no second order gets it meanwhile."""

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from ledger.domain.aggregate import Aggregate
from ledger.domain.events import (
    Event,
    PaymentClaimed,
    PaymentLinked,
    PaymentReleased,
    PaymentUnlinked,
)
from ledger.domain.order_commands import LinkPayment, UnlinkPayment
from ledger.errors import LinkedElsewhere

ClaimCommand = LinkPayment | UnlinkPayment
ClaimEvent = PaymentClaimed | PaymentReleased


class Claim(Struct, frozen=True):
    """The order that a payment is linked to by the shop, if any."""

    order_id: str | None = None


def evolve(_claim: Claim, event: ClaimEvent) -> Claim:
    """The claim after an event of the payment's stream."""
    match event:
        case PaymentClaimed(order_id=order_id):
            return Claim(order_id)
        case PaymentReleased():
            return Claim()
        case _:
            assert_never(event)


def decide(command: ClaimCommand, claim: Claim, decided: Iterable[Event]) -> list[ClaimEvent]:
    """What becomes of the claim by what was `decided` for the order; raises `LinkedElsewhere`.

    A link of the time before there were claims has none to release.
    """
    payment_id, order_id = command.payment_id, command.order_id
    made: list[ClaimEvent] = []
    for event in decided:
        if isinstance(event, PaymentLinked):
            if claim.order_id not in {None, order_id}:
                raise LinkedElsewhere(f"Payment {payment_id} belongs to order {claim.order_id}.")
            made.append(PaymentClaimed(payment_id=payment_id, order_id=order_id))
        if isinstance(event, PaymentUnlinked) and claim.order_id == order_id:
            made.append(PaymentReleased(payment_id=payment_id, order_id=order_id))
    return made


AGGREGATE = Aggregate(
    initial=Claim(), events=ClaimEvent, evolve=evolve, stream_id=lambda event: event.payment_id
)
"""No command is about a claim alone: those of its order decide it."""
