"""What the API gives: each resource's path, permission and filters, in one table."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from simulator.api import errors
from simulator.api.shapes import Shapes
from simulator.billing import CreditNote, Invoice, Payout, Subscription
from simulator.memory import EVENT_SECONDS, Shelf
from simulator.objects import Charge, Session
from simulator.stripe import SimulatedStripe
from simulator.versions import Shape

Filters = Mapping[str, Callable[[Any], object]]
"""What a parameter is compared with, as text."""


class Resource(Struct, frozen=True):
    """A kind of object that is listed and retrieved at a path.

    `shown` says whether an object stands in a list that is filtered so. Any of the permissions
    (words of Stripe's, as in `rak_charge_read`) allows to read it.
    """

    path: str
    kind: str
    permissions: tuple[str, ...]
    filters: Filters = field(default_factory=dict[str, Callable[[Any], object]])
    shown: Callable[[Any, dict[str, str]], bool] = lambda _thing, _filters: True

    @property
    def read(self) -> tuple[str, ...]:
        """The permissions, any of which allows to read it."""
        return tuple(f"rak_{permission}_read" for permission in self.permissions)

    def fits(self, thing: Any, asked: dict[str, str]) -> bool:
        """Whether an object stands in the list that was asked for."""
        return self.shown(thing, asked) and all(
            _text(self.filters[name](thing)) == value
            for name, value in asked.items()
            if value != "" and (name, value) not in _NO_FILTER
        )


_NO_FILTER = {("status", "all"), ("status", "ended")}
_CREATED: Filters = {"created": lambda thing: thing.created}


def _customer(thing: Any) -> str | None:
    return thing.customer and thing.customer.id


def _is_shown(subscription: Subscription, asked: dict[str, str]) -> bool:
    """By default all that are not canceled; `all` and `ended` are no status of one of them."""
    if asked.get("status") == "ended":
        return subscription.status in {"canceled", "incomplete_expired"}
    return "status" in asked or subscription.status != "canceled"


RESOURCES = (
    Resource(
        "/v1/customers",
        "customer",
        ("customer",),
        {**_CREATED, "email": lambda customer: customer.email},
        lambda customer, _: not customer.deleted,
    ),
    Resource("/v1/products", "product", ("product",), {**_CREATED, "active": lambda _: True}),
    Resource(
        "/v1/prices",
        "price",
        ("plan",),
        {
            **_CREATED,
            "active": lambda _: True,
            "currency": lambda price: price.currency,
            "product": lambda price: price.product_id,
            "type": lambda price: "recurring" if price.is_recurring else "one_time",
        },
    ),
    Resource(
        "/v1/payment_intents",
        "payment_intent",
        ("payment_intent",),
        {**_CREATED, "customer": _customer},
    ),
    Resource(
        "/v1/charges",
        "charge",
        ("charge",),
        {
            **_CREATED,
            "customer": lambda charge: _customer(charge.payment),
            "payment_intent": lambda charge: charge.payment.intent_id,
        },
    ),
    Resource(
        "/v1/refunds",
        "refund",
        ("charge",),
        {
            **_CREATED,
            "charge": lambda refund: refund.charge.id,
            "payment_intent": lambda refund: refund.charge.payment.intent_id,
        },
    ),
    Resource(
        "/v1/disputes",
        "dispute",
        ("dispute",),
        {
            **_CREATED,
            "charge": lambda dispute: dispute.charge.id,
            "payment_intent": lambda dispute: dispute.charge.payment.intent_id,
        },
    ),
    Resource(
        "/v1/checkout/sessions",
        "checkout.session",
        ("payment_intent", "checkout_session"),
        {
            **_CREATED,
            "customer": _customer,
            "payment_intent": lambda session: session.payment and session.payment.intent_id,
            "status": lambda session: session.status,
        },
    ),
    Resource(
        "/v1/invoices",
        "invoice",
        ("invoice",),
        {
            **_CREATED,
            "customer": _customer,
            "status": lambda invoice: invoice.status,
            "subscription": lambda invoice: invoice.subscription and invoice.subscription.id,
        },
    ),
    Resource(
        "/v1/invoice_payments",
        "invoice_payment",
        ("invoice",),
        {
            **_CREATED,
            "invoice": lambda paid: paid.invoice.id,
            "status": lambda _: "paid",
        },
    ),
    Resource(
        "/v1/subscriptions",
        "subscription",
        ("subscription",),
        {
            **_CREATED,
            "customer": _customer,
            "status": lambda subscription: subscription.status,
        },
        _is_shown,
    ),
    Resource("/v1/coupons", "coupon", ("coupon",), _CREATED),
    Resource(
        "/v1/promotion_codes",
        "promotion_code",
        ("promotion_code",),
        {
            **_CREATED,
            "active": lambda _: True,
            "code": lambda promotion: promotion.code,
            "coupon": lambda promotion: promotion.coupon.id,
        },
    ),
    Resource(
        "/v1/payouts",
        "payout",
        ("payout",),
        {**_CREATED, "status": lambda payout: payout.status},
    ),
    Resource(
        "/v1/balance_transactions",
        "balance_transaction",
        ("balance_transaction_source",),
        {
            **_CREATED,
            "currency": lambda transaction: transaction.currency,
            "payout": lambda transaction: transaction.payout_id,
            "source": lambda transaction: transaction.source,
            "type": lambda transaction: transaction.kind,
        },
    ),
    Resource(
        "/v1/credit_notes",
        "credit_note",
        ("credit_note",),
        {
            **_CREATED,
            "customer": lambda note: note.invoice.customer.id,
            "invoice": lambda note: note.invoice.id,
        },
    ),
    Resource("/v1/events", "event", ("event",), {**_CREATED, "type": lambda event: event.type}),
)


class Written(Struct, frozen=True):
    """A part of an object that is listed by itself, already written down."""

    id: str
    created: int
    shape: Shape


class Parts(Struct, frozen=True):
    """Parts of an object, listed at a path of theirs, in the order in which the object has them."""

    path: str
    of: str
    permissions: tuple[str, ...]
    write: Callable[[Shapes, Any], list[Shape]]

    @property
    def read(self) -> tuple[str, ...]:
        """The permissions, any of which allows to read them."""
        return tuple(f"rak_{permission}_read" for permission in self.permissions)

    def shelf(self, shapes: Shapes, thing: Any) -> Shelf:
        """The parts of an object; a list goes through it from its end."""
        shelf = Shelf()
        for shape in reversed(self.write(shapes, thing)):
            shelf.add(Written(str(shape["id"]), 0, shape))
        return shelf


def _session_lines(shapes: Shapes, session: Session) -> list[Shape]:
    return [shapes.billing.line_item(line, session) for line in session.lines]


def _invoice_lines(shapes: Shapes, invoice: Invoice) -> list[Shape]:
    return shapes.billing.invoice_lines(invoice)


def _credit_lines(shapes: Shapes, note: CreditNote) -> list[Shape]:
    return shapes.billing.credit_lines(note)


def _refunds(shapes: Shapes, charge: Charge) -> list[Shape]:
    return shapes.refunds(charge)


def _items(shapes: Shapes, subscription: Subscription) -> list[Shape]:
    return shapes.billing.subscription_items(subscription)


PARTS = (
    Parts(
        "/v1/checkout/sessions/{id}/line_items",
        "checkout.session",
        ("payment_intent", "checkout_session"),
        _session_lines,
    ),
    Parts("/v1/invoices/{id}/lines", "invoice", ("invoice",), _invoice_lines),
    Parts("/v1/credit_notes/{id}/lines", "credit_note", ("credit_note",), _credit_lines),
    Parts("/v1/charges/{id}/refunds", "charge", ("charge",), _refunds),
)
ITEMS = Parts("/v1/subscription_items", "subscription", ("subscription",), _items)


def shelf_of(resource: Resource, stripe: SimulatedStripe, asked: dict[str, str]) -> Shelf:
    """Where a list of the resource is read from: all of a kind, or the members of a payout."""
    assert stripe.memory is not None
    if resource.kind == "event":
        return stripe.memory.events
    if resource.kind == "balance_transaction" and "payout" in asked:
        return _members(stripe, asked["payout"])
    return stripe.memory.shelf(resource.kind)


def oldest(resource: Resource, stripe: SimulatedStripe) -> int:
    """From when on (seconds since 1970) Stripe tells: the events of the last 30 days only."""
    return stripe.now - EVENT_SECONDS if resource.kind == "event" else 0


def _members(stripe: SimulatedStripe, payout_id: str) -> Shelf:
    """What an automatic payout was made of, its own transaction among it."""
    assert stripe.memory is not None
    payout: Payout | None = stripe.memory.shelf("payout").get(payout_id)
    if payout is None:
        raise errors.missing("payout", payout_id, "payout")
    if not payout.automatic:
        raise errors.Refused(
            400,
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
        )
    shelf = Shelf()
    for member in payout.members:
        shelf.add(member)
    return shelf


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
