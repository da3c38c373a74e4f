"""Facts: what the log says, in the shop's words. Projections know nothing else.

The shop's own stored events (`ledger.domain.events`) are facts as they are.
What a payment provider reports becomes one of the facts below, made by a translator
(`webhooks.translate.translator`) when the log is read; nothing of it is stored.

A provider's fact is an object (`RefundFact`), as a rule with the state it was reported in
(`RefundState`). Those of subscriptions, invoices and payouts stand in `billing_facts`.
Amounts are integers in minor units of `currency` (lower case); times are aware and in UTC.
A `StripeId` names its account where that is not our own (`ledger.domain.accounts`).
An id that the report did not name is None, which never erases one known before.
`created_at` is when the object was made or, where a report does not say, when it was reported:
of several the earliest is right.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum, unique
from typing import Final, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.accounts import StripeId
from ledger.domain.events import CATALOGUE, Address, Event, Metadata


class EventContext(Struct, frozen=True):
    """Where and when a fact stands: the same for all facts of one stored event.

    `source` is the stream (`order/A1`, `stripe/evt_…`), `version` its number there.
    `effective_at` is when it happened in the world (Stripe's `created`, the command's time);
    `position`, `recorded_at` and `received_at` say when we learnt of it.
    `account` is Stripe's connected account. `order_key` sorts reports of one object: see `newest`.
    It is time (12 digits), step (one digit) and event id, with a point after each of the former.
    """

    position: int
    source: str
    version: int
    topic: str
    recorded_at: datetime
    effective_at: datetime
    order_key: str
    meta: Metadata
    account: str | None = None

    def telling(self, total_minor: int) -> "EventContext":
        """The same, within its second after reports of less: for totals that grow with time."""
        key = self.order_key
        further = f"{key[:_TIME_AND_STEP]}{total_minor:016d}.{key[_TIME_AND_STEP:]}"
        return replace(self, order_key=further)

    def ranked(self, rank: int) -> str:
        """A sort key for a life cycle: the rank's stage (its tens), then Stripe's time.

        In one second the event's step decides, then the rest of the rank, then the event's id.
        """
        stage, rest = divmod(rank, 10)
        key = self.order_key
        return f"{stage}.{key[:_TIME_AND_STEP]}{rest}.{key[_TIME_AND_STEP:]}"

    def newest(self, rank: int) -> str:
        """A sort key for plain fields: Stripe's time, step in its second, rank, the event's id."""
        key = self.order_key
        return f"{key[:_TIME_AND_STEP]}{rank:02d}.{key[_TIME_AND_STEP:]}"


def order_key(seconds: int, step: int, name: str) -> str:
    """Sorts what happened in order: `step` is 0 for what makes an object, 1, or 2 for its end."""
    return f"{seconds:012d}.{step}.{name}"


_TIME_AND_STEP: Final = len(order_key(0, 0, ""))


class Fact(Struct, frozen=True, kw_only=True):
    """Something that a provider reported."""


UNKNOWN: Final = "unknown"


class State(Enum):
    """A state in the life of an object: its name (`word`), its `rank` there, and what it says.

    The tens of the rank are its stage: a report of a lower stage never replaces one of a higher
    stage, whenever it arrives; within a stage Stripe's time decides, and within a second the rank.

    A state that this version does not know is one too. It stands in the last stage that is not
    final, so that among states that may still change the newest report is right, whatever it is
    called.
    """

    def __init__(self, word: str, rank: int, says: str) -> None:
        self.word = word
        self.rank = rank
        self.says = says


class StatefulFact(Fact, frozen=True, kw_only=True):
    """A report of an object in a state; `word` is the provider's name of one we do not know."""

    state: State
    word: str | None = None

    @property
    def state_name(self) -> str:
        """The state's name: ours, or the provider's word where we have none."""
        return self.state.word if self.word is None else self.word

    @property
    def state_known(self) -> bool:
        """Whether this version knows what the state means."""
        return self.state.word != UNKNOWN


@unique
class PaymentState(State):
    """States of a payment."""

    PENDING = "pending", 0, "The payment waits for the customer."
    FAILED = (
        "failed",
        0,
        "An attempt was refused; the customer may try again, so this ends nothing.",
    )
    PROCESSING = "processing", 0, "The bank is at work."
    AUTHORIZED = "authorized", 10, "The money is held, not taken."
    SUCCEEDED = "succeeded", 20, "The money was taken."
    CANCELED = "canceled", 20, "The payment is over without money."
    UNKNOWN = UNKNOWN, 10, "A state that this version does not know."


class PaymentFact(StatefulFact, frozen=True, kw_only=True):
    """A payment of one customer for one order, which may take several attempts (charges).

    `description` is one line of text; `labels` are the shop's own words in its metadata, by their
    key: those that could be an order's id (`webhooks.translate.payments`). `held_first` says that
    its money is held and taken later, None where it does not say so.
    """

    state: PaymentState
    payment_id: StripeId
    amount_minor: int
    received_minor: int
    currency: str
    created_at: datetime
    order_id: str | None = None
    customer_id: StripeId | None = None
    charge_id: StripeId | None = None
    email: str | None = None
    failure_code: str | None = None
    held_first: bool | None = None
    canceled_at: datetime | None = None
    description: str | None = None
    labels: Mapping[str, str] | None = None


@unique
class ChargeState(State):
    """States of a charge."""

    PENDING = "pending", 0, "A bank debit is on its way."
    AUTHORIZED = "authorized", 10, "The money is held, not taken."
    EXPIRED = "expired", 20, "The hold lapsed or was let go; nothing was taken."
    CAPTURED = "captured", 30, "The money was taken."
    FAILED = (
        "failed",
        40,
        "The attempt failed, perhaps long after it seemed to succeed (bank debits).",
    )
    UNKNOWN = UNKNOWN, 30, "A state that this version does not know."


class ChargeFact(StatefulFact, frozen=True, kw_only=True):
    """One attempt to take money.

    `captured_minor` is 0 unless the state is captured; `captured_at` is when it was taken, as far
    as the report knows: of several the latest is right. `refunded_minor` is the provider's
    cumulative figure, without what a partial capture let go. `description` and `labels` are as for
    a payment.
    """

    state: ChargeState
    charge_id: StripeId
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    captured_at: datetime | None = None
    payment_id: StripeId | None = None
    order_id: str | None = None
    customer_id: StripeId | None = None
    transaction_id: StripeId | None = None
    email: str | None = None
    failure_code: str | None = None
    description: str | None = None
    labels: Mapping[str, str] | None = None


@unique
class RefundState(State):
    """States of a refund."""

    PENDING = "pending", 0, "Asked for; counts as reserved."
    REQUIRES_ACTION = "requires_action", 10, "The customer must do something to get the money."
    SUCCEEDED = "succeeded", 20, "The money went back."
    CANCELED = "canceled", 30, "Called off: the money is the shop's again, for good."
    FAILED = "failed", 30, "It came back: the money is the shop's again, for good."
    UNKNOWN = UNKNOWN, 20, "A state that this version does not know."


class RefundFact(StatefulFact, frozen=True, kw_only=True):
    """Money on its way back to the customer."""

    state: RefundState
    refund_id: StripeId
    amount_minor: int
    currency: str
    created_at: datetime
    charge_id: StripeId | None = None
    payment_id: StripeId | None = None
    transaction_id: StripeId | None = None
    request_id: str | None = None
    """The request of the shop that it was made for, where its metadata says so."""
    reason: str | None = None
    failure_code: str | None = None


class FundsMovement(Struct, frozen=True, kw_only=True):
    """Money moved by a dispute: negative out, positive back; once per `transaction_id`."""

    transaction_id: StripeId
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime


@unique
class DisputeState(State):
    """States of a dispute."""

    INQUIRY = "inquiry", 0, "The bank only asks; no money moves."
    INQUIRY_UNKNOWN = UNKNOWN, 5, "A state of an inquiry that this version does not know."
    INQUIRY_CLOSED = "inquiry_closed", 10, "The bank stopped asking; it may still open a dispute."
    OPEN = "open", 20, "The shop must answer."
    UNDER_REVIEW = "under_review", 20, "The bank reads the shop's answer (and may ask again)."
    APPEAL_OPEN = (
        "open",
        30,
        "It was decided, and the decision is contested: the shop must answer again.",
    )
    APPEAL_UNDER_REVIEW = (
        "under_review",
        31,
        "The appeal is with those who decide: what was lost may still be won.",
    )
    CLOSED = "closed", 35, "Over without a winner: refunded or prevented."
    LOST = "lost", 35, "The customer keeps the money."
    WON = "won", 35, "The shop keeps the money."
    UNKNOWN = UNKNOWN, 32, "A state that this version does not know."


class DisputeFact(StatefulFact, frozen=True, kw_only=True):
    """A customer's bank asks the money back.

    `withdrawn` or `reinstated` is set when the report was made because funds moved. No decision is
    final: what was lost may be appealed and won, so among decisions and what may come after them
    the newest report is right.
    """

    state: DisputeState
    dispute_id: StripeId
    amount_minor: int
    currency: str
    created_at: datetime
    charge_id: StripeId | None = None
    payment_id: StripeId | None = None
    reason: str | None = None
    due_at: datetime | None = None
    movements: tuple[FundsMovement, ...] = ()
    withdrawn: bool = False
    reinstated: bool = False


@unique
class CheckoutState(State):
    """States of a checkout."""

    OPEN = "open", 0, "The page was opened."
    COMPLETED = "completed", 10, "The customer is done, the money is not here yet."
    EXPIRED = "expired", 20, "The page was never completed."
    FAILED = "failed", 20, "The customer was done, and the bank refused later."
    PAID = "paid", 30, "Paid, or no payment was required."
    UNKNOWN = UNKNOWN, 10, "A state that this version does not know."


class CheckoutFact(StatefulFact, frozen=True, kw_only=True):
    """A visit to the provider's payment page. It moves no money of its own.

    `order_id` is what the shop wrote into the metadata, `reference` what it passed as its own
    reference; the first is the stronger link. `mode` is `payment`, `subscription` (its payment is
    that of its invoice) or `setup` (it keeps a card and pays nothing). `discount_minor` is what the
    page itself took off; `nothing_due` says that the customer had to pay nothing. `labels` are as
    for a payment. A page that `is_fetched` is shown as it is now, without the time of its last
    change.
    """

    state: CheckoutState
    session_id: StripeId
    created_at: datetime
    currency: str | None = None
    total_minor: int | None = None
    payment_id: StripeId | None = None
    order_id: str | None = None
    reference: str | None = None
    customer_id: StripeId | None = None
    email: str | None = None
    mode: str | None = None
    invoice_id: StripeId | None = None
    subscription_id: StripeId | None = None
    discount_minor: int | None = None
    nothing_due: bool = False
    labels: Mapping[str, str] | None = None
    is_fetched: bool = False


@unique
class CustomerState(State):
    """States of a customer."""

    ACTIVE = "active", 0, "The customer was made or changed."
    DELETED = "deleted", 10, "The customer was deleted at the provider."


class CustomerFact(StatefulFact, frozen=True, kw_only=True):
    """A customer as the provider knows it."""

    state: CustomerState
    customer_id: StripeId
    created_at: datetime | None = None
    email: str | None = None
    name: str | None = None


class StripeEventRecorded(Fact, frozen=True, kw_only=True):
    """One for every stored Stripe event, whatever it says.

    `outcome` is `projected` (other facts come with it), `unprojected` (a type that no read model
    uses), `other_mode` (a live event in a test ledger or the reverse), or `unreadable`.
    `subject_kind` and `subject_id` name the object of an event that became no other fact.
    """

    event_id: StripeId
    type: str
    outcome: str
    livemode: bool
    api_version: str | None = None
    subject_kind: str | None = None
    subject_id: StripeId | None = None
    payment_id: StripeId | None = None
    charge_id: StripeId | None = None
    customer_id: StripeId | None = None


class PartNotUnderstood(Fact, frozen=True, kw_only=True):
    """A part of a report that this version cannot make sense of; the rest is read as ever.

    `kind` and `subject_id` name the object, `part` is what the provider calls the part. `word` is a
    word that is not known, or None where the part is no word at all: then `cause` says why.
    """

    kind: str
    part: str
    subject_id: StripeId
    word: str | None = None
    cause: str | None = None


class ListFact(Fact, frozen=True, kw_only=True):
    """A list within a report that the provider cut short, or that was then read to its end.

    `kind` and `subject_id` name the object, `part` is the path to the list in it. Of `at_least` so
    many elements the report shows `shown`. `url` is where all of it is listed, and `element` what
    the provider calls one; both None of a list that is whole (not `cut`).
    """

    kind: str
    subject_id: StripeId
    part: str
    cut: bool
    shown: int | None = None
    at_least: int | None = None
    url: str | None = None
    element: str | None = None


class UncountedAmount(Struct, frozen=True):
    """One amount: `part` is what the provider calls it and what it stands in, with dots between.

    `currency` is empty where the report names none, `amount_minor` None where it cannot be read.
    """

    part: str
    currency: str
    amount_minor: int | None


REMAINDER: Final = "other"
"""The SKU of what no line shows."""


class SoldLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a line of a purchase says: units, and what all of them cost without tax and discount.

    Below nothing it gives back what was paid before, as a credit does. `sku` is the shop's own
    word, `product_id` the provider's; without either it is `other`.
    """

    name: str
    quantity: int
    amount_minor: int
    sku: str | None = None
    product_id: StripeId | None = None


class Sale(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a purchase comes to, in minor units; shipping is without tax.

    `sku` and `name` are of the one line that stands for all where no lines are shown. `names` is
    the order that the object names, known here or not.
    """

    currency: str
    total_minor: int
    shipping_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    sku: str = REMAINDER
    name: str = "Not itemised"
    customer_id: StripeId | None = None
    email: str | None = None
    shipping_address: Address | None = None
    names: str | None = None


class PurchaseFact(Fact, frozen=True, kw_only=True):
    """What was sold by a purchase that is paid.

    `kind` is `checkout`, `invoice` or `payment`; `lines` are those that the report shows, if any:
    not all of them where it says that it leaves some out (`lines_cut`).
    """

    kind: str
    purchase_id: StripeId
    created_at: datetime
    sale: Sale
    lines: tuple[SoldLine, ...] = ()
    lines_cut: bool = False


class AmountsNotCounted(Fact, frozen=True, kw_only=True):
    """All amounts of an object that no figure counts, as this report has them; none that is 0.

    `kind` and `subject_id` name the object. What an earlier report had and this one has not, is
    settled.
    """

    kind: str
    subject_id: StripeId
    amounts: tuple[UncountedAmount, ...]


class StripeEventUnreadable(Fact, frozen=True, kw_only=True):
    """A known field of this event has a wrong type; `cause` says which."""

    event_id: StripeId
    type: str
    cause: str


AnyFact = Event | Fact


def states_of(fact: type[StatefulFact]) -> type[State]:
    """The states that such an object can be in."""
    return get_type_hints(fact)["state"]


def leaves(base: type[AnyFact]) -> Iterator[type[AnyFact]]:
    """The concrete fact classes at or below `base`."""
    children = base.__subclasses__()
    if not children:
        yield base
    for child in children:
        yield from leaves(child)


def all_facts() -> list[type[AnyFact]]:
    """Every concrete fact: the shop's stored events, and what the provider reports."""
    own: list[type[AnyFact]] = [
        event for topic, event in CATALOGUE.items() if not topic.startswith("stripe.")
    ]
    return own + list(leaves(Fact))
