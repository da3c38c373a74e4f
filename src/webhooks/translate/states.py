"""The state that Stripe reports an object in, as a state of our facts.

A state comes from the object's own status, not from the event's name, because a name only says why
the event was sent. Where a name decides after all, the function says so. A status that this version
does not know hides nothing: it is a separate state, named as Stripe names it.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from ledger.domain.facts import (
    UNKNOWN,
    ChargeState,
    CheckoutState,
    CustomerState,
    DisputeState,
    PaymentState,
    RefundState,
    State,
)
from webhooks.translate.objects import (
    OBSERVED,
    Charge,
    CheckoutSession,
    Dispute,
    PaymentIntent,
    Refund,
)

_PAYMENT_STATES: Mapping[str | None, PaymentState] = {
    "requires_payment_method": PaymentState.PENDING,
    "requires_confirmation": PaymentState.PENDING,
    "requires_action": PaymentState.PENDING,
    "requires_source": PaymentState.PENDING,  # the names of two statuses before 2019-02-11
    "requires_source_action": PaymentState.PENDING,
    "processing": PaymentState.PROCESSING,
    "requires_capture": PaymentState.AUTHORIZED,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELED,
}

_REFUND_STATES: Mapping[str | None, RefundState] = {
    None: RefundState.SUCCEEDED,  # refunds were instantaneous before they had a status
    "pending": RefundState.PENDING,
    "requires_action": RefundState.REQUIRES_ACTION,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}

_DISPUTE_STATES: Mapping[str | None, DisputeState] = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.INQUIRY_CLOSED,
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.UNDER_REVIEW,
    "appeal_needs_response": DisputeState.APPEAL_OPEN,  # since 2026-10-28
    "appeal_under_review": DisputeState.APPEAL_UNDER_REVIEW,
    "charge_refunded": DisputeState.CLOSED,
    "prevented": DisputeState.CLOSED,
    "lost": DisputeState.LOST,
    "won": DisputeState.WON,
}

_CHECKOUT_WORDS: Final = frozenset({"open", "complete", "expired", None})
_PAID: Final = frozenset({"paid", "no_payment_required"})
PAYMENT_STATUSES: Final = _PAID | {"unpaid"}

StateType = TypeVar("StateType", bound=State)


def payment_state(intent: PaymentIntent, event_type: str) -> PaymentState:
    """A payment's state; only the event's name tells a failed attempt from one not made yet.

    Of a payment that was fetched, the error of its last attempt does, as long as another way to
    pay is asked for: Stripe clears it when the payment is changed.
    """
    state = named(_PAYMENT_STATES, intent.status, PaymentState.UNKNOWN)
    has_failed = event_type == "payment_intent.payment_failed" or (
        event_type.endswith(OBSERVED)
        and intent.last_payment_error is not None
        and intent.status == "requires_payment_method"
    )
    return PaymentState.FAILED if state is PaymentState.PENDING and has_failed else state


def charge_state(charge: Charge, event_type: str) -> ChargeState:
    """A charge's state; before charges had a status, `paid` said whether one failed.

    A hold that ended without a capture is `refunded`, or its event is `charge.expired`.
    """
    status = charge.status or ("failed" if charge.paid is False else "succeeded")
    if status == "failed":
        return ChargeState.FAILED
    if status == "pending":
        return ChargeState.PENDING
    if status not in {"succeeded", "paid"}:  # "paid" until 2014
        return ChargeState.UNKNOWN
    if charge.captured is not False or charge.amount_captured:  # of several captures a first one
        return ChargeState.CAPTURED
    is_over = charge.refunded or event_type == "charge.expired"
    return ChargeState.EXPIRED if is_over else ChargeState.AUTHORIZED


def refund_state(refund: Refund, event_type: str) -> RefundState:
    """A refund's state; `refund.failed` says by its name that the money came back."""
    state = named(_REFUND_STATES, refund.status, RefundState.UNKNOWN)
    return RefundState.FAILED if event_type == "refund.failed" else state


def dispute_state(dispute: Dispute) -> DisputeState:
    """A dispute's state: funds withdrawn is not lost, funds reinstated is not won."""
    is_inquiry = dispute.status.startswith("warning_")
    unknown = DisputeState.INQUIRY_UNKNOWN if is_inquiry else DisputeState.UNKNOWN
    return named(_DISPUTE_STATES, dispute.status, unknown)


def checkout_state(session: CheckoutSession, event_type: str) -> CheckoutState:
    """A session's state; only the event's name tells how a payment ended that took its time."""
    if session.status == "expired" or event_type == "checkout.session.expired":
        return CheckoutState.EXPIRED
    if event_type == "checkout.session.async_payment_failed":
        return CheckoutState.FAILED
    if event_type == "checkout.session.async_payment_succeeded":
        return CheckoutState.PAID
    if session.status == "open":
        return CheckoutState.OPEN
    if session.payment_status in _PAID:
        return CheckoutState.PAID
    return CheckoutState.COMPLETED if session.status in _CHECKOUT_WORDS else CheckoutState.UNKNOWN


def customer_state(event_type: str) -> CustomerState:
    """A customer's state; the object of a deleted one is sometimes the last one before."""
    return CustomerState.DELETED if event_type == "customer.deleted" else CustomerState.ACTIVE


def named(
    states: Mapping[str | None, StateType], status: str | None, unknown: StateType
) -> StateType:
    """The state that a status names; one that we do not know is not guessed at."""
    return states.get(status, unknown)


def unknown_word(state: State, status: str | None) -> str | None:
    """What Stripe calls a state, where this version has no name for it."""
    return status if state.word == UNKNOWN else None
