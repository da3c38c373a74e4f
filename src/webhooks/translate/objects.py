"""The shapes of Stripe's JSON, as far as we use them: the event, and each object that we translate.

A struct names only the fields that are used and ignores all others, so a newer API version is read
as far as its shape allows. Many fields may be absent: docs/stripe.md, "Fields that moved".
Amounts are integers in minor units, times are seconds since 1970.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from ledger.domain.accounts import ACCOUNT_PATTERN
from ledger.domain.money import MAX_MINOR
from ledger.errors import NotAStripeEvent
from ledger.json_text import is_too_deep, storable

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: msgspec's errors and UnicodeDecodeError are both ValueErrors."""

_MAX_ID = 255
NAMELESS = "sha256-"
"""How the ids begin that we give to what has none of its own."""
OBSERVED: Final = ".observed"
"""How the type of an object ends that was fetched and came in no event: `charge.observed`."""
YEAR_3000 = 32_503_680_000  # a time in milliseconds by mistake is later than this

# docs.stripe.com/upgrades: ids are at most 255 characters. All text is short enough for an index.
Id = Annotated[str, Meta(min_length=1, max_length=_MAX_ID)]
Word = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=512)]
Currency = Annotated[str, Meta(min_length=3, max_length=8)]
Amount = Annotated[int, Meta(ge=0, le=MAX_MINOR)]
SignedAmount = Annotated[int, Meta(ge=-MAX_MINOR, le=MAX_MINOR)]
Seconds = Annotated[int, Meta(ge=0, lt=YEAR_3000)]


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
    metadata: Any = None


class RefundList(Struct, gc=False):
    """`charge.refunds`, in payloads until 2022-11-15; the newest first."""

    data: list[Refund] = []


class Charge(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/charges/object."""

    MAY_BE_LOST = frozenset({"billing_details", "receipt_email", "failure_code", "invoice"})

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
    invoice: Reference = None  # until 2025-03-31
    customer: Reference = None
    balance_transaction: Reference = None
    billing_details: Contact | None = None
    receipt_email: Text | None = None
    failure_code: Word | None = None
    description: Any = None
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

    MAY_BE_LOST = frozenset(
        {"last_payment_error", "receipt_email", "invoice", "capture_method", "canceled_at"}
    )

    id: Id
    amount: Amount
    currency: Currency
    status: Word
    created: Seconds | None = None
    canceled_at: Seconds | None = None
    amount_received: Amount | None = None
    customer: Reference = None
    latest_charge: Reference = None
    capture_method: Word | None = None
    invoice: Reference = None  # until 2025-03-31
    charges: ChargeList | None = None
    last_payment_error: PaymentError | None = None
    receipt_email: Text | None = None
    description: Any = None
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


class TotalDetails(Struct, gc=False):
    """`session.total_details`, of which only what the page took off is used."""

    amount_discount: Amount | None = None


class CheckoutSession(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/checkout/sessions/object; without `created` and `status` until 2021."""

    MAY_BE_LOST = frozenset({"customer_details", "customer_email", "total_details", "mode"})

    id: Id
    created: Seconds | None = None
    status: Word | None = None
    payment_status: Word | None = None
    currency: Currency | None = None
    amount_total: Amount | None = None
    payment_intent: Reference = None
    invoice: Reference = None
    subscription: Reference = None
    mode: Word | None = None
    total_details: TotalDetails | None = None
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
    balance: Any = None
    account_balance: Any = None  # until 2019-10-17
    currency: Any = None
    invoice_credit_balance: Any = None  # by currency, where it is asked for


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
    """An event's `data`, still undecoded: the object, and what of it was otherwise before."""

    object: Raw
    previous_attributes: Raw = Raw()


class Envelope(_Event, kw_only=True, gc=False):
    """A stored event, ready for the decoder of its object."""

    data: Data
    object: Literal["event"] = "event"


class RelatedObject(Struct, gc=False):
    """What a thin event is about: it names the object, and shows nothing of it."""

    id: Any = None
    type: Any = None


class ThinEvent(Struct, kw_only=True, gc=False):
    """docs.stripe.com/event-destinations: `created` is a text, and `context` the account."""

    object: Literal["v2.core.event"]
    type: Annotated[str, Meta(min_length=1, max_length=255)]
    created: Annotated[datetime, Meta(tz=True)]
    livemode: bool = False
    context: Any = None
    related_object: RelatedObject | None = None

    @property
    def account(self) -> str | None:
        """The connected account; a context may be something else."""
        return account_in(self.context)


class _AnyObject(Struct, gc=False):
    """Any JSON object."""


class _AnyData(Struct, gc=False):
    object: _AnyObject | None  # null in a `ping`


class EventHead(_Event, kw_only=True, gc=False):
    """What makes a JSON document a Stripe event; `created` is in seconds since 1970."""

    id: Id
    data: _AnyData
    object: Literal["event"] = "event"


class ThinHead(ThinEvent, kw_only=True, gc=False):
    """What makes it a thin event, of API v2."""

    id: Id


class Remains(Struct, gc=False):
    """What can be said of a signed body that is no event; any of it may be of any type."""

    id: Any = None
    type: Any = None
    created: Any = None


_read_head = Decoder(EventHead).decode
_read_thin_head = Decoder(ThinHead).decode
_read_envelope = Decoder(Envelope).decode
_read_thin = Decoder(ThinEvent).decode
_read_remains = Decoder(Remains).decode


def parse_event(body: bytes) -> EventHead | ThinHead:
    """The head of a Stripe event; raises NotAStripeEvent for whatever else `body` may be."""
    try:
        body.decode()  # the decoder looks only at the text that it is asked for
        head = _head(storable(body))
    except UNREADABLE as error:
        raise NotAStripeEvent(f"The body is no Stripe event: {error}") from error
    if is_too_deep(body):
        raise NotAStripeEvent("The body is no Stripe event: it is nested too deeply")
    if not _can_name(head.id):
        raise NotAStripeEvent("The body is no Stripe event: its `id` has control characters")
    return head


def _head(body: bytes) -> EventHead | ThinHead:
    try:
        return _read_head(body)
    except UNREADABLE as error:
        try:
            return _read_thin_head(body)
        except UNREADABLE:
            raise error from None


def event_id_of(body: bytes) -> str:
    """The id under which a signed body is stored: its own, or `sha256-…` of its bytes without one.

    Never raises: whatever Stripe signed has a name.
    """
    own = remains_of(body).id
    if isinstance(own, str) and 0 < len(own) <= _MAX_ID and _can_name(own):
        return own
    return f"{NAMELESS}{sha256(body).hexdigest()}"


def remains_of(body: bytes) -> Remains:
    """What can be said of any bytes."""
    try:
        return Remains() if is_too_deep(body) else _read_remains(storable(body))
    except UNREADABLE:
        return Remains()


def _can_name(text: str) -> bool:
    """Whether a text can be told from others by a person: U+FFFD stands for what cannot."""
    return text.isprintable() and "\ufffd" not in text


def read_envelope(body: bytes) -> Envelope:
    """A stored event, ready to be translated; raises one of UNREADABLE."""
    return _read_envelope(storable(body))


def read_thin(body: bytes) -> ThinEvent:
    """A stored thin event; raises one of UNREADABLE."""
    thin = _read_thin(storable(body))
    if not 1970 <= thin.created.year < 3000:
        raise ValueError(f"the event is of the year {thin.created.year}")
    return thin


def account_of(body: bytes) -> str | None:
    """The connected account that an event names; None for our own, and for what is no event."""
    if not any(part in body for part in (b'"account"', b'"context"', b"\\u00")):
        return None  # quick, for the many; JSON may escape any character of a name
    try:
        return _head(storable(body)).account
    except UNREADABLE:
        return None


def account_in(context: Any) -> str | None:
    """The account that a value names, if it is one."""
    is_account = isinstance(context, str) and re.fullmatch(ACCOUNT_PATTERN, context)
    return context if is_account else None


def same_event(a: bytes, b: bytes) -> bool:
    """Whether two bodies under one id say the same: equal account, type, time and data.

    A webhook and the same event from Stripe's list may differ in `pending_webhooks`, in the order
    of keys, and in white space; neither these nor the spelling of a number make a difference. Nor
    does it that only one of them names its account: its list does not.
    """
    try:
        return a == b or _alike(_content(a), _content(b))
    except (*UNREADABLE, ArithmeticError, AttributeError, LookupError, TypeError):
        return False


def _alike(a: list[Any], b: list[Any]) -> bool:
    accounts = a[_ACCOUNT], b[_ACCOUNT]
    if None in accounts:
        a[_ACCOUNT] = b[_ACCOUNT] = None
    return a == b


def content_sha256(body: bytes) -> str:
    """SHA-256 (hex) of what `same_event` compares, and of the bytes of a body that has no twins."""
    try:
        compared = json.dumps(_content(body), sort_keys=True, default=_spelled).encode()
    except (*UNREADABLE, ArithmeticError, AttributeError, LookupError, TypeError):
        compared = body
    return sha256(compared).hexdigest()


def _spelled(number: Any) -> dict[str, str]:
    """A number, spelt in one way: 1.50 as 1.5."""
    assert isinstance(number, Decimal)
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    assert isinstance(exponent, int), "JSON knows no other numbers"
    shift = exponent + len(digits) - len(text) if text else 0
    return {"number": f"{'-' if sign and text else ''}{text or 0}e{shift}"}


_SAME = ("account", "context", "data", "related_object")
_ACCOUNT = 2  # behind the type and the time


def _content(body: bytes) -> list[Any]:
    """What twins must have in common. A number becomes a tuple, which equals no other JSON."""
    event = json.loads(body, parse_int=_number, parse_float=_number)
    if "data" not in event and event.get("object") != "v2.core.event":
        raise LookupError("what is no event has no twins")
    return [event["type"], event["created"], *(event.get(key) for key in _SAME)]


def _number(text: str) -> tuple[Decimal]:
    return (Decimal(text),)
