"""Facts of billing: subscriptions and their discounts, invoices, payouts (see `facts`)."""

from datetime import datetime
from enum import unique

from msgspec import Struct

from ledger.domain.accounts import StripeId
from ledger.domain.facts import UNKNOWN, Fact, State, StatefulFact


class Asked(Struct, frozen=True, kw_only=True):
    """How a price is asked whose amount the report does not say.

    `rate` is how often a month, in parts: see `SubscriptionFact`; `packs` how many units each time.
    `per_unit` says that each of them costs the same, so that a line of an invoice tells how much.
    """

    rate: int
    packs: int
    per_unit: bool


class SubscriptionItem(Struct, frozen=True, kw_only=True):
    """One price of a subscription and how many units of it.

    `monthly` is what they come to in a month by the list (`ledger.domain.mrr`), in parts of a
    minor unit: see `SubscriptionFact`. None where the report does not say: the price has tiers that
    it leaves out, or an amount in another currency. Then `asked` says how to find out, None where
    nothing could. `unit_minor` is a decimal number as text, None for tiers and where not known.
    """

    item_id: StripeId | None
    price_id: StripeId | None
    product_id: StripeId | None
    quantity: int | None
    unit_minor: str | None
    interval: str | None
    interval_count: int
    metered: bool
    monthly: int | None
    asked: Asked | None = None
    discount_ids: tuple[StripeId, ...] = ()
    created_at: datetime | None = None


@unique
class SubscriptionState(State):
    """States of a subscription."""

    INCOMPLETE = "incomplete", 0, "The first invoice waits for its payment."
    TRIALING = "trialing", 10, "Nothing is due yet."
    PAUSED = "paused", 20, "The trial ended without a way to pay."
    ACTIVE = "active", 30, "In good standing."
    PAST_DUE = "past_due", 40, "The latest invoice was not paid yet; Stripe tries again."
    UNPAID = "unpaid", 50, "Stripe tried often enough; it goes on without being asked for money."
    INCOMPLETE_EXPIRED = (
        "incomplete_expired",
        60,
        "The first invoice was never paid: it is as if it had not begun.",
    )
    CANCELED = "canceled", 60, "Over, for good."
    UNKNOWN = UNKNOWN, 50, "A state that this version does not know."


class SubscriptionFact(StatefulFact, frozen=True, kw_only=True):
    """A customer pays, or will pay, for something again and again.

    A subscription goes back and forth between its states: the newest report is right, and the rank
    only sorts those of one second. Its items' monthly amounts are in parts of a minor unit, of
    which `parts` make one, so that they are exact; `invoices` by `parts` is how many invoices it
    gets a month, its discounts of a fixed amount taken off each. `discount_ids` are in the order
    in which they apply; what they take off, a `DiscountFact` says. Of items and discounts the
    report may show some only: so many more there are at least. `items_changed` says that the report
    tells of other items than those before it, or may.

    It ends at `cancel_at`, or with its period, or goes on. `canceled_at` is when that was asked
    for, `ended_at` when it came. While its collection is paused (`collection_paused` says what
    becomes of its invoices) it goes on.
    """

    state: SubscriptionState
    subscription_id: StripeId
    customer_id: StripeId
    currency: str
    created_at: datetime
    items: tuple[SubscriptionItem, ...]
    parts: int
    invoices: int
    items_missing: int = 0
    items_changed: bool = False
    discount_ids: tuple[StripeId, ...] = ()
    discounts_missing: int = 0
    cancel_at_period_end: bool = False
    cancel_at: datetime | None = None
    collection_paused: str | None = None
    collection_resumes_at: datetime | None = None
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    trial_end: datetime | None = None
    started_at: datetime | None = None
    canceled_at: datetime | None = None
    ended_at: datetime | None = None


class Terms(Struct, frozen=True, kw_only=True):
    """What a coupon takes off: a percentage (a decimal number as text), or an amount an invoice.

    `duration` is `forever`, `once` or `repeating`. Stripe never lets them be changed. `amounts` is
    what it takes off in other currencies, `products` what it is for, None for everything: Stripe
    tells both only where it was asked to.
    """

    duration: str
    percent_off: str | None = None
    amount_off_minor: int | None = None
    currency: str | None = None
    amounts: dict[str, int] | None = None
    products: tuple[StripeId, ...] | None = None


class DiscountFact(Fact, frozen=True, kw_only=True):
    """A coupon is applied to a subscription, to an item of one, or to all that a customer has.

    `terms` are None where the report only names the coupon (since 2025-09-30). One that is
    `customer_wide` is for every subscription of its customer that has none of its own. `ended`
    says that the report is of its end.
    """

    discount_id: StripeId
    coupon_id: StripeId | None
    terms: Terms | None = None
    subscription_id: StripeId | None = None
    customer_id: StripeId | None = None
    customer_wide: bool = False
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended: bool = False


class CouponFact(Fact, frozen=True, kw_only=True):
    """A coupon and its terms, which never change.

    Another one may be made under the id of one that was deleted: `created_at` tells them apart. It
    is None where the report does not say it. `deleted` says that the report is of its deletion,
    which takes it from no customer who has it.
    """

    coupon_id: StripeId
    terms: Terms
    name: str | None = None
    created_at: datetime | None = None
    deleted: bool = False


class PriceTier(Struct, frozen=True, kw_only=True):
    """A step of a tiered price, as in `ledger.domain.mrr`; amounts are decimal numbers as text."""

    up_to: int | None
    unit: str
    flat: str


class PriceAmount(Struct, frozen=True, kw_only=True):
    """What a unit costs in a currency: a decimal number of minor units as text, or tiers."""

    currency: str
    unit: str | None = None
    tiers: tuple[PriceTier, ...] = ()
    graduated: bool = False


class PriceFact(Fact, frozen=True, kw_only=True):
    """A price, in the currencies in which the report says what it costs."""

    price_id: StripeId
    product_id: StripeId | None
    amounts: tuple[PriceAmount, ...]


class InvoiceLine(Struct, frozen=True, kw_only=True):
    """What a unit of a subscription's price costs on an invoice, as a decimal number as text."""

    subscription_id: StripeId
    price_id: StripeId
    unit: str


@unique
class InvoiceState(State):
    """States of an invoice."""

    DRAFT = "draft", 0, "It may still change."
    OPEN = "open", 10, "It waits for its payment."
    UNCOLLECTIBLE = "uncollectible", 20, "It is not expected to be paid any more, and still may be."
    VOID = "void", 30, "It was a mistake."
    PAID = (
        "paid",
        30,
        "Nothing is due any longer; perhaps without a payment (credit balance, out of band).",
    )
    DELETED = "deleted", 30, "A draft was thrown away."
    UNKNOWN = UNKNOWN, 20, "A state that this version does not know."


class InvoiceFact(StatefulFact, frozen=True, kw_only=True):
    """A customer is asked for money. What he pays is booked with the payment, never here.

    What pays it, an `InvoicePaymentFact` says; `payments_at_least` is how many of them there are,
    where the report lists them: the list may be cut. `lines` are what whole periods of
    subscriptions cost. `opens_subscription` says that it is the first one of its subscription.
    """

    state: InvoiceState
    invoice_id: StripeId
    currency: str
    due_minor: int
    paid_minor: int
    remaining_minor: int
    created_at: datetime
    customer_id: StripeId | None = None
    subscription_id: StripeId | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    paid_at: datetime | None = None
    payments_at_least: int | None = None
    opens_subscription: bool = False
    lines: tuple[InvoiceLine, ...] = ()


class InvoicePaymentFact(Fact, frozen=True, kw_only=True):
    """A payment, or a charge without one, pays an invoice or was meant to; an invoice has many.

    `payment_id` is the charge's id where there is no payment. `state` is `open`, `paid` or
    `canceled`, None where the report only names it (until 2025-03-31). `paid_minor` is the part
    of the payment that went to this invoice.
    """

    invoice_id: StripeId
    payment_id: StripeId
    charge_id: StripeId | None = None
    state: str | None = None
    amount_minor: int | None = None
    paid_minor: int | None = None
    currency: str | None = None
    created_at: datetime | None = None
    paid_at: datetime | None = None


@unique
class PayoutState(State):
    """States of a payout."""

    PENDING = "pending", 0, "Not sent yet."
    IN_TRANSIT = "in_transit", 10, "Sent."
    PAID = "paid", 20, "It should have arrived; the bank may still send it back."
    CANCELED = "canceled", 30, "Called off before it was sent."
    FAILED = "failed", 30, "The bank did not take it, perhaps after it seemed to have arrived."
    UNKNOWN = UNKNOWN, 20, "A state that this version does not know."


class PayoutFact(StatefulFact, frozen=True, kw_only=True):
    """Money on its way from Stripe to the shop's bank; a negative amount goes the other way."""

    state: PayoutState
    payout_id: StripeId
    amount_minor: int
    currency: str
    created_at: datetime
    arrives_at: datetime | None = None
    transaction_id: StripeId | None = None
    failure_code: str | None = None
    failure_transaction_id: StripeId | None = None
    automatic: bool | None = None
    method: str | None = None
    destination_id: StripeId | None = None
    original_payout_id: StripeId | None = None
    reversed_by_id: StripeId | None = None
    reconciliation: str | None = None
    trace: str | None = None
