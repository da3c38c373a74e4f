"""Small Stripe objects and events of our own making, and a way to translate them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ledger.domain.events import Metadata, RecordedEvent, StripeEventReceived
from ledger.domain.facts import (
    AnyFact,
    EventContext,
    PurchaseFact,
    StatefulFact,
    StripeEventRecorded,
)
from webhooks.translate.translator import Translator

Json = dict[str, Any]

TEST = Translator("test", "order_id")
LIVE = Translator("live", "order_id")

MADE = 1_700_000_000  # when an object was made
TOLD = 1_700_000_100  # when its event was
RECORDED_AT = datetime(2026, 1, 2, tzinfo=UTC)


def event(type_: str, obj: object, **fields: Any) -> Json:
    """An event as Stripe sends it, with other fields where the case needs them."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": TOLD,
        "data": {"object": obj},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "type": type_,
    } | fields


def charge(**fields: Any) -> Json:
    """A captured charge of 10.00."""
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 1000,
        "amount_captured": 1000,
        "amount_refunded": 0,
        "balance_transaction": "txn_1",
        "billing_details": {"email": "ann@example.com", "name": "Ann"},
        "captured": True,
        "created": MADE,
        "currency": "gbp",
        "customer": "cus_1",
        "failure_code": None,
        "metadata": {"order_id": "A1"},
        "paid": True,
        "payment_intent": "pi_1",
        "receipt_email": None,
        "refunded": False,
        "status": "succeeded",
    } | fields


def held(**fields: Any) -> Json:
    """A charge of 10.00 that is only authorised."""
    return charge(captured=False, amount_captured=0, balance_transaction=None) | fields


def intent(**fields: Any) -> Json:
    """A payment intent of 10.00 that succeeded."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_received": 1000,
        "created": MADE,
        "currency": "gbp",
        "customer": "cus_1",
        "last_payment_error": None,
        "latest_charge": "ch_1",
        "metadata": {"order_id": "A1"},
        "receipt_email": "ann@example.com",
        "status": "succeeded",
    } | fields


def waiting(**fields: Any) -> Json:
    """A payment intent of 10.00 that has no money yet."""
    return intent(amount_received=0, latest_charge=None, status="requires_payment_method") | fields


def refund(**fields: Any) -> Json:
    """A refund of 4.00 that succeeded."""
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 400,
        "balance_transaction": "txn_2",
        "charge": "ch_1",
        "created": MADE,
        "currency": "gbp",
        "payment_intent": "pi_1",
        "reason": "requested_by_customer",
        "status": "succeeded",
    } | fields


def dispute(**fields: Any) -> Json:
    """A dispute over 10.00 that must be answered."""
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 1000,
        "balance_transactions": [],
        "charge": "ch_1",
        "created": MADE,
        "currency": "gbp",
        "evidence_details": {"due_by": TOLD},
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
    } | fields


def transaction(**fields: Any) -> Json:
    """The balance transaction that withdraws a dispute's 10.00 and 15.00 for the trouble."""
    return {
        "id": "txn_9",
        "object": "balance_transaction",
        "amount": -1000,
        "created": MADE,
        "currency": "gbp",
        "fee": 1500,
        "net": -2500,
    } | fields


def session(**fields: Any) -> Json:
    """A checkout session that was paid at once."""
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "amount_total": 1000,
        "client_reference_id": "cart-7",
        "created": MADE,
        "currency": "gbp",
        "customer": "cus_1",
        "customer_details": {"email": "ann@example.com"},
        "customer_email": None,
        "metadata": {"order_id": "A1"},
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "status": "complete",
    } | fields


def customer(**fields: Any) -> Json:
    """A customer."""
    return {
        "id": "cus_1",
        "object": "customer",
        "created": MADE,
        "email": "ann@example.com",
        "name": "Ann",
    } | fields


def stored(body: bytes, event_id: str = "evt_1") -> RecordedEvent:
    """A body as it stands in the log."""
    received = StripeEventReceived(
        event_id=event_id, body=body, received_at=RECORDED_AT, source="webhook"
    )
    return RecordedEvent(7, f"stripe/{event_id}", 1, RECORDED_AT, RECORDED_AT, received, Metadata())


def translated(
    document: Mapping[str, Any] | bytes, translator: Translator = TEST
) -> tuple[EventContext, StripeEventRecorded, Sequence[AnyFact]]:
    """An event's moment, the note that it was recorded, and what else it says."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    moment, (note, *facts) = translator(stored(body))
    assert isinstance(note, StripeEventRecorded)
    return moment, note, facts


def facts_of(type_: str, obj: object, **fields: Any) -> Sequence[AnyFact]:
    """What the event of an object says, beside that it was recorded."""
    return translated(event(type_, obj, **fields))[2]


def without_purchases(facts: Sequence[AnyFact]) -> list[AnyFact]:
    """What is said of anything but a purchase, which an order may be made of."""
    return [fact for fact in facts if not isinstance(fact, PurchaseFact)]


def state_of(type_: str, obj: object, **fields: Any) -> str:
    """The state in which the event reports its object."""
    return name_of(facts_of(type_, obj, **fields)[0])


def name_of(fact: AnyFact) -> str:
    """The state that a fact reports or, where it has none, its class."""
    return str(fact.state) if isinstance(fact, StatefulFact) else type(fact).__name__
