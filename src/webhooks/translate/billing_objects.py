"""The shapes of Stripe's billing objects, as far as we use them (see `objects`)."""

from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from webhooks.translate.objects import (
    Amount,
    Currency,
    Customer,
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

    interval: Word
    interval_count: Intervals = 1
    usage_type: Word | None = None


class PriceOption(Struct, kw_only=True, gc=False):
    """`price.currency_options`, where Stripe was asked for it: the price in another currency."""

    unit_amount: Amount | None = None
    unit_amount_decimal: Decimal | None = None
    tiers: list[Tier] | None = None


class Price(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/prices/object; since 2020, beside the plan of before.

    `recurring` is null for a price that is asked once; left out, it says nothing.
    """

    id: Id
    product: Reference = None
    currency: Currency | None = None
    unit_amount: Amount | None = None
    unit_amount_decimal: Decimal | None = None
    currency_options: Annotated[dict[str, PriceOption], Meta(max_length=500)] | None = None
    recurring: Recurring | UnsetType | None = UNSET
    billing_scheme: Word | None = None
    tiers: list[Tier] | None = None
    tiers_mode: Word | None = None
    transform_quantity: Transform | None = None


class Plan(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/plans/object."""

    id: Id
    interval: Word
    interval_count: Intervals = 1
    product: Reference = None
    currency: Currency | None = None
    amount: Amount | None = None
    amount_decimal: Decimal | None = None
    usage_type: Word | None = None
    billing_scheme: Word | None = None
    tiers: list[Tier] | None = None
    tiers_mode: Word | None = None
    transform_usage: Transform | None = None


# ── Discounts ───────────────────────────────────────────────────────────────────────────────────


class CouponOption(Struct, kw_only=True, gc=False):
    """`coupon.currency_options`, where Stripe was asked for it."""

    amount_off: Amount | None = None


class AppliesTo(Struct, kw_only=True, gc=False):
    """`coupon.applies_to`, where Stripe was asked for it."""

    products: Annotated[list[Id], Meta(max_length=1000)] = []


class Coupon(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/coupons/object."""

    MAY_BE_LOST = frozenset({"name"})

    id: Id
    created: Seconds | None = None
    duration: Word | None = None
    percent_off: Decimal | None = None
    amount_off: Amount | None = None
    currency: Currency | None = None
    currency_options: Annotated[dict[str, CouponOption], Meta(max_length=500)] | None = None
    applies_to: AppliesTo | None = None
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
    subscription_item: Reference = None
    invoice: Reference = None
    invoice_item: Reference = None
    checkout_session: Reference = None
    start: Seconds | None = None
    end: Seconds | None = None


Discounts = Annotated[list[Id | Discount], Meta(max_length=100)]  # Stripe takes twenty


class DiscountList(CutList, kw_only=True, gc=False):
    """Discounts, should Stripe ever write them as it writes its longer lists."""

    data: Discounts = []


class DiscountedCustomer(Customer, kw_only=True, gc=False):
    """A customer, with the discount of all that he has: docs.stripe.com/api/customers/object."""

    discount: Discount | None = None


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────


class Item(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/subscription_items/object."""

    id: Id | None = None
    created: Seconds | None = None
    price: Price | None = None
    plan: Plan | None = None
    quantity: Count | None = None
    discounts: Discounts | DiscountList | None = None
    current_period_start: Seconds | None = None
    current_period_end: Seconds | None = None


class ItemList(CutList, kw_only=True, gc=False):
    """`subscription.items`; Stripe takes twenty, and shows the first ten in an event."""

    data: Annotated[list[Item], Meta(max_length=1000)] = []


class PauseCollection(Struct, kw_only=True, gc=False):
    """`subscription.pause_collection`."""

    behavior: Word | None = None
    resumes_at: Seconds | None = None


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
    discounts: Discounts | DiscountList | None = None
    cancel_at_period_end: bool | None = None
    cancel_at: Seconds | None = None
    pause_collection: PauseCollection | None = None
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

    id: Id | None = None
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


class LinePrice(Struct, kw_only=True, gc=False):
    """`line.price` or `line.plan`, until 2025-03-31: amounts are in the currency of the price."""

    id: Id
    currency: Currency | None = None
    unit_amount: Amount | None = None
    unit_amount_decimal: Decimal | None = None
    amount: Amount | None = None
    amount_decimal: Decimal | None = None


class PriceDetails(Struct, kw_only=True, gc=False):
    """`line.pricing.price_details`."""

    price: Reference = None


class Pricing(Struct, kw_only=True, gc=False):
    """`line.pricing`, since 2025-03-31: the amount is in the currency of the line."""

    price_details: PriceDetails | None = None
    unit_amount_decimal: Decimal | None = None


class SubscriptionItemDetails(Struct, kw_only=True, gc=False):
    """`line.parent.subscription_item_details`."""

    subscription: Reference = None
    proration: bool | None = None


class LineParent(Struct, kw_only=True, gc=False):
    """`line.parent`, since 2025-03-31."""

    subscription_item_details: SubscriptionItemDetails | None = None


class Line(Struct, kw_only=True, gc=False):
    """docs.stripe.com/api/invoice-line-item/object."""

    type: Word | None = None
    amount: SignedAmount | None = None
    currency: Currency | None = None
    quantity: Count | None = None
    proration: bool | None = None
    subscription: Reference = None
    price: LinePrice | None = None
    plan: LinePrice | None = None
    pricing: Pricing | None = None
    parent: LineParent | None = None


class LineList(CutList, kw_only=True, gc=False):
    """`invoice.lines`, of which an event shows the first ten."""

    data: list[Line] = []


class Invoice(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/invoices/object; before it had a status, three flags said it.

    `date` was the name of `created` until 2018-11-08.
    """

    # Without its lines a price may not be known, and MRR says so.
    MAY_BE_LOST = frozenset({"period_start", "period_end", "lines", "billing_reason"})

    id: Id
    currency: Currency
    amount_due: SignedAmount
    amount_paid: SignedAmount | None = None
    amount_remaining: SignedAmount | None = None
    status: Word | None = None
    billing_reason: Word | None = None
    paid: bool | None = None
    paid_out_of_band: bool | None = None  # until 2025-03-31
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
    lines: LineList | None = None
    period_start: Seconds | None = None
    period_end: Seconds | None = None
    status_transitions: Transitions | None = None


class Trace(Struct, gc=False):
    """The bank's own name of a payout, once there is one (since 2025)."""

    value: str | None = None


class Payout(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/payouts/object."""

    MAY_BE_LOST = frozenset(
        {
            "arrival_date",
            "automatic",
            "destination",
            "failure_balance_transaction",
            "failure_code",
            "method",
            "original_payout",
            "reconciliation_status",
            "reversed_by",
            "trace_id",
        }
    )

    id: Id
    amount: SignedAmount
    currency: Currency
    status: Word
    created: Seconds | None = None
    arrival_date: Seconds | None = None
    automatic: bool | None = None
    balance_transaction: Reference = None
    destination: Reference = None
    failure_balance_transaction: Reference = None
    failure_code: Word | None = None
    method: Word | None = None
    original_payout: Reference = None
    reconciliation_status: Word | None = None
    reversed_by: Reference = None
    trace_id: Trace | None = None
