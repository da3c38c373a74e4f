"""Facts: what the log says, in the shop's words. Projections know nothing else.

The shop's own stored events (`ledger.domain.events`) are facts as they are.
What a payment provider reports becomes one of the facts below, made by a translator
(`webhooks.translate`) when the log is read; nothing of it is stored.

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
from typing import ClassVar

from msgspec import Struct

from ledger.domain.accounts import StripeId
from ledger.domain.events import CATALOGUE, Event, Meta


class Moment(Struct, frozen=True):
    """Where and when a fact stands: the same for all facts of one stored event.

    `source` is the stream (`order/A1`, `stripe/evt_…`), `version` its number there.
    `effective_at` is when it happened in the world (Stripe's `created`, the command's time);
    `position`, `recorded_at` and `received_at` say when we learnt of it.
    `account` is Stripe's connected account. `order_key` sorts reports of one object: see `newest`.
    """

    position: int
    source: str
    version: int
    topic: str
    recorded_at: datetime
    effective_at: datetime
    order_key: str
    meta: Meta
    account: str | None = None

    def ranked(self, rank: int) -> str:
        """A sort key for a life cycle: rank first, then Stripe's time, then the event's id."""
        return f"{rank:02d}.{self.order_key}"

    def newest(self, rank: int) -> str:
        """A sort key for plain fields: Stripe's time first, then rank, then the event's id."""
        return f"{self.order_key[:13]}{rank:02d}.{self.order_key[13:]}"


class Fact(Struct, frozen=True, kw_only=True):
    """Something that a provider reported."""


class StatefulFact(Fact, frozen=True, kw_only=True):
    """A report of an object in a state: `STATE` is its name, `RANK` its place in the life cycle.

    A report of a lower rank never replaces one of a higher rank, whenever it arrives.
    """

    STATE: ClassVar[str]
    RANK: ClassVar[int]


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

    STATE, RANK = "authorized", 1


class PaymentSucceeded(PaymentFact, frozen=True, kw_only=True):
    """The money was taken."""

    STATE, RANK = "succeeded", 2


class PaymentCanceled(PaymentFact, frozen=True, kw_only=True):
    """The payment is over without money."""

    STATE, RANK = "canceled", 2


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

    STATE, RANK = "authorized", 1


class ChargeExpired(ChargeFact, frozen=True, kw_only=True):
    """The hold lapsed or was let go; nothing was taken."""

    STATE, RANK = "expired", 2


class ChargeCaptured(ChargeFact, frozen=True, kw_only=True):
    """The money was taken."""

    STATE, RANK = "captured", 3


class ChargeFailed(ChargeFact, frozen=True, kw_only=True):
    """The attempt failed, perhaps long after it seemed to succeed (bank debits)."""

    STATE, RANK = "failed", 4


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

    STATE, RANK = "requires_action", 1


class RefundSucceeded(RefundFact, frozen=True, kw_only=True):
    """The money went back."""

    STATE, RANK = "succeeded", 2


class RefundCanceled(RefundFact, frozen=True, kw_only=True):
    """Called off: the money is the shop's again, for good."""

    STATE, RANK = "canceled", 3


class RefundFailed(RefundFact, frozen=True, kw_only=True):
    """It came back: the money is the shop's again, for good."""

    STATE, RANK = "failed", 3


class FundsMovement(Struct, frozen=True, kw_only=True):
    """Money moved by a dispute: negative out, positive back; once per `transaction_id`."""

    transaction_id: StripeId
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime


class DisputeFact(StatefulFact, frozen=True, kw_only=True):
    """A customer's bank asks the money back.

    `withdrawn` or `reinstated` is set when the report was made because funds moved.
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


class DisputeInquiryClosed(DisputeFact, frozen=True, kw_only=True):
    """The bank stopped asking; it may still open a dispute."""

    STATE, RANK = "inquiry_closed", 1


class DisputeOpened(DisputeFact, frozen=True, kw_only=True):
    """The shop must answer."""

    STATE, RANK = "open", 2


class DisputeUnderReview(DisputeFact, frozen=True, kw_only=True):
    """The bank reads the shop's answer (and may ask again)."""

    STATE, RANK = "under_review", 2


class DisputeClosed(DisputeFact, frozen=True, kw_only=True):
    """Over without a winner: refunded or prevented."""

    STATE, RANK = "closed", 3


class DisputeLost(DisputeFact, frozen=True, kw_only=True):
    """The customer keeps the money."""

    STATE, RANK = "lost", 3


class DisputeWon(DisputeFact, frozen=True, kw_only=True):
    """The shop keeps the money."""

    STATE, RANK = "won", 3


class CheckoutFact(StatefulFact, frozen=True, kw_only=True):
    """A visit to the provider's payment page. It moves no money of its own.

    `order_id` is what the shop wrote into the metadata, `reference` what it passed as its own
    reference; the first is the stronger link.
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


class CheckoutOpened(CheckoutFact, frozen=True, kw_only=True):
    """The page was opened."""

    STATE, RANK = "open", 0


class CheckoutCompleted(CheckoutFact, frozen=True, kw_only=True):
    """The customer is done, the money is not here yet."""

    STATE, RANK = "completed", 1


class CheckoutExpired(CheckoutFact, frozen=True, kw_only=True):
    """The page was never completed."""

    STATE, RANK = "expired", 2


class CheckoutFailed(CheckoutFact, frozen=True, kw_only=True):
    """The customer was done, and the bank refused later."""

    STATE, RANK = "failed", 2


class CheckoutPaid(CheckoutFact, frozen=True, kw_only=True):
    """Paid, or nothing was due."""

    STATE, RANK = "paid", 3


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

    STATE, RANK = "deleted", 1


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
