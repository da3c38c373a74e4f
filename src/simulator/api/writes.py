"""What a client may do by way of the API: refunds, and each of them once.

https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/idempotent_requests
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from simulator.api import errors, query
from simulator.api.keys import Account
from simulator.objects import Charge, Payment
from simulator.sent import Events
from simulator.stripe import SimulatedStripe

KEPT_SECONDS = 86_400
_ALLOWED = {"amount", "charge", "metadata", "payment_intent", "reason", "refund_application_fee"}
_REASONS = {"duplicate", "fraudulent", "requested_by_customer"}


class Answer(Struct, frozen=True):
    """What a request was answered with; a replay has the same bytes."""

    status: int
    body: bytes
    headers: dict[str, str]


class _Kept(Struct, frozen=True):
    at: int
    request: tuple[object, ...]
    answer: Answer


class Idempotency:
    """The answers that were given to keys, for a day."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bool, str], _Kept] = {}

    def once(
        self,
        scope: tuple[str, bool, str],
        request: tuple[object, ...],
        now: int,
        carry_out: Callable[[], Answer],
    ) -> Answer:
        """The answer to a key (of an account and a mode), carried out at its first use only."""
        kept = self._kept.get(scope)
        if kept is not None and kept.at > now - KEPT_SECONDS:
            if kept.request != request:
                raise _other_parameters(scope[2])
            replayed = {"Idempotent-Replayed": "true"}
            return Answer(kept.answer.status, kept.answer.body, kept.answer.headers | replayed)
        answer = carry_out()
        self._kept[scope] = _Kept(now, request, answer)
        return answer


def create_refund(
    account: Account, stripe: SimulatedStripe, form: list[tuple[str, str]]
) -> tuple[Any, Events]:
    """A refund of a payment intent or charge: of an amount, or of all that is left."""
    asked = query.only(form, _ALLOWED)
    payment = _payment(stripe, asked)
    amount = query.integer("amount", asked["amount"]) if "amount" in asked else None
    reason = asked.get("reason")
    if reason is not None and reason not in _REASONS:
        wanted = ", ".join(sorted(_REASONS))
        raise errors.Refused(400, f"Invalid reason: must be one of {wanted}", param="reason")
    _check_left(payment.charge, amount)
    refund, events = stripe.refund(payment, amount, reason=reason, metadata=_metadata(asked))
    account.sent.extend(events)
    return refund, events


def _payment(stripe: SimulatedStripe, asked: Mapping[str, str]) -> Payment:
    assert stripe.memory is not None
    if "charge" in asked:
        charge: Charge | None = stripe.memory.shelf("charge").get(asked["charge"])
        if charge is None:
            raise errors.missing("charge", asked["charge"], "charge")
        return charge.payment
    if "payment_intent" not in asked:
        raise errors.Refused(
            400,
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
        )
    payment: Payment | None = stripe.memory.shelf("payment_intent").get(asked["payment_intent"])
    if payment is None:
        raise errors.missing("payment_intent", asked["payment_intent"], "payment_intent")
    if not payment.charges or not payment.charge.captured:
        raise errors.Refused(
            400,
            f"This PaymentIntent ({payment.id}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
        )
    return payment


def _check_left(charge: Charge, amount: int | None) -> None:
    left = charge.refundable_minor
    if charge.dispute is not None and charge.dispute.movements:
        raise errors.Refused(
            400,
            f"Charge {charge.id} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if left <= 0:
        raise errors.Refused(
            400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded"
        )
    if amount is not None and amount < 1:
        raise errors.Refused(
            400, "Invalid positive integer", code="parameter_invalid_integer", param="amount"
        )
    if amount is not None and amount > left:
        currency = charge.payment.currency
        raise errors.Refused(
            400,
            f"Refund amount ({amount} {currency}) is greater than unrefunded amount on charge "
            f"({left} {currency})",
            code="amount_too_large",
            param="amount",
        )


def _metadata(asked: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in asked.items()
        if name.startswith("metadata[")
    }


def _other_parameters(key: str) -> errors.Refused:
    return errors.Refused(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request.",
        kind="idempotency_error",
    )
