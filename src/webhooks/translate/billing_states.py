"""The state that Stripe reports a subscription, invoice or payout in (see `states`)."""

from collections.abc import Mapping

from ledger.domain.billing_facts import InvoiceState, PayoutState, SubscriptionState
from webhooks.translate.billing_objects import Invoice, Payout, Subscription
from webhooks.translate.states import named

_SUBSCRIPTION_STATES: Mapping[str | None, SubscriptionState] = {
    "incomplete": SubscriptionState.INCOMPLETE,
    "trialing": SubscriptionState.TRIALING,
    "paused": SubscriptionState.PAUSED,
    "active": SubscriptionState.ACTIVE,
    "past_due": SubscriptionState.PAST_DUE,
    "unpaid": SubscriptionState.UNPAID,
    "incomplete_expired": SubscriptionState.INCOMPLETE_EXPIRED,
    "canceled": SubscriptionState.CANCELED,
}

_INVOICE_STATES: Mapping[str | None, InvoiceState] = {
    "draft": InvoiceState.DRAFT,
    "open": InvoiceState.OPEN,
    "uncollectible": InvoiceState.UNCOLLECTIBLE,
    "void": InvoiceState.VOID,
    "paid": InvoiceState.PAID,
    "deleted": InvoiceState.DELETED,
}

_PAYOUT_STATES: Mapping[str | None, PayoutState] = {
    "pending": PayoutState.PENDING,
    "in_transit": PayoutState.IN_TRANSIT,
    "paid": PayoutState.PAID,
    "canceled": PayoutState.CANCELED,
    "failed": PayoutState.FAILED,
}


def subscription_state(subscription: Subscription, event_type: str) -> SubscriptionState:
    """A subscription's state; a deleted one is canceled, whatever its object still says."""
    state = named(_SUBSCRIPTION_STATES, subscription.status, SubscriptionState.UNKNOWN)
    if (
        event_type == "customer.subscription.deleted"
        and state is not SubscriptionState.INCOMPLETE_EXPIRED
    ):
        return SubscriptionState.CANCELED
    return state


def invoice_state(invoice: Invoice, event_type: str) -> InvoiceState:
    """An invoice's state; the object of a deleted draft is the last one before."""
    if event_type == "invoice.deleted":
        return InvoiceState.DELETED
    return named(_INVOICE_STATES, invoice.status or _by_flags(invoice), InvoiceState.UNKNOWN)


def payout_state(payout: Payout) -> PayoutState:
    """A payout's state: it can fail after it was paid."""
    return named(_PAYOUT_STATES, payout.status, PayoutState.UNKNOWN)


def _by_flags(invoice: Invoice) -> str:
    """What the flags said before invoices had a status (2018-11-08)."""
    if invoice.paid:
        return "paid"
    if invoice.forgiven:
        return "uncollectible"
    return "void" if invoice.closed else "open"
