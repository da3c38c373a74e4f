"""The one glossary of the pages: what they call states, columns and kinds of events.

No page shows a name of the API or of Stripe's as it stands: what is not listed here is written
with spaces for its underscores and dots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# ── States ──────────────────────────────────────────────────────────────────────────────────────

GREEN, AMBER, RED, GREY, LINE = "green", "amber", "red", "grey", "line"
"""Tones of a badge: money received, look, act, open or ended, done."""

_TONES: Final[Mapping[str, tuple[str, ...]]] = {
    GREEN: (
        "active", "captured", "completed", "equal", "following", "paid", "proven", "rebuilt",
        "succeeded", "valid", "won", "done", "projected", "ready", "connected",
    ),
    AMBER: (
        "authorized", "changed", "due", "in_transit", "inquiry", "low", "medium", "overpaid",
        "partial", "partially_paid", "past_due", "pending", "processing", "requires_action",
        "running", "trialing", "unbuilt", "under_review", "unprojected", "late", "unpaid", "stale",
    ),
    RED: (
        "ahead", "differs", "failed", "high", "negative", "needs_response", "open_dispute",
        "no_present_secret_fits", "refused", "refuted", "sold_out", "stopped", "unallocated",
        "uncollectible", "unreadable",
    ),
    LINE: ("fulfilled", "resolved", "skipped"),
}  # fmt: skip
_TONE_OF: Final = {state: tone for tone, states in _TONES.items() for state in states}

_STATES: Final = {
    "fulfilled": "Shipped",
    "full": "Refunded",
    "partial": "Part refunded",
    "partially_paid": "Part paid",
    "following": "Up to date",
    "open_dispute": "Disputed",
    "projected": "Counted",
    "unprojected": "Kept, not counted",
    "unallocated": "Out of stock",
    "unbuilt": "Not built yet",
}
"""States that are not written as the API writes them."""


def state(code: str) -> str:
    """A state as a badge says it."""
    return _STATES.get(code) or words(code).capitalize()


def tone(code: str) -> str:
    """The tone of a state's badge."""
    return _TONE_OF.get(code, GREY)


# ── Names ───────────────────────────────────────────────────────────────────────────────────────

_WORDS: Final = {
    "aov": "average order value",
    "as_of_position": "as of event",
    "at": "when",
    "balance_type": "kind of balance",
    "cancel_at_period_end": "ends with its period",
    "created_at": "created",
    "captured_at": "captured on",
    "email": "e-mail",
    "evt": "event",
    "failure_code": "failed because",
    "issue_id": "issue",
    "jsonl": "JSON lines",
    "kpi-summary": "summary of figures",
    "line_id": "line",
    "livemode": "mode",
    "ops": "operator",
    "paid_at": "paid on",
    "payment_count": "payments",
    "preorder": "pre-order",
    "received_minor": "captured",
    "refunded_at": "refunded on",
    "session_id": "checkout",
    "sha256": "SHA-256",
    "shop": "a person",
    "stripe": "Stripe",
    "url": "address",
}
"""Names that are not written by spaces alone."""
_ENDINGS: Final = re.compile(r"(_minor|_at|_id)$")


def words(name: str) -> str:
    """A name of the API's as a person reads it: `payment_state` is "payment state"."""
    known = _WORDS.get(name)
    if known:
        return known
    spaced = re.sub(r" minor$", "", re.sub(r"[_.]+", " ", name))
    return re.sub(r"\b(sku|mrr|id|csv|json|api)\b", lambda found: found[0].upper(), spaced)


def label(column: str) -> str:
    """The head of a column, the label of a field: `amount_minor` is "Amount"."""
    said = _WORDS.get(column) or words(_ENDINGS.sub("", column) or column)
    return said[:1].upper() + said[1:]


_ACTORS: Final = {
    "cli": "terminal", "scheduler": "the service", "stripe": "Stripe", "system": "the service",
}  # fmt: skip


def actor(code: str) -> str:
    """Who did something, where no person is named: Stripe, the service, or a token by its id."""
    return _ACTORS.get(code) or code.replace("token/", "token ")


def plural(noun: str) -> str:
    """Many of a kind: "balance transactions", "wishes"."""
    return _PLURALS.get(noun) or f"{words(noun)}s"


_PLURALS: Final = {"wish": "wishes", "transaction": "balance transactions"}

# ── Events ──────────────────────────────────────────────────────────────────────────────────────

_THINGS: Final = {
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "checkout.session": "checkout",
    "customer.discount": "discount",
    "customer.subscription": "subscription",
    "invoice_payment": "payment of an invoice",
    "payment_intent": "payment",
    "payment_method": "card",
}
_HAPPENED: Final = {
    "access.token_issued": "access token issued",
    "access.token_revoked": "access token revoked",
    "balance.available": "balance became available",
    "charge.captured": "charge captured",
    "charge.dispute.created": "dispute opened",
    "charge.dispute.funds_reinstated": "dispute: funds given back",
    "charge.dispute.funds_withdrawn": "dispute: funds withdrawn",
    "charge.pending": "charge pending",
    "charge.refunded": "charge marked refunded",
    "checkout.session.async_payment_succeeded": "checkout paid later",
    "checkout.session.completed": "checkout completed",
    "checks.ran": "checks ran",
    "command.accepted": "request accepted",
    "customer.subscription.created": "subscription begun",
    "customer.subscription.deleted": "subscription ended",
    "evidence.read": "evidence looked at",
    "export.made": "export made",
    "invoice.payment_failed": "payment of the invoice failed",
    "invoice_payment.paid": "invoice paid",
    "order.allocation_failed": "order not given stock again",
    "order.canceled": "order canceled",
    "order.expired": "reservation ended, order expired",
    "order.fulfilled": "order shipped",
    "order.lines_returned": "goods returned",
    "order.payment_linked": "payment linked",
    "order.payment_unlinked": "payment unlinked",
    "order.placed": "order placed",
    "order.refund_requested": "refund requested",
    "order.reinstated": "order given stock again",
    "payment.claimed": "payment claimed by the order",
    "payment_intent.amount_capturable_updated": "payment authorized",
    "payment_intent.created": "payment started",
    "payment_intent.payment_failed": "payment failed",
    "payment_intent.succeeded": "payment confirmed",
    "charge.succeeded": "payment succeeded",
    "charge.failed": "payment declined",
    "refund.created": "refund sent",
    "refund_request.withdrawn": "refund request withdrawn",
    "stock.adjusted": "stock counted again",
    "stock.product_listed": "product listed",
    "stock.received": "stock received",
    "stock.released": "stock released",
    "stock.reserved": "stock reserved",
    "stock.returned": "stock returned",
    "stock.sold": "stock sold",
}


KINDS_OF_EVENTS: Final = sorted(_HAPPENED)
"""Kinds that a search of the events offers."""


def event(kind: str) -> str:
    """What an event of a kind says happened, as a sentence without an end: "Refund failed"."""
    said = _HAPPENED.get(kind)
    if said is None:
        thing, _, verb = kind.rpartition(".")
        said = f"{_THINGS.get(thing) or words(thing)} {words(verb)}".strip()
    return said[:1].upper() + said[1:]


_ICONS: Final = (
    ("order.placed", "shopping-cart", GREY),
    ("order.fulfilled", "truck", GREY),
    ("order.payment_linked", "link", GREY),
    ("order.payment_unlinked", "link", GREY),
    ("order.canceled", "ban", GREY),
    ("order.expired", "clock", GREY),
    ("order.allocation_failed", "alert-circle", RED),
    ("order.lines_returned", "arrow-back-up", GREY),
    ("order.refund_requested", "receipt-refund", AMBER),
    ("issue.opened", "alert-triangle", AMBER),
    ("issue.", "check", GREY),
    ("charge.dispute.closed", "gavel", GREY),
    ("charge.dispute", "gavel", RED),
    ("refund.failed", "alert-circle", RED),
    ("refund", "receipt-refund", AMBER),
    ("charge.refund", "receipt-refund", AMBER),
    ("charge.failed", "alert-circle", RED),
    ("payment_intent.payment_failed", "alert-circle", RED),
    ("invoice.payment_failed", "alert-circle", RED),
    ("charge.", "check", GREEN),
    ("payment_intent.", "credit-card", GREY),
    ("payment", "link", GREY),
    ("invoice", "file-invoice", GREY),
    ("payout", "building-bank", GREY),
    ("customer.subscription", "repeat", GREY),
    ("customer", "user", GREY),
    ("stock.", "package", GREY),
    ("wishlist.", "heart", GREY),
    ("access.", "key", GREY),
    ("checkout.", "shopping-bag", GREY),
)


def icon(kind: str) -> tuple[str, str]:
    """The icon of an event of a kind, and its tone."""
    found = (each for each in _ICONS if kind.startswith(each[0]))
    _, name, of_tone = next(found, ("", "history", GREY))
    return name, of_tone
