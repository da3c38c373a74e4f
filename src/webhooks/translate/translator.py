"""From the log to facts: the one place where Stripe's words are understood (decision 0002)."""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final, Literal, TypeGuard

from msgspec import Raw, Struct
from msgspec.json import Decoder

from ledger import json_text
from ledger.domain import accounts, mrr
from ledger.domain.accounts import may_need_qualifying, qualified
from ledger.domain.balance_facts import NotToldFact, PayoutMembersFact
from ledger.domain.billing_facts import InvoiceFact, PayoutFact, SubscriptionFact
from ledger.domain.events import (
    RecordedEvent,
    StripeEventReceived,
    StripeObjectNotTold,
    StripeObjectObserved,
    StripePayoutListed,
)
from ledger.domain.facts import (
    AnyFact,
    ChargeFact,
    CheckoutFact,
    DisputeFact,
    EventContext,
    Fact,
    ListFact,
    PartNotUnderstood,
    PaymentFact,
    RefundFact,
    StatefulFact,
    StripeEventRecorded,
    StripeEventUnreadable,
    order_key,
)
from ledger.domain.money import CURRENCIES
from webhooks import cut_lists as lists
from webhooks import leniency
from webhooks.cut_lists import completed, cut_lists
from webhooks.leniency import leniently
from webhooks.translate import (
    balance,
    billing,
    billing_objects,
    billing_states,
    discounts,
    objects,
    payments,
    prices,
    purchases,
    states,
    uncounted,
)
from webhooks.translate.balance import (
    Balance,
    BalanceTransaction,
    balance_facts,
    transaction_facts,
)
from webhooks.translate.billing import (
    customer_facts,
    invoice_facts,
    invoice_payment_facts,
    payout_facts,
    subscription_facts,
)
from webhooks.translate.billing_objects import (
    Coupon,
    Discount,
    DiscountedCustomer,
    Invoice,
    InvoicePayment,
    Payout,
    Plan,
    Price,
    Subscription,
)
from webhooks.translate.discounts import coupon_facts, discount_facts
from webhooks.translate.objects import (
    NAMELESS,
    OBSERVED,
    UNREADABLE,
    YEAR_3000,
    Charge,
    CheckoutSession,
    Data,
    Dispute,
    Envelope,
    PaymentIntent,
    Refund,
    RelatedObject,
    StripeObject,
    Subject,
    ThinEvent,
    read_envelope,
    read_thin,
    remains_of,
)
from webhooks.translate.payments import (
    at,
    charge_facts,
    checkout_facts,
    dispute_facts,
    payment_facts,
    refund_facts,
)
from webhooks.translate.prices import plan_facts, price_facts
from webhooks.translate.purchases import purchase_facts
from webhooks.translate.uncounted import uncounted_amounts


class Reading(Struct, frozen=True):
    """How an event type is understood: the kind of its object, its shape, its facts."""

    kind: str
    shape: type[StripeObject]
    facts: Callable[[Any, Envelope, str], list[Fact]]


_PAYMENT = Reading("payment_intent", PaymentIntent, payment_facts)
_CHARGE = Reading("charge", Charge, charge_facts)
_REFUND = Reading("refund", Refund, refund_facts)
_DISPUTE = Reading("dispute", Dispute, dispute_facts)
_CHECKOUT = Reading("checkout.session", CheckoutSession, checkout_facts)
_CUSTOMER = Reading("customer", DiscountedCustomer, customer_facts)
_SUBSCRIPTION = Reading("subscription", Subscription, subscription_facts)
_DISCOUNT = Reading("discount", Discount, discount_facts)
_COUPON = Reading("coupon", Coupon, coupon_facts)
_PRICE = Reading("price", Price, price_facts)
_PLAN = Reading("plan", Plan, plan_facts)
_INVOICE = Reading("invoice", Invoice, invoice_facts)
_INVOICE_PAYMENT = Reading("invoice_payment", InvoicePayment, invoice_payment_facts)
_PAYOUT = Reading("payout", Payout, payout_facts)
_TRANSACTION = Reading("balance_transaction", BalanceTransaction, transaction_facts)
_BALANCE = Reading("balance", Balance, balance_facts)

_PREVIEW: Final = "invoice.upcoming"  # of an invoice that does not exist

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
    ("price.", _PRICE),
    ("plan.", _PLAN),
    (_PREVIEW, None),
    ("invoice.", _INVOICE),
    ("invoice_payment.", _INVOICE_PAYMENT),
    ("payout.", _PAYOUT),
    ("balance.available", _BALANCE),
)
"""Event types by how they begin; the first that fits. Every other type is `unprojected`."""

_OF_KIND: Final = {
    reading.kind: reading
    for reading in (*(each for _, each in READINGS if each is not None), _TRANSACTION)
}
"""How each kind of object is read that may also be fetched by itself."""

_KINDS: Final = frozenset(_OF_KIND)

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

    def __call__(self, recorded: RecordedEvent) -> tuple[EventContext, Sequence[AnyFact]]:
        """What an event of the log says, and where and when that stands.

        The shop's own events are facts as they are. A Stripe event always says that it was
        recorded, and also what its object tells if it is of this mode and of a type that is read.
        """
        event = recorded.event
        if isinstance(event, StripeObjectObserved):
            return self._observed(recorded, event)
        if isinstance(event, StripePayoutListed):
            return self._listed(recorded, event)
        if isinstance(event, StripeObjectNotTold):
            return self._not_told(recorded, event)
        if not isinstance(event, StripeEventReceived):
            key = order_key(recorded.version, 1, recorded.stream)
            return _moment(recorded, recorded.effective_at, key), (event,)
        if event.event_id.startswith(NAMELESS):
            return self._remains(recorded, event, "it has no `id`")
        try:
            envelope = read_envelope(event.body)
        except UNREADABLE as error:
            return self._otherwise(recorded, event, str(error))
        key = order_key(envelope.created, _step(envelope.type), event.event_id)
        account = envelope.account or event.account
        moment = _moment(recorded, at(envelope.created), key, account)
        facts = self._facts(event.event_id, envelope, reading_of(envelope.type))
        if may_need_qualifying(account, event.body):
            facts = tuple(qualified(fact, account) for fact in facts)
        return moment, facts

    def _observed(
        self, recorded: RecordedEvent, event: StripeObjectObserved
    ) -> tuple[EventContext, Sequence[AnyFact]]:
        """What a fetched object says: as much as an event that showed it then.

        Of one second an event goes before: what was fetched may be older than that by a moment.
        """
        envelope = Envelope(
            type=event.kind + OBSERVED,
            created=int(event.fetched_at.timestamp()),
            livemode=event.livemode,
            account=event.account,
            api_version=event.api_version,
            data=Data(object=_whole(event)),
        )
        name = f"-{hashlib.sha256(envelope.data.object).hexdigest()}"
        moment = _moment(
            recorded,
            event.fetched_at,
            order_key(envelope.created, 1, name),
            event.account,
        )
        facts = (
            *self._facts(event.object_id, envelope, _OF_KIND.get(event.kind)),
            *_lists_read(event),
        )
        if may_need_qualifying(event.account, event.body):
            facts = tuple(qualified(fact, event.account) for fact in facts)
        return moment, facts

    def _listed(
        self, recorded: RecordedEvent, event: StripePayoutListed
    ) -> tuple[EventContext, Sequence[AnyFact]]:
        """What a payout paid out."""
        is_ours = event.livemode == (self.mode == "live")
        note = StripeEventRecorded(
            event_id=event.payout_id,
            type="payout_members.observed",
            outcome="projected" if is_ours else "other_mode",
            livemode=event.livemode,
        )
        members = PayoutMembersFact(
            payout_id=event.payout_id,
            transaction_ids=event.transaction_ids,
            complete=event.complete,
        )
        key = order_key(int(event.fetched_at.timestamp()), 1, recorded.stream)
        moment = _moment(recorded, event.fetched_at, key, event.account)
        said = (note, members) if is_ours else (note,)
        return moment, tuple(qualified(fact, event.account) for fact in said)

    def _not_told(
        self, recorded: RecordedEvent, event: StripeObjectNotTold
    ) -> tuple[EventContext, Sequence[AnyFact]]:
        """That Stripe was asked in vain."""
        is_ours = event.livemode == (self.mode == "live")
        note = StripeEventRecorded(
            event_id=event.object_id,
            type=f"{event.kind}.not_told",
            outcome="projected" if is_ours else "other_mode",
            livemode=event.livemode,
        )
        told = NotToldFact(
            kind=event.kind,
            subject_id=event.object_id,
            cause=event.cause,
            times=recorded.version,
            asked_at=event.asked_at,
        )
        key = order_key(int(event.asked_at.timestamp()), 1, recorded.stream)
        moment = _moment(recorded, event.asked_at, key, event.account)
        said = (note, told) if is_ours else (note,)
        return moment, tuple(qualified(fact, event.account) for fact in said)

    def _facts(self, event_id: str, envelope: Envelope, reading: Reading | None) -> Sequence[Fact]:
        if envelope.livemode != (self.mode == "live"):
            return (_note(event_id, envelope, "other_mode"),)
        cut = _lists_cut(envelope)
        if reading is None:
            return (*_unprojected(event_id, envelope), *cut)
        try:
            facts = self._read(reading, envelope)
        except UNREADABLE as error:
            return _unreadable(event_id, envelope, reading, str(error))
        if not facts:
            return (*_unprojected(event_id, envelope, reading), *cut)
        return (_note(event_id, envelope, "projected"), *facts, *_unknown_states(facts), *cut)

    def _read(self, reading: Reading, envelope: Envelope) -> list[Fact]:
        """What the event's object says; nothing if it is of another kind than the reading's."""
        stripe_object, lost = leniently(envelope.data.object, reading.shape)
        if stripe_object.object not in (reading.kind, None):
            return []
        facts = reading.facts(stripe_object, envelope, self.order_metadata_key)
        facts += purchase_facts(facts, envelope, self.order_metadata_key)
        strange = _unknown_currencies(reading, stripe_object, facts)
        return [*facts, *_unreadable_parts(reading, stripe_object, lost), *strange]

    def _otherwise(
        self, recorded: RecordedEvent, event: StripeEventReceived, cause: str
    ) -> tuple[EventContext, Sequence[AnyFact]]:
        """What has no snapshot of an object: a thin event, or bytes that cannot be read."""
        try:
            thin = read_thin(event.body)
        except UNREADABLE:
            return self._remains(recorded, event, cause)
        seconds = int(thin.created.timestamp())
        key = order_key(max(0, seconds), _step(thin.type), event.event_id)
        account = thin.account or event.account
        moment = _moment(recorded, thin.created.astimezone(UTC), key, account)
        is_ours = thin.livemode == (self.mode == "live")
        note = _thin_note(event.event_id, thin, "unprojected" if is_ours else "other_mode")
        return moment, (qualified(note, account),)

    def _remains(
        self, recorded: RecordedEvent, event: StripeEventReceived, cause: str
    ) -> tuple[EventContext, Sequence[AnyFact]]:
        """Bytes that are no event: of them the id is known, and what else can be made out."""
        remains = remains_of(event.body)
        event_id, type_ = event.event_id, _name(remains.type) or "unknown"
        seconds = remains.created if _is_time(remains.created) else None
        effective_at = recorded.effective_at if seconds is None else at(seconds)
        note = StripeEventRecorded(
            event_id=event_id, type=type_, outcome="unreadable", livemode=self.mode == "live"
        )
        problem = StripeEventUnreadable(event_id=event_id, type=type_, cause=cause)
        key = order_key(seconds or 0, 1, event_id)
        moment = _moment(recorded, effective_at, key, event.account)
        return moment, (note, problem)


_SOURCES: Final = (
    accounts,
    mrr,
    json_text,
    lists,
    objects,
    leniency,
    balance,
    states,
    payments,
    billing_objects,
    billing_states,
    billing,
    discounts,
    prices,
    purchases,
    uncounted,
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


def _step(event_type: str) -> int:
    """Where an event stands among those of one second: what makes an object, 1, or its end.

    https://docs.stripe.com/webhooks#event-ordering: the order of delivery says nothing.
    """
    if event_type.endswith(".created"):
        return 0
    return 2 if event_type.endswith((".deleted", ".closed")) else 1


def _moment(
    recorded: RecordedEvent, effective_at: datetime, key: str, account: str | None = None
) -> EventContext:
    return EventContext(
        recorded.position,
        recorded.stream,
        recorded.version,
        recorded.topic,
        recorded.recorded_at,
        effective_at,
        key,
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


def _thin_note(event_id: str, thin: ThinEvent, outcome: str) -> StripeEventRecorded:
    """The note of an event that only names its object."""
    about = thin.related_object or RelatedObject()
    kind, own_id = _name(about.type), _name(about.id)
    return StripeEventRecorded(
        event_id=event_id,
        type=thin.type,
        outcome=outcome,
        livemode=thin.livemode,
        subject_kind=kind,
        subject_id=own_id,
        payment_id=own_id if kind == "payment_intent" else None,
        charge_id=own_id if kind == "charge" else None,
        customer_id=own_id if kind == "customer" else None,
    )


def _whole(event: StripeObjectObserved) -> Raw:
    """What was fetched, its lists with all that was read of them."""
    try:
        return Raw(completed(event.body, event.rest))
    except UNREADABLE:
        return Raw(json_text.storable(event.body))


def _lists_cut(envelope: Envelope) -> tuple[ListFact, ...]:
    """The lists that a report shows in part."""
    try:
        cut = cut_lists(envelope.data.object)
    except UNREADABLE:
        return ()
    return tuple(
        ListFact(
            kind=each.kind,
            subject_id=each.object_id,
            part=each.part,
            cut=True,
            shown=each.shown,
            at_least=each.at_least,
            url=each.url,
            element=each.element,
        )
        for each in cut
        if _name(each.kind) and _name(each.object_id)
    )


def _lists_read(event: StripeObjectObserved) -> Iterator[ListFact]:
    """The lists of a fetched object that were read to their ends."""
    try:
        completed(event.body, event.rest)
    except UNREADABLE:
        return
    for part in event.rest:
        yield ListFact(kind=event.kind, subject_id=event.object_id, part=part, cut=False)


def _is_time(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < YEAR_3000


def _unreadable(
    event_id: str, envelope: Envelope, reading: Reading, cause: str
) -> tuple[Fact, ...]:
    """A known field is of a wrong type, unless the object is of another kind altogether."""
    if _name(_subject(envelope).object) not in {reading.kind, None}:
        return _unprojected(event_id, envelope)
    note = _note_with_subject(event_id, envelope, "unreadable")
    return (note, StripeEventUnreadable(event_id=event_id, type=envelope.type, cause=cause))


def _unprojected(
    event_id: str, envelope: Envelope, reading: Reading | None = None
) -> tuple[Fact, ...]:
    """An event that nothing is read of, and what its object comes to, which no figure counts.

    An object of the reading's kind that says nothing has no such amount: none of it is money.
    """
    note = _note_with_subject(event_id, envelope, "unprojected")
    was_read = reading is not None and _name(_subject(envelope).object) in {reading.kind, None}
    if was_read or envelope.type.startswith(_PREVIEW):
        return (note,)
    try:
        amounts = uncounted_amounts(envelope.data.object, _KINDS)
    except UNREADABLE:
        return (note,)
    return (note,) if amounts is None else (note, amounts)


def _unreadable_parts(
    reading: Reading, stripe_object: Any, lost: Mapping[str, str]
) -> Iterator[Fact]:
    kind = _OUR_NAMES.get(reading.kind, reading.kind)
    for part, cause in lost.items():
        yield PartNotUnderstood(kind=kind, part=part, subject_id=stripe_object.id, cause=cause)


def _unknown_currencies(
    reading: Reading, stripe_object: Any, facts: Sequence[Fact]
) -> Iterator[Fact]:
    """Each currency that this version does not know: where its decimals stand is not known."""
    said = {currency for fact in facts for currency in _currencies(fact) if currency}
    for currency in sorted(said - CURRENCIES):
        kind = _OUR_NAMES.get(reading.kind, reading.kind)
        yield PartNotUnderstood(
            kind=kind, part="currency", subject_id=stripe_object.id, word=currency
        )


def _currencies(fact: Fact) -> Iterator[str | None]:
    yield getattr(fact, "currency", None)
    for amount in getattr(fact, "amounts", None) or ():
        yield getattr(amount, "currency", None)


_OUR_NAMES: Final = {"payment_intent": "payment", "checkout.session": "checkout"}


def _unknown_states(facts: Sequence[Fact]) -> Iterator[Fact]:
    """The states that this version does not know."""
    for fact in facts:
        if isinstance(fact, StatefulFact) and not fact.state_known:
            kind, own_id = _OBJECTS[type(fact)]
            subject_id: str = getattr(fact, own_id)
            yield PartNotUnderstood(kind=kind, part="status", subject_id=subject_id, word=fact.word)


_OBJECTS: Final[dict[type[StatefulFact], tuple[str, str]]] = {
    PaymentFact: ("payment", "payment_id"),
    ChargeFact: ("charge", "charge_id"),
    RefundFact: ("refund", "refund_id"),
    DisputeFact: ("dispute", "dispute_id"),
    CheckoutFact: ("checkout", "session_id"),
    SubscriptionFact: ("subscription", "subscription_id"),
    InvoiceFact: ("invoice", "invoice_id"),
    PayoutFact: ("payout", "payout_id"),
}


def _subject(envelope: Envelope) -> Subject:
    try:
        return _decode_subject(envelope.data.object)
    except UNREADABLE:
        return Subject()


def _name(value: Any) -> str | None:
    """A string that can be an id or a kind, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= 255 else None
