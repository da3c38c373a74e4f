"""From the log to facts: the one place where Stripe's words are understood (DESIGN.md, idea 2)."""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, Literal

from msgspec import Raw, Struct
from msgspec.json import Decoder

from ledger.domain import accounts, mrr
from ledger.domain.accounts import may_need_qualifying, qualified
from ledger.domain.events import Recorded, StripeEventReceived
from ledger.domain.facts import (
    AnyFact,
    Fact,
    Moment,
    StripeEventRecorded,
    StripeEventUnreadable,
)
from webhooks import (
    billing_objects,
    billing_readings,
    billing_states,
    discount_readings,
    json_text,
    prices,
    readings,
    states,
    stripe_objects,
)
from webhooks.billing_objects import (
    Coupon,
    Discount,
    Invoice,
    InvoicePayment,
    Payout,
    Subscription,
)
from webhooks.billing_readings import (
    invoice_facts,
    invoice_payment_facts,
    payout_facts,
    subscription_facts,
)
from webhooks.discount_readings import coupon_facts, discount_facts
from webhooks.readings import (
    at,
    charge_facts,
    checkout_facts,
    customer_facts,
    dispute_facts,
    payment_facts,
    refund_facts,
)
from webhooks.stripe_objects import (
    UNREADABLE,
    Charge,
    CheckoutSession,
    Customer,
    Dispute,
    Envelope,
    PaymentIntent,
    Refund,
    Subject,
    read_envelope,
)


class Reading(Struct, frozen=True):
    """How an event type is understood: the kind of its object, its decoder, its facts."""

    kind: str
    decode: Callable[[Raw], Any]
    facts: Callable[[Any, Envelope, str], list[Fact]]


_PAYMENT = Reading("payment_intent", Decoder(PaymentIntent).decode, payment_facts)
_CHARGE = Reading("charge", Decoder(Charge).decode, charge_facts)
_REFUND = Reading("refund", Decoder(Refund).decode, refund_facts)
_DISPUTE = Reading("dispute", Decoder(Dispute).decode, dispute_facts)
_CHECKOUT = Reading("checkout.session", Decoder(CheckoutSession).decode, checkout_facts)
_CUSTOMER = Reading("customer", Decoder(Customer).decode, customer_facts)
_SUBSCRIPTION = Reading("subscription", Decoder(Subscription).decode, subscription_facts)
_DISCOUNT = Reading("discount", Decoder(Discount).decode, discount_facts)
_COUPON = Reading("coupon", Decoder(Coupon).decode, coupon_facts)
_INVOICE = Reading("invoice", Decoder(Invoice).decode, invoice_facts)
_INVOICE_PAYMENT = Reading("invoice_payment", Decoder(InvoicePayment).decode, invoice_payment_facts)
_PAYOUT = Reading("payout", Decoder(Payout).decode, payout_facts)

READINGS: tuple[tuple[str, Reading | None], ...] = (
    ("payment_intent.", _PAYMENT),
    ("charge.dispute.", _DISPUTE),
    ("charge.refund.", _REFUND),
    ("charge.", _CHARGE),
    ("refund.", _REFUND),
    ("checkout.session.", _CHECKOUT),
    ("customer.created", _CUSTOMER),
    ("customer.updated", _CUSTOMER),
    ("customer.deleted", _CUSTOMER),
    ("customer.subscription.", _SUBSCRIPTION),
    ("customer.discount.", _DISCOUNT),
    ("coupon.", _COUPON),
    ("invoice.upcoming", None),  # a preview of an invoice that does not exist
    ("invoice.", _INVOICE),
    ("invoice_payment.", _INVOICE_PAYMENT),
    ("payout.", _PAYOUT),
)
"""Event types by how they begin; the first that fits. Every other type is `unprojected`."""

_decode_subject = Decoder(Subject).decode


class Translator(Struct, frozen=True):
    """Turns stored events into facts; pure, and total: no stored bytes make it raise.

    `mode` is the instance's; `order_metadata_key` is where the shop writes its order id.
    """

    mode: Literal["test", "live"]
    order_metadata_key: str

    @property
    def fingerprint(self) -> str:
        """The settings and this code: under others the same log says something else."""
        return f"{self.mode} {self.order_metadata_key} {_code()}"

    def __call__(self, recorded: Recorded) -> tuple[Moment, Sequence[AnyFact]]:
        """What an event of the log says, and where and when that stands.

        The shop's own events are facts as they are. A Stripe event always says that it was
        recorded, and also what its object tells if it is of this mode and of a type that is read.
        """
        event = recorded.event
        if not isinstance(event, StripeEventReceived):
            order_key = f"{recorded.version:012d}.{recorded.stream}"
            return _moment(recorded, recorded.effective_at, order_key), (event,)
        try:
            envelope = read_envelope(event.body)
        except UNREADABLE as error:
            return self._without_envelope(recorded, event.event_id, str(error))
        order_key = f"{envelope.created:012d}.{event.event_id}"
        moment = _moment(recorded, at(envelope.created), order_key, envelope.account)
        facts = self._facts(event.event_id, envelope)
        if may_need_qualifying(envelope.account, event.body):
            facts = [qualified(fact, envelope.account) for fact in facts]
        return moment, facts

    def _facts(self, event_id: str, envelope: Envelope) -> Sequence[Fact]:
        if envelope.livemode != (self.mode == "live"):
            return (_note(event_id, envelope, "other_mode"),)
        reading = reading_of(envelope.type)
        if reading is None:
            return (_note_with_subject(event_id, envelope, "unprojected"),)
        try:
            facts = self._read(reading, envelope)
        except UNREADABLE as error:
            return _unreadable(event_id, envelope, reading, str(error))
        if not facts:
            return (_note_with_subject(event_id, envelope, "unprojected"),)
        return (_note(event_id, envelope, "projected"), *facts)

    def _read(self, reading: Reading, envelope: Envelope) -> list[Fact]:
        """What the event's object says; nothing if it is of another kind than the reading's."""
        stripe_object = reading.decode(envelope.data.object)
        if stripe_object.object not in (reading.kind, None):
            return []
        return reading.facts(stripe_object, envelope, self.order_metadata_key)

    def _without_envelope(
        self, recorded: Recorded, event_id: str, cause: str
    ) -> tuple[Moment, Sequence[AnyFact]]:
        """Bytes that `parse_event` would have refused: of them only the id is known."""
        note = StripeEventRecorded(
            event_id=event_id, type="unknown", outcome="unreadable", livemode=self.mode == "live"
        )
        problem = StripeEventUnreadable(event_id=event_id, type="unknown", cause=cause)
        moment = _moment(recorded, recorded.effective_at, f"{0:012d}.{event_id}")
        return moment, (note, problem)


_SOURCES: Final = (
    accounts,
    mrr,
    json_text,
    stripe_objects,
    states,
    readings,
    billing_objects,
    billing_states,
    billing_readings,
    discount_readings,
    prices,
)


@cache
def _code() -> str:
    """A hash of the sources that decide what a stored event says."""
    here = importlib.import_module(__name__)
    sources = map(inspect.getsource, (here, *_SOURCES))
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]


@lru_cache(maxsize=1024)
def reading_of(event_type: str) -> Reading | None:
    """How events of this type are read, or None if they are only recorded."""
    return next((reading for start, reading in READINGS if event_type.startswith(start)), None)


def _moment(
    recorded: Recorded, effective_at: datetime, order_key: str, account: str | None = None
) -> Moment:
    return Moment(
        recorded.position,
        recorded.stream,
        recorded.version,
        recorded.event.TOPIC,
        recorded.recorded_at,
        effective_at,
        order_key,
        recorded.meta,
        account,
    )


def _note(event_id: str, envelope: Envelope, outcome: str) -> StripeEventRecorded:
    return StripeEventRecorded(
        event_id=event_id,
        type=envelope.type,
        outcome=outcome,
        livemode=envelope.livemode,
        api_version=envelope.api_version,
    )


def _note_with_subject(event_id: str, envelope: Envelope, outcome: str) -> StripeEventRecorded:
    """The note of an event that became no other fact: it names what it can of its object."""
    subject = _subject(envelope)
    kind, own_id = _name(subject.object), _name(subject.id)
    return StripeEventRecorded(
        event_id=event_id,
        type=envelope.type,
        outcome=outcome,
        livemode=envelope.livemode,
        api_version=envelope.api_version,
        subject_kind=kind,
        subject_id=own_id,
        payment_id=own_id if kind == "payment_intent" else _name(subject.payment_intent),
        charge_id=own_id if kind == "charge" else _name(subject.charge),
        customer_id=own_id if kind == "customer" else _name(subject.customer),
    )


def _unreadable(
    event_id: str, envelope: Envelope, reading: Reading, cause: str
) -> tuple[Fact, ...]:
    """A known field is of a wrong type, unless the object is of another kind altogether."""
    if _name(_subject(envelope).object) not in {reading.kind, None}:
        return (_note_with_subject(event_id, envelope, "unprojected"),)
    note = _note_with_subject(event_id, envelope, "unreadable")
    return (note, StripeEventUnreadable(event_id=event_id, type=envelope.type, cause=cause))


def _subject(envelope: Envelope) -> Subject:
    try:
        return _decode_subject(envelope.data.object)
    except UNREADABLE:
        return Subject()


def _name(value: Any) -> str | None:
    """A string that can be an id or a kind, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= 255 else None
