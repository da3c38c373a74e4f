"""The state that Stripe reports a subscription, invoice or payout in (see `states`)."""

from collections.abc import Mapping

from ledger.domain.billing_facts import (
    InvoiceDeleted,
    InvoiceDraft,
    InvoiceFact,
    InvoiceOpen,
    InvoicePaid,
    InvoiceUncollectible,
    InvoiceUnknown,
    InvoiceVoid,
    PayoutCanceled,
    PayoutFact,
    PayoutFailed,
    PayoutInTransit,
    PayoutPaid,
    PayoutPending,
    PayoutUnknown,
    SubscriptionActive,
    SubscriptionCanceled,
    SubscriptionExpired,
    SubscriptionFact,
    SubscriptionIncomplete,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionTrialing,
    SubscriptionUnknown,
    SubscriptionUnpaid,
)
from webhooks.translate.billing_objects import Invoice, Payout, Subscription
from webhooks.translate.states import named

_SUBSCRIPTION_STATES: Mapping[str | None, type[SubscriptionFact]] = {
    "incomplete": SubscriptionIncomplete,
    "trialing": SubscriptionTrialing,
    "paused": SubscriptionPaused,
    "active": SubscriptionActive,
    "past_due": SubscriptionPastDue,
    "unpaid": SubscriptionUnpaid,
    "incomplete_expired": SubscriptionExpired,
    "canceled": SubscriptionCanceled,
}

_INVOICE_STATES: Mapping[str | None, type[InvoiceFact]] = {
    "draft": InvoiceDraft,
    "open": InvoiceOpen,
    "uncollectible": InvoiceUncollectible,
    "void": InvoiceVoid,
    "paid": InvoicePaid,
    "deleted": InvoiceDeleted,
}

_PAYOUT_STATES: Mapping[str | None, type[PayoutFact]] = {
    "pending": PayoutPending,
    "in_transit": PayoutInTransit,
    "paid": PayoutPaid,
    "canceled": PayoutCanceled,
    "failed": PayoutFailed,
}


def subscription_state(subscription: Subscription, event_type: str) -> type[SubscriptionFact]:
    """A subscription's state; a deleted one is canceled, whatever its object still says."""
    state = named(_SUBSCRIPTION_STATES, subscription.status, SubscriptionUnknown)
    if event_type == "customer.subscription.deleted" and state is not SubscriptionExpired:
        return SubscriptionCanceled
    return state


def invoice_state(invoice: Invoice, event_type: str) -> type[InvoiceFact]:
    """An invoice's state; the object of a deleted draft is the last one before."""
    if event_type == "invoice.deleted":
        return InvoiceDeleted
    return named(_INVOICE_STATES, invoice.status or _by_flags(invoice), InvoiceUnknown)


def payout_state(payout: Payout) -> type[PayoutFact]:
    """A payout's state: it can fail after it was paid."""
    return named(_PAYOUT_STATES, payout.status, PayoutUnknown)


def _by_flags(invoice: Invoice) -> str:
    """What the flags said before invoices had a status (2018-11-08)."""
    if invoice.paid:
        return "paid"
    if invoice.forgiven:
        return "uncollectible"
    return "void" if invoice.closed else "open"
