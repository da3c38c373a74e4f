"""Facts: what the log says, in the shop's words. Projections know nothing else.

The shop's own stored events (`ledger.domain.events`) are facts as they are.
What a payment provider reports becomes one of the facts below, made by a translator
(`webhooks.translate.translator`) when the log is read; nothing of it is stored.

A provider's fact is an object and the state it was reported in. Its class says the state
(`RefundSucceeded`), its base says the object (`RefundFact`); a handler may take either. Those of
subscriptions, invoices and payouts stand in `billing_facts`.
Amounts are integers in minor units of `currency` (lower case); times are aware and in UTC.
A `StripeId` names its account where that is not our own (`ledger.domain.accounts`).
An id that the report did not name is None, which never erases one known before.
`created_at` is when the object was made or, where a report does not say, when it was reported:
of several the earliest is right.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final

from msgspec import Struct

from ledger.domain.accounts import StripeId
from ledger.domain.events import CATALOGUE, Event, Metadata


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


class StatefulFact(Fact, frozen=True, kw_only=True):
    """A report of an object in a state: `STATE` is its name, `RANK` its place in the life cycle.

    The tens of the rank are its stage: a report of a lower stage never replaces one of a higher
    stage, whenever it arrives; within a stage Stripe's time decides, and within a second the rank.

    A state that this version does not know is one too: `word` is what the provider calls it. It
    stands in the last stage that is not final, so that among states that may still change the
    newest report is right, whatever it is called.
    """

    STATE: ClassVar[str]
    RANK: ClassVar[int]

    word: str | None = None

    @property
    def state(self) -> str:
        """The state's name: ours, or the provider's word where we have none."""
        return self.STATE if self.word is None else self.word

    @property
    def state_known(self) -> bool:
        """Whether this version knows what the state means."""
        return self.word is None


class PaymentFact(StatefulFact, frozen=True, kw_only=True):
    """A payment of one customer for one order, which may take several attempts (charges)."""

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


class PaymentStarted(PaymentFact, frozen=True, kw_only=True):
    """The payment waits for the customer."""

    STATE, RANK = "pending", 0


class PaymentAttemptFailed(PaymentFact, frozen=True, kw_only=True):
    """An attempt was refused; the customer may try again, so this ends nothing."""

    STATE, RANK = "failed", 0


class PaymentProcessing(PaymentFact, frozen=True, kw_only=True):
    """The bank is at work."""

    STATE, RANK = "processing", 0


class PaymentAuthorized(PaymentFact, frozen=True, kw_only=True):
    """The money is held, not taken."""

    STATE, RANK = "authorized", 10


class PaymentSucceeded(PaymentFact, frozen=True, kw_only=True):
    """The money was taken."""

    STATE, RANK = "succeeded", 20


class PaymentCanceled(PaymentFact, frozen=True, kw_only=True):
    """The payment is over without money."""

    STATE, RANK = "canceled", 20


class PaymentUnknown(PaymentFact, frozen=True, kw_only=True):
    """A state that this version does not know."""

    STATE, RANK = UNKNOWN, 10


class ChargeFact(StatefulFact, frozen=True, kw_only=True):
    """One attempt to take money.

    `captured_minor` is 0 unless the state is captured; `captured_at` is when it was taken, as far
    as the report knows: of several the latest is right. `refunded_minor` is the provider's
    cumulative figure, without what a partial capture let go.
    """

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


class ChargePending(ChargeFact, frozen=True, kw_only=True):
    """A bank debit is on its way."""

    STATE, RANK = "pending", 0


class ChargeAuthorized(ChargeFact, frozen=True, kw_only=True):
    """The money is held, not taken."""

    STATE, RANK = "authorized", 10


class ChargeExpired(ChargeFact, frozen=True, kw_only=True):
    """The hold lapsed or was let go; nothing was taken."""

    STATE, RANK = "expired", 20


class ChargeCaptured(ChargeFact, frozen=True, kw_only=True):
    """The money was taken."""

    STATE, RANK = "captured", 30


class ChargeFailed(ChargeFact, frozen=True, kw_only=True):
    """The attempt failed, perhaps long after it seemed to succeed (bank debits)."""

    STATE, RANK = "failed", 40


class ChargeUnknown(ChargeFact, frozen=True, kw_only=True):
    """A state that this version does not know."""

    STATE, RANK = UNKNOWN, 30


class RefundFact(StatefulFact, frozen=True, kw_only=True):
    """Money on its way back to the customer."""

    refund_id: StripeId
    amount_minor: int
    currency: str
    created_at: datetime
    charge_id: StripeId | None = None
    payment_id: StripeId | None = None
    transaction_id: StripeId | None = None
    reason: str | None = None
    failure_code: str | None = None


class RefundPending(RefundFact, frozen=True, kw_only=True):
    """Asked for; counts as reserved."""

    STATE, RANK = "pending", 0


class RefundRequiresAction(RefundFact, frozen=True, kw_only=True):
    """The customer must do something to get the money."""

    STATE, RANK = "requires_action", 10


class RefundSucceeded(RefundFact, frozen=True, kw_only=True):
    """The money went back."""

    STATE, RANK = "succeeded", 20


class RefundCanceled(RefundFact, frozen=True, kw_only=True):
    """Called off: the money is the shop's again, for good."""

    STATE, RANK = "canceled", 30


class RefundFailed(RefundFact, frozen=True, kw_only=True):
    """It came back: the money is the shop's again, for good."""

    STATE, RANK = "failed", 30


class RefundUnknown(RefundFact, frozen=True, kw_only=True):
    """A state that this version does not know."""

    STATE, RANK = UNKNOWN, 20


class FundsMovement(Struct, frozen=True, kw_only=True):
    """Money moved by a dispute: negative out, positive back; once per `transaction_id`."""

    transaction_id: StripeId
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime


class DisputeFact(StatefulFact, frozen=True, kw_only=True):
    """A customer's bank asks the money back.

    `withdrawn` or `reinstated` is set when the report was made because funds moved. No decision is
    final: what was lost may be appealed and won, so among decisions and what may come after them
    the newest report is right.
    """

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


class DisputeInquiry(DisputeFact, frozen=True, kw_only=True):
    """The bank only asks; no money moves."""

    STATE, RANK = "inquiry", 0


class DisputeInquiryUnknown(DisputeFact, frozen=True, kw_only=True):
    """A state of an inquiry that this version does not know."""

    STATE, RANK = UNKNOWN, 5


class DisputeInquiryClosed(DisputeFact, frozen=True, kw_only=True):
    """The bank stopped asking; it may still open a dispute."""

    STATE, RANK = "inquiry_closed", 10


class DisputeOpened(DisputeFact, frozen=True, kw_only=True):
    """The shop must answer."""

    STATE, RANK = "open", 20


class DisputeUnderReview(DisputeFact, frozen=True, kw_only=True):
    """The bank reads the shop's answer (and may ask again)."""

    STATE, RANK = "under_review", 20


class DisputeAppealOpened(DisputeFact, frozen=True, kw_only=True):
    """It was decided, and the decision is contested: the shop must answer again."""

    STATE, RANK = "open", 30


class DisputeAppealUnderReview(DisputeFact, frozen=True, kw_only=True):
    """The appeal is with those who decide: what was lost may still be won."""

    STATE, RANK = "under_review", 31


class DisputeClosed(DisputeFact, frozen=True, kw_only=True):
    """Over without a winner: refunded or prevented."""

    STATE, RANK = "closed", 35


class DisputeLost(DisputeFact, frozen=True, kw_only=True):
    """The customer keeps the money."""

    STATE, RANK = "lost", 35


class DisputeWon(DisputeFact, frozen=True, kw_only=True):
    """The shop keeps the money."""

    STATE, RANK = "won", 35


class DisputeUnknown(DisputeFact, frozen=True, kw_only=True):
    """A state that this version does not know."""

    STATE, RANK = UNKNOWN, 32


class CheckoutFact(StatefulFact, frozen=True, kw_only=True):
    """A visit to the provider's payment page. It moves no money of its own.

    `order_id` is what the shop wrote into the metadata, `reference` what it passed as its own
    reference; the first is the stronger link. `mode` is `payment`, `subscription` (its payment is
    that of its invoice) or `setup` (it keeps a card and pays nothing). `discount_minor` is what the
    page itself took off; `nothing_due` says that the customer had to pay nothing.
    """

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


class CheckoutOpened(CheckoutFact, frozen=True, kw_only=True):
    """The page was opened."""

    STATE, RANK = "open", 0


class CheckoutCompleted(CheckoutFact, frozen=True, kw_only=True):
    """The customer is done, the money is not here yet."""

    STATE, RANK = "completed", 10


class CheckoutExpired(CheckoutFact, frozen=True, kw_only=True):
    """The page was never completed."""

    STATE, RANK = "expired", 20


class CheckoutFailed(CheckoutFact, frozen=True, kw_only=True):
    """The customer was done, and the bank refused later."""

    STATE, RANK = "failed", 20


class CheckoutPaid(CheckoutFact, frozen=True, kw_only=True):
    """Paid, or nothing was due."""

    STATE, RANK = "paid", 30


class CheckoutUnknown(CheckoutFact, frozen=True, kw_only=True):
    """A state that this version does not know."""

    STATE, RANK = UNKNOWN, 10


class CustomerFact(StatefulFact, frozen=True, kw_only=True):
    """A customer as the provider knows it."""

    customer_id: StripeId
    created_at: datetime | None = None
    email: str | None = None
    name: str | None = None


class CustomerSeen(CustomerFact, frozen=True, kw_only=True):
    """The customer was made or changed."""

    STATE, RANK = "active", 0


class CustomerDeleted(CustomerFact, frozen=True, kw_only=True):
    """The customer was deleted at the provider."""

    STATE, RANK = "deleted", 10


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


class StripeEventUnreadable(Fact, frozen=True, kw_only=True):
    """A known field of this event has a wrong type; `cause` says which."""

    event_id: StripeId
    type: str
    cause: str


AnyFact = Event | Fact


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
