"""Kinds of records: which columns and filters the list of each has, and what belongs to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Related(NamedTuple):
    """Rows of another list that belong to one: those where `column` holds its id.

    `by_charge`: also those that name one of its charges and not itself.
    """

    title: str
    path: str
    key: str
    column: str
    columns: tuple[str, ...]
    by_charge: bool = False
    permission: str = "see_records"


class Kind(NamedTuple):
    """A kind of record: its list at `path`, whose rows have the key `key`.

    `filters` are what the list can be asked for, each with its choices; without any, it is a text.
    `usual` are the columns that are shown unless others are asked for; all, where there are none.
    How a column is written follows from its name: `_minor` is money in the row's currency, `_at`
    a time, `state` a state, and what `LINKS` names an object with a page of its own.
    """

    noun: str
    path: str
    key: str
    columns: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    related: tuple[Related, ...] = ()
    usual: tuple[str, ...] = ()


LINKS: Final = {
    "order_id": "order",
    "reference": "order",
    "payment_id": "payment",
    "refund_id": "refund",
    "dispute_id": "dispute",
    "customer_id": "customer",
    "subscription_id": "subscription",
    "invoice_id": "invoice",
    "payout_id": "payout",
    "transaction_id": "transaction",
    "session_id": "checkout",
    "issue_id": "issue",
    "sku": "sku",
}
"""Columns that name an object, and of which kind (see `render.PAGES`)."""

_REFUNDS: Final = ("refund_id", "state", "amount_minor", "reason", "failure_code", "created_at")
_DISPUTES: Final = ("dispute_id", "state", "amount_minor", "disputed_minor", "reason", "due_at")
_PAYMENTS: Final = (
    "payment_id", "created_at", "order_id", "state", "received_minor", "refunded_minor",
    "disputed_minor", "net_minor",
)  # fmt: skip
_SUBSCRIPTIONS: Final = (
    "subscription_id", "state", "mrr_minor", "mrr_known", "current_period_end", "started_at",
    "canceled_at",
)  # fmt: skip
_INVOICES: Final = (
    "invoice_id", "created_at", "state", "due_minor", "paid_minor", "remaining_minor", "paid_at",
)  # fmt: skip
_INVOICE_PAYMENTS: Final = ("invoice_id", "created_at", "state", "amount_minor", "paid_minor")
_ORDERS: Final = ("order_id", "placed_at", "state", "payment_state", "total_minor", "net_minor")
_CHECKOUTS: Final = ("session_id", "created_at", "state", "total_minor", "order_id", "reference")

_MEMBERS: Final = (
    "transaction_id", "created_at", "category", "amount_minor", "fee_minor", "net_minor",
    "source_id",
)  # fmt: skip

_CUSTOMER: Final = Kind(
    "customer",
    "customers",
    "customer_id",
    columns=("customer_id", "name", "email", "state", "created_at"),
    filters={"state": ("active", "deleted"), "email": ()},
    related=(
        Related("Orders", "orders", "order_id", "customer_id", _ORDERS, permission="see_order"),
        Related("Payments", "payments", "payment_id", "customer_id", _PAYMENTS),
        Related("Subscriptions", "subscriptions", "subscription_id", "customer_id", _SUBSCRIPTIONS),
        Related("Invoices", "invoices", "invoice_id", "customer_id", _INVOICES),
    ),
)
_PAYMENT: Final = Kind(
    "payment",
    "payments",
    "payment_id",
    columns=(*_PAYMENTS, "customer_id", "email"),
    usual=(
        "payment_id", "email", "order_id", "state", "received_minor", "refunded_minor",
        "net_minor", "created_at",
    ),
    filters={
        "state": (
            "succeeded", "pending", "processing", "authorized", "failed", "canceled",
        ),
        "order_id": (),
        "customer_id": (),
        "email": (),
        "currency": (),
        "linked_by": ("metadata", "reference", "invoice", "shop"),
    },
    related=(
        Related("Refunds", "refunds", "refund_id", "payment_id", _REFUNDS, by_charge=True),
        Related("Disputes", "disputes", "dispute_id", "payment_id", _DISPUTES, by_charge=True),
        Related("Checkouts", "checkouts", "session_id", "payment_id", _CHECKOUTS),
        Related("Invoices", "invoice_payments", "invoice_id", "payment_id", _INVOICE_PAYMENTS),
    ),
)  # fmt: skip
_REFUND: Final = Kind(
    "refund",
    "refunds",
    "refund_id",
    columns=(*_REFUNDS, "payment_id"),
    usual=("refund_id", "reason", "state", "amount_minor", "payment_id", "created_at"),
    filters={
        "state": ("succeeded", "pending", "requires_action", "failed", "canceled"),
        "payment_id": (),
        "currency": (),
        "reason": (),
    },
)
_DISPUTE: Final = Kind(
    "dispute",
    "disputes",
    "dispute_id",
    columns=(*_DISPUTES, "payment_id", "created_at"),
    usual=("dispute_id", "reason", "state", "amount_minor", "due_at", "created_at"),
    filters={
        "state": ("open", "under_review", "inquiry", "won", "lost", "closed", "inquiry_closed"),
        "payment_id": (),
        "currency": (),
        "reason": (),
    },
)
_CHECKOUT: Final = Kind(
    "checkout",
    "checkouts",
    "session_id",
    columns=(*_CHECKOUTS, "payment_id", "customer_id", "email"),
    usual=("session_id", "email", "state", "total_minor", "order_id", "created_at"),
    filters={
        "state": ("open", "completed", "paid", "expired", "failed"),
        "order_id": (),
        "payment_id": (),
        "email": (),
    },
)
_SUBSCRIPTION: Final = Kind(
    "subscription",
    "subscriptions",
    "subscription_id",
    columns=(*_SUBSCRIPTIONS, "customer_id"),
    usual=(
        "subscription_id", "customer_id", "state", "mrr_minor", "current_period_end",
        "started_at",
    ),
    filters={
        "state": (
            "active", "trialing", "past_due", "unpaid", "paused", "incomplete",
            "incomplete_expired", "canceled",
        ),
        "customer_id": (),
        "currency": (),
        "mrr_known": ("true", "false"),
        "cancel_at_period_end": ("true", "false"),
    },
    related=(Related("Invoices", "invoices", "invoice_id", "subscription_id", _INVOICES),),
)  # fmt: skip
_INVOICE: Final = Kind(
    "invoice",
    "invoices",
    "invoice_id",
    columns=(*_INVOICES, "customer_id", "subscription_id", "payment_count"),
    usual=("invoice_id", "customer_id", "state", "due_minor", "paid_minor", "created_at"),
    filters={
        "state": ("draft", "open", "paid", "uncollectible", "void", "deleted"),
        "customer_id": (),
        "subscription_id": (),
        "currency": (),
    },
)
_PAYOUT: Final = Kind(
    "payout",
    "payouts",
    "payout_id",
    columns=("payout_id", "created_at", "state", "amount_minor", "arrives_at", "failure_code"),
    usual=("payout_id", "state", "amount_minor", "arrives_at", "created_at"),
    filters={
        "state": ("pending", "in_transit", "paid", "failed", "canceled"),
        "currency": (),
    },
    related=(
        Related("What it paid out", "payout_members", "transaction_id", "payout_id", _MEMBERS),
    ),
)
_TRANSACTION: Final = Kind(
    "transaction",
    "transactions",
    "transaction_id",
    columns=(
        "transaction_id", "created_at", "category", "amount_minor", "fee_minor", "net_minor",
        "source_id", "available_at",
    ),
    usual=(
        "transaction_id", "category", "amount_minor", "fee_minor", "net_minor",
        "source_id", "created_at",
    ),
    filters={"category": (), "type": (), "currency": (), "source_id": ()},
    related=(
        Related(
            "Paid out by", "payout_members", "payout_id", "transaction_id",
            ("payout_id", "net_minor"),
        ),
    ),
)  # fmt: skip
_WISH: Final = Kind(
    "wish",
    "wishlists",
    "wish_id",
    columns=("wish_id", "customer_id", "sku", "added_at"),
    filters={"customer_id": (), "sku": ()},
)
MEMBER: Final = Kind(
    "payout member",
    "payout_members",
    "payout_member_id",
    columns=("payout_id", *_MEMBERS),
    usual=(
        "transaction_id",
        "payout_id",
        "category",
        "amount_minor",
        "fee_minor",
        "net_minor",
        "created_at",
    ),
    filters={"payout_id": (), "transaction_id": (), "category": (), "currency": ()},
)
"""A list without pages of its own: each row is of a transaction."""
KINDS: Final = {
    each.noun: each
    for each in (
        _CUSTOMER, _PAYMENT, _REFUND, _DISPUTE, _CHECKOUT, _SUBSCRIPTION, _INVOICE, _PAYOUT,
        _TRANSACTION, _WISH,
    )
}  # fmt: skip
"""Every kind that has pages made by `pages.records`, by its noun."""
