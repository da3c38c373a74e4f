"""The shapes of Stripe's billing objects, as far as we use them (see `stripe_objects`)."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from ledger.domain.mrr import Interval
from webhooks.stripe_objects import (
    Amount,
    Currency,
    Id,
    Reference,
    Seconds,
    SignedAmount,
    StripeObject,
    Text,
    Word,
)

Count = Annotated[int, Meta(ge=0, le=10**12)]
Intervals = Annotated[int, Meta(ge=1, le=10**12)]


class CutList(Struct, kw_only=True, gc=False):
    """A list within an object, of which Stripe shows the first ten: docs.stripe.com/api/pagination.

    `total_count` is there where Stripe was asked for it, and in some lists always.
    """

    has_more: bool | None = None
    total_count: Count | None = None

    def at_least(self, shown: int) -> int:
        """How many it has, or at least has, of which so many are shown."""
        return max(shown + bool(self.has_more), self.total_count or 0)


# ── Prices ──────────────────────────────────────────────────────────────────────────────────────


class Tier(Struct, kw_only=True, gc=False):
    """A step of `price.tiers`; `amount` until 2018."""

    up_to: Count | None = None
    unit_amount: Amount | None = None
    unit_amount_decimal: Decimal | None = None
    flat_amount: Amount | None = None
    flat_amount_decimal: Decimal | None = None
    amount: Amount | None = None


class Transform(Struct, kw_only=True, gc=False):
    """`price.transform_quantity`: units that are sold together."""

    divide_by: Annotated[int, Meta(ge=1, le=10**12)] = 1
    round: Word | None = None


class Recurring(Struct, kw_only=True, gc=False):
    """`price.recurring`."""

    interval: Interval
    interval_count: Intervals = 1
    usage_type: Word | None = None


class Price(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/prices/object; since 2020, beside the plan of before."""

    id: Id
    product: Reference = None
    currency: Currency | None = None
    unit_amount: Amount | None = None
    unit_amount_decimal: Decimal | None = None
    recurring: Recurring | None = None
    tiers: list[Tier] | None = None
    tiers_mode: Word | None = None
    transform_quantity: Transform | None = None


class Plan(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/plans/object."""

    id: Id
    interval: Interval
    interval_count: Intervals = 1
    product: Reference = None
    currency: Currency | None = None
    amount: Amount | None = None
    amount_decimal: Decimal | None = None
    usage_type: Word | None = None
    tiers: list[Tier] | None = None
    tiers_mode: Word | None = None
    transform_usage: Transform | None = None


# ── Discounts ───────────────────────────────────────────────────────────────────────────────────


class Coupon(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/coupons/object."""

    MAY_BE_LOST = frozenset({"name"})

    id: Id
    duration: Word | None = None
    percent_off: Decimal | None = None
    amount_off: Amount | None = None
    currency: Currency | None = None
    name: Text | None = None


class Source(Struct, kw_only=True, gc=False):
    """`discount.source`, since 2025-09-30."""

    coupon: Id | Coupon | None = None


class Discount(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/discounts/object; without an id until 2020-08-27."""

    id: Id | None = None
    coupon: Id | Coupon | None = None
    source: Source | None = None
    customer: Reference = None
    subscription: Reference = None
    start: Seconds | None = None
    end: Seconds | None = None


Discounts = Annotated[list[Id | Discount], Meta(max_length=100)]  # Stripe takes twenty


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────


class Item(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/subscription_items/object."""

    id: Id | None = None
    price: Price | None = None
    plan: Plan | None = None
    quantity: Count | None = None
    discounts: Discounts | None = None
    current_period_start: Seconds | None = None
    current_period_end: Seconds | None = None


class ItemList(Struct, kw_only=True, gc=False):
    """`subscription.items`; Stripe takes twenty."""

    data: Annotated[list[Item], Meta(max_length=1000)] = []


class Subscription(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/subscriptions/object; `plan` and `quantity` where there are no items."""

    id: Id
    status: Word
    customer: Reference = None
    customer_account: Word | None = None
    currency: Currency | None = None
    created: Seconds | None = None
    items: ItemList | None = None
    plan: Plan | None = None
    quantity: Count | None = None
    discount: Discount | None = None
    discounts: Discounts | None = None
    cancel_at_period_end: bool | None = None
    current_period_start: Seconds | None = None
    current_period_end: Seconds | None = None
    trial_end: Seconds | None = None
    start_date: Seconds | None = None
    start: Seconds | None = None
    canceled_at: Seconds | None = None
    ended_at: Seconds | None = None


# ── Invoices and payouts ────────────────────────────────────────────────────────────────────────


class Transitions(Struct, kw_only=True, gc=False):
    """`invoice.status_transitions`."""

    paid_at: Seconds | None = None


class SubscriptionDetails(Struct, kw_only=True, gc=False):
    """`invoice.parent.subscription_details`."""

    subscription: Reference = None


class InvoiceParent(Struct, kw_only=True, gc=False):
    """`invoice.parent`, since 2025-03-31."""

    subscription_details: SubscriptionDetails | None = None


class PaidBy(Struct, kw_only=True, gc=False):
    """`invoice_payment.payment`."""

    payment_intent: Reference = None
    charge: Reference = None


class InvoicePayment(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/invoice-payment/object."""

    status: Word | None = None
    invoice: Reference = None
    payment: PaidBy | None = None
    amount_requested: Amount | None = None
    amount_paid: Amount | None = None
    currency: Currency | None = None
    created: Seconds | None = None
    status_transitions: Transitions | None = None


class InvoicePaymentList(CutList, kw_only=True, gc=False):
    """`invoice.payments`, since 2025-03-31 and only where Stripe was asked for it."""

    data: list[InvoicePayment] = []


class Invoice(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/invoices/object; before it had a status, three flags said it.

    `date` was the name of `created` until 2018-11-08.
    """

    MAY_BE_LOST = frozenset({"period_start", "period_end"})

    id: Id
    currency: Currency
    amount_due: SignedAmount
    amount_paid: SignedAmount | None = None
    amount_remaining: SignedAmount | None = None
    status: Word | None = None
    paid: bool | None = None
    closed: bool | None = None
    forgiven: bool | None = None
    created: Seconds | None = None
    date: Seconds | None = None
    customer: Reference = None
    subscription: Reference = None
    parent: InvoiceParent | None = None
    charge: Reference = None
    payment_intent: Reference = None
    payments: InvoicePaymentList | None = None
    period_start: Seconds | None = None
    period_end: Seconds | None = None
    status_transitions: Transitions | None = None


class Payout(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/payouts/object."""

    MAY_BE_LOST = frozenset({"arrival_date", "failure_code"})

    id: Id
    amount: SignedAmount
    currency: Currency
    status: Word
    created: Seconds | None = None
    arrival_date: Seconds | None = None
    balance_transaction: Reference = None
    failure_code: Word | None = None
