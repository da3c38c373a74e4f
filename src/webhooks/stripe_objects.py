"""The shapes of Stripe's JSON, as far as we use them: the event, and each object that we translate.

A struct names only the fields that are used and ignores all others, so a newer API version is read
as far as its shape allows; `STRIPE.md`'s "Fields that moved" is why many fields may be absent.
Amounts are integers in minor units, times are seconds since 1970.
"""

import json
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from ledger.domain.accounts import ACCOUNT_PATTERN
from ledger.domain.money import MAX_MINOR
from ledger.errors import NotAStripeEvent
from webhooks.json_text import is_too_deep, storable

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: msgspec's errors and UnicodeDecodeError are both ValueErrors."""

_YEAR_3000 = 32_503_680_000  # a time in milliseconds by mistake is later than this

# docs.stripe.com/upgrades: ids are at most 255 characters. All text is short enough for an index.
Id = Annotated[str, Meta(min_length=1, max_length=255)]
Word = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=512)]
Currency = Annotated[str, Meta(min_length=3, max_length=8)]
Amount = Annotated[int, Meta(ge=0, le=MAX_MINOR)]
SignedAmount = Annotated[int, Meta(ge=-MAX_MINOR, le=MAX_MINOR)]
Seconds = Annotated[int, Meta(ge=0, lt=_YEAR_3000)]


# ── Objects ─────────────────────────────────────────────────────────────────────────────────────


class Embedded(Struct, gc=False):
    """An expanded object of which only the id is used."""

    id: Id


Reference = Id | Embedded | None
"""An expandable field: an id, the object itself, or nothing."""


class StripeObject(Struct, kw_only=True, gc=False):
    """What `data.object` may be; `object` is its kind.

    A field in `MAY_BE_LOST` hides only itself where it is of a wrong type (see `leniency`).
    """

    MAY_BE_LOST: ClassVar[frozenset[str]] = frozenset()

    object: Word | None = None


class Contact(Struct, gc=False):
    """`billing_details` or `customer_details`, of which only the address for mail is used."""

    email: Text | None = None


class Refund(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/refunds/object."""

    MAY_BE_LOST = frozenset({"failure_reason"})

    id: Id
    amount: Amount
    currency: Currency
    created: Seconds | None = None
    status: Word | None = None
    charge: Reference = None
    payment_intent: Reference = None
    balance_transaction: Reference = None
    reason: Word | None = None
    failure_reason: Word | None = None


class RefundList(Struct, gc=False):
    """`charge.refunds`, in payloads until 2022-11-15; the newest first."""

    data: list[Refund] = []


class Charge(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/charges/object."""

    MAY_BE_LOST = frozenset({"billing_details", "receipt_email", "failure_code"})

    id: Id
    amount: Amount
    currency: Currency
    created: Seconds | None = None
    status: Word | None = None
    paid: bool | None = None
    captured: bool | None = None
    refunded: bool | None = None
    amount_captured: Amount | None = None
    amount_refunded: Amount | None = None
    payment_intent: Reference = None
    customer: Reference = None
    balance_transaction: Reference = None
    billing_details: Contact | None = None
    receipt_email: Text | None = None
    failure_code: Word | None = None
    metadata: Any = None
    refunds: RefundList | list[Refund] | None = None


class ChargeList(Struct, gc=False):
    """`payment_intent.charges`, in payloads until 2022-11-15; the newest first."""

    data: list[Charge] = []


class PaymentError(Struct, gc=False):
    """`payment_intent.last_payment_error`."""

    code: Word | None = None


class PaymentIntent(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/payment_intents/object."""

    MAY_BE_LOST = frozenset({"last_payment_error", "receipt_email"})

    id: Id
    amount: Amount
    currency: Currency
    status: Word
    created: Seconds | None = None
    amount_received: Amount | None = None
    customer: Reference = None
    latest_charge: Reference = None
    charges: ChargeList | None = None
    last_payment_error: PaymentError | None = None
    receipt_email: Text | None = None
    metadata: Any = None


class BalanceTransaction(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/balance_transactions/object: negative is money that leaves."""

    id: Id
    amount: SignedAmount
    currency: Currency
    fee: SignedAmount = 0
    created: Seconds | None = None


class EvidenceDetails(Struct, gc=False):
    """`dispute.evidence_details`."""

    due_by: Seconds | None = None


class Dispute(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/disputes/object."""

    MAY_BE_LOST = frozenset({"reason", "evidence_details"})

    id: Id
    amount: Amount
    currency: Currency
    status: Word
    created: Seconds | None = None
    charge: Reference = None
    payment_intent: Reference = None
    reason: Word | None = None
    evidence_details: EvidenceDetails | None = None
    balance_transactions: list[BalanceTransaction] | None = None


class CheckoutSession(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/checkout/sessions/object; without `created` and `status` until 2021."""

    MAY_BE_LOST = frozenset({"customer_details", "customer_email"})

    id: Id
    created: Seconds | None = None
    status: Word | None = None
    payment_status: Word | None = None
    currency: Currency | None = None
    amount_total: Amount | None = None
    payment_intent: Reference = None
    customer: Reference = None
    customer_details: Contact | None = None
    customer_email: Text | None = None
    client_reference_id: str | None = None
    metadata: Any = None


class Customer(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/customers/object; of a deleted one often only the id is left."""

    MAY_BE_LOST = frozenset({"email", "name"})

    id: Id
    created: Seconds | None = None
    email: Text | None = None
    name: Text | None = None


class Subject(Struct, gc=False):
    """What can be said of an object that is not translated; any of it may be of any type."""

    object: Any = None
    id: Any = None
    payment_intent: Any = None
    charge: Any = None
    customer: Any = None


# ── Events ──────────────────────────────────────────────────────────────────────────────────────


class _Event(Struct, kw_only=True, gc=False):
    """What every event says of itself; `account` is Stripe Connect's.

    `request` and `pending_webhooks` changed their shapes and tell nothing that we use.
    """

    type: Annotated[str, Meta(min_length=1, max_length=255)]
    created: Seconds
    livemode: bool = False
    account: Annotated[str, Meta(pattern=rf"\A{ACCOUNT_PATTERN}\Z")] | None = None
    api_version: Word | None = None


class Data(Struct, gc=False):
    """An event's `data`, the object still undecoded."""

    object: Raw


class Envelope(_Event, kw_only=True, gc=False):
    """A stored event, ready for the decoder of its object."""

    data: Data


class _AnyObject(Struct, gc=False):
    """Any JSON object."""


class _AnyData(Struct, gc=False):
    object: _AnyObject | None  # null in a `ping`


class EventHead(_Event, kw_only=True, gc=False):
    """What makes a JSON document a Stripe event; `created` is in seconds since 1970."""

    id: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,255}\Z")]
    data: _AnyData
    object: Literal["event"] = "event"


_read_head = Decoder(EventHead).decode
_read_envelope = Decoder(Envelope).decode


def parse_event(body: bytes) -> EventHead:
    """The head of a Stripe event; raises NotAStripeEvent for whatever else `body` may be."""
    try:
        body.decode()  # the decoder looks only at the text that it is asked for
        head = _read_head(storable(body))
    except UNREADABLE as error:
        raise NotAStripeEvent(f"The body is no Stripe event: {error}") from error
    if is_too_deep(body):
        raise NotAStripeEvent("The body is no Stripe event: it is nested too deeply")
    return head


def read_envelope(body: bytes) -> Envelope:
    """A stored event, ready to be translated; raises one of UNREADABLE."""
    return _read_envelope(storable(body))


def account_of(body: bytes) -> str | None:
    """The connected account that an event names; None for our own, and for what is no event."""
    if b'"account"' not in body:
        return None
    try:
        return _read_head(storable(body)).account
    except UNREADABLE:
        return None


def same_event(a: bytes, b: bytes) -> bool:
    """Whether two bodies under one id say the same: equal account, type, time and data.

    A webhook and the same event from Stripe's list may differ in `pending_webhooks`, in the order
    of keys, and in white space; neither these nor the spelling of a number make a difference.
    """
    try:
        return a == b or _content(a) == _content(b)
    except (*UNREADABLE, ArithmeticError, AttributeError, LookupError, TypeError):
        return False


def _content(body: bytes) -> list[Any]:
    """What twins must have in common. A number becomes a tuple, which equals no other JSON."""
    event = json.loads(body, parse_int=_number, parse_float=_number)
    return [event.get("account"), *(event[key] for key in ("type", "created", "data"))]


def _number(text: str) -> tuple[Decimal]:
    return (Decimal(text),)
