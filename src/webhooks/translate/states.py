"""The state that Stripe reports an object in, as a class of fact.

A state comes from the object's own status, not from the event's name, because a name only says why
the event was sent. Where a name decides after all, the function says so. A status that this version
does not know hides nothing: it is a state of its own, called as Stripe calls it.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from ledger.domain.facts import (
    UNKNOWN,
    ChargeAuthorized,
    ChargeCaptured,
    ChargeExpired,
    ChargeFact,
    ChargeFailed,
    ChargePending,
    ChargeUnknown,
    CheckoutCompleted,
    CheckoutExpired,
    CheckoutFact,
    CheckoutFailed,
    CheckoutOpened,
    CheckoutPaid,
    CheckoutUnknown,
    CustomerDeleted,
    CustomerFact,
    CustomerSeen,
    DisputeAppealOpened,
    DisputeAppealUnderReview,
    DisputeClosed,
    DisputeFact,
    DisputeInquiry,
    DisputeInquiryClosed,
    DisputeInquiryUnknown,
    DisputeLost,
    DisputeOpened,
    DisputeUnderReview,
    DisputeUnknown,
    DisputeWon,
    PaymentAttemptFailed,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentFact,
    PaymentProcessing,
    PaymentStarted,
    PaymentSucceeded,
    PaymentUnknown,
    RefundCanceled,
    RefundFact,
    RefundFailed,
    RefundPending,
    RefundRequiresAction,
    RefundSucceeded,
    RefundUnknown,
    StatefulFact,
)
from webhooks.translate.objects import Charge, CheckoutSession, Dispute, PaymentIntent, Refund

_PAYMENT_STATES: Mapping[str | None, type[PaymentFact]] = {
    "requires_payment_method": PaymentStarted,
    "requires_confirmation": PaymentStarted,
    "requires_action": PaymentStarted,
    "requires_source": PaymentStarted,  # the names of two statuses before 2019-02-11
    "requires_source_action": PaymentStarted,
    "processing": PaymentProcessing,
    "requires_capture": PaymentAuthorized,
    "succeeded": PaymentSucceeded,
    "canceled": PaymentCanceled,
}

_REFUND_STATES: Mapping[str | None, type[RefundFact]] = {
    None: RefundSucceeded,  # refunds were instantaneous before they had a status
    "pending": RefundPending,
    "requires_action": RefundRequiresAction,
    "succeeded": RefundSucceeded,
    "failed": RefundFailed,
    "canceled": RefundCanceled,
}

_DISPUTE_STATES: Mapping[str | None, type[DisputeFact]] = {
    "warning_needs_response": DisputeInquiry,
    "warning_under_review": DisputeInquiry,
    "warning_closed": DisputeInquiryClosed,
    "needs_response": DisputeOpened,
    "under_review": DisputeUnderReview,
    "appeal_needs_response": DisputeAppealOpened,  # since 2026-10-28
    "appeal_under_review": DisputeAppealUnderReview,
    "charge_refunded": DisputeClosed,
    "prevented": DisputeClosed,
    "lost": DisputeLost,
    "won": DisputeWon,
}

_CHECKOUT_WORDS: Final = frozenset({"open", "complete", "expired", None})
_PAID: Final = frozenset({"paid", "no_payment_required"})
PAYMENT_STATUSES: Final = _PAID | {"unpaid"}

State = TypeVar("State", bound=StatefulFact)


def payment_state(intent: PaymentIntent, event_type: str) -> type[PaymentFact]:
    """A payment's state; only the event's name tells a failed attempt from one not made yet."""
    state = named(_PAYMENT_STATES, intent.status, PaymentUnknown)
    if state is PaymentStarted and event_type == "payment_intent.payment_failed":
        return PaymentAttemptFailed
    return state


def charge_state(charge: Charge, event_type: str) -> type[ChargeFact]:
    """A charge's state; before charges had a status, `paid` said whether one failed.

    A hold that ended without a capture is `refunded`, or its event is `charge.expired`.
    """
    status = charge.status or ("failed" if charge.paid is False else "succeeded")
    if status == "failed":
        return ChargeFailed
    if status == "pending":
        return ChargePending
    if status not in {"succeeded", "paid"}:  # "paid" until 2014
        return ChargeUnknown
    if charge.captured is not False or charge.amount_captured:  # of several captures a first one
        return ChargeCaptured
    is_over = charge.refunded or event_type == "charge.expired"
    return ChargeExpired if is_over else ChargeAuthorized


def refund_state(refund: Refund, event_type: str) -> type[RefundFact]:
    """A refund's state; `refund.failed` says by its name that the money came back."""
    state = named(_REFUND_STATES, refund.status, RefundUnknown)
    return RefundFailed if event_type == "refund.failed" else state


def dispute_state(dispute: Dispute) -> type[DisputeFact]:
    """A dispute's state: funds withdrawn is not lost, funds reinstated is not won."""
    is_inquiry = dispute.status.startswith("warning_")
    unknown = DisputeInquiryUnknown if is_inquiry else DisputeUnknown
    return named(_DISPUTE_STATES, dispute.status, unknown)


def checkout_state(session: CheckoutSession, event_type: str) -> type[CheckoutFact]:
    """A session's state; only the event's name tells how a payment ended that took its time."""
    if session.status == "expired" or event_type == "checkout.session.expired":
        return CheckoutExpired
    if event_type == "checkout.session.async_payment_failed":
        return CheckoutFailed
    if event_type == "checkout.session.async_payment_succeeded":
        return CheckoutPaid
    if session.status == "open":
        return CheckoutOpened
    if session.payment_status in _PAID:
        return CheckoutPaid
    return CheckoutCompleted if session.status in _CHECKOUT_WORDS else CheckoutUnknown


def customer_state(event_type: str) -> type[CustomerFact]:
    """A customer's state; the object of a deleted one is sometimes the last one before."""
    return CustomerDeleted if event_type == "customer.deleted" else CustomerSeen


def named(
    states: Mapping[str | None, type[State]], status: str | None, unknown: type[State]
) -> type[State]:
    """The state that a status names; one that we do not know is not guessed at."""
    return states.get(status, unknown)


def unknown_word(state: type[StatefulFact], status: str | None) -> str | None:
    """What Stripe calls a state, where this version has no name for it."""
    return status if state.STATE == UNKNOWN else None
