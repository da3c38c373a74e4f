"""Links: which events touched which object; one line an event and object that it names."""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.balance_facts import PayoutMembersFact, TransactionFact
from ledger.domain.billing_facts import (
    CouponFact,
    DiscountFact,
    InvoiceFact,
    InvoicePaymentFact,
    PayoutFact,
    PriceFact,
    SubscriptionFact,
)
from ledger.domain.events import (
    AddedToWishlist,
    BooksAccountMapped,
    BooksBalancesListed,
    BooksCategoryNamed,
    BooksOpeningEntered,
    BooksPeriodClosed,
    BooksPeriodReopened,
    IssueEvidenceChanged,
    IssueOpened,
    IssueReopened,
    IssueResolved,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PaymentClaimed,
    PaymentLinked,
    PaymentReleased,
    PaymentUnlinked,
    ProductListed,
    PurchaseOrdered,
    PurchaseRefused,
    RefundBegun,
    RefundRefused,
    RefundRequested,
    RefundWithdrawn,
    RemovedFromWishlist,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
    TransactionClassified,
)
from ledger.domain.facts import (
    ChargeFact,
    CheckoutFact,
    CustomerFact,
    DisputeFact,
    EventContext,
    PaymentFact,
    RefundFact,
    StripeEventRecorded,
)
from ledger.domain.wishlist import wish_id
from projections.engine.declare import Change, Column, Journal, Projection

# `id` before `kind`: it tells lines apart sooner, so the index is made faster.
links = Journal(
    "links", id=Column("text", "key"), kind=Column("text", "key"), indexes=("position",)
)
projection = Projection("links", tables=(links,))
UNLISTED = ("charge", "coupon", "price")
"""Kinds of objects that have a history, and no list of their own."""

# An object's own events, and those of what hangs on it: what an event names together belongs
# together. Not through customers and products, which connect everything with everything, nor
# through issues, which are looked at for their own sake. A subscription's invoices belong to it,
# what became of their payments does not; a coupon's and a price's own events do, what else uses
# them does not; and so do discounts that its customer has on all of his subscriptions. A checkout's
# payment may be that of the invoice that it names (`paid_invoice`) or, where it names none, of the
# one that opens its subscription (`opened_subscription`).
RELATED = """
with recursive related (kind, id) as (
    select kind collate "C", id collate "C"
    from unnest(%(kinds)s::text[], %(ids)s::text[]) as given (kind, id)
    union
    select
        case other.kind
            when 'used_coupon' then 'coupon'
            when 'used_price' then 'price'
            when 'customer' then 'discounts_of_customer'
            else other.kind
        end,
        other.id
    from related
    join links as own using (kind, id)
    join links as other using (position)
    where related.kind not in ('customer', 'sku', 'issue', 'coupon', 'price')
        and case related.kind
            when 'subscription' then other.kind in ('discount', 'used_price', 'customer')
            when 'discounts_of_customer' then other.kind = 'used_coupon'
            when 'discount' then other.kind = 'used_coupon'
            else other.kind in (
                'payment', 'charge', 'refund', 'dispute', 'checkout', 'paid_invoice',
                'opened_subscription'
            )
        end
)
select distinct position
from related
join links using (kind, id)
where position > %(after)s and position < %(before)s
"""
"""Positions of the events that touched some objects or, for an order, its payments and theirs."""


def _named(at: EventContext, **objects: str | None) -> list[Change]:
    """A line for each object; made by hand, because every event of the log makes a few."""
    position = at.position
    return [(links, (name, kind, position)) for kind, name in objects.items() if name is not None]


def _names(**fields: str) -> Callable[[Any, EventContext], list[Change]]:
    """Makes a line for each object that a fact names, in the field that is given for its kind.

    Of `one or other`, the other field counts where the one is None.
    """
    found = [(kind, *field.split(" or ")) for kind, field in fields.items()]
    pairs = [(kind, first, rest[0] if rest else first) for kind, first, *rest in found]

    def lines(fact: Any, at: EventContext) -> list[Change]:
        position = at.position
        return [
            (links, (name, kind, position))
            for kind, field, other in pairs
            if (name := getattr(fact, field) or getattr(fact, other)) is not None
        ]

    return lines


# What Stripe's objects and the shop's events name, by kind, where a field says it as it is.
projection.handles(PaymentFact)(
    _names(payment="payment_id", charge="charge_id", order="order_id", customer="customer_id")
)
projection.handles(ChargeFact)(
    _names(
        charge="charge_id",
        payment="payment_id or charge_id",
        order="order_id",
        customer="customer_id",
    )
)
projection.handles(RefundFact)(
    _names(refund="refund_id", charge="charge_id", payment="payment_id or charge_id")
)
projection.handles(DisputeFact)(
    _names(dispute="dispute_id", charge="charge_id", payment="payment_id or charge_id")
)
projection.handles(CustomerFact)(_names(customer="customer_id"))
projection.handles(PriceFact)(_names(price="price_id"))
projection.handles(CouponFact)(_names(coupon="coupon_id"))
projection.handles(PayoutFact, PayoutMembersFact)(_names(payout="payout_id"))
projection.handles(TransactionFact, TransactionClassified)(_names(transaction="transaction_id"))
projection.handles(InvoicePaymentFact)(
    _names(
        invoice="invoice_id", paid_invoice="invoice_id", payment="payment_id", charge="charge_id"
    )
)
projection.handles(StripeEventRecorded)(
    _names(payment="payment_id", charge="charge_id", customer="customer_id")
)
projection.handles(OrderPlaced)(_names(order="order_id", customer="customer_id"))
projection.handles(PaymentLinked, PaymentUnlinked, PaymentClaimed, PaymentReleased)(
    _names(order="order_id", payment="payment_id")
)
projection.handles(
    OrderCanceled,
    OrderExpired,
    OrderReinstated,
    OrderAllocationFailed,
    OrderFulfilled,
    OrderLinesReturned,
    RefundRequested,
    RefundBegun,
    RefundWithdrawn,
)(_names(order="order_id"))
projection.handles(RefundRefused)(_names(order="order_id", payment="payment_id"))
projection.handles(
    BooksAccountMapped,
    BooksBalancesListed,
    BooksCategoryNamed,
    BooksOpeningEntered,
    BooksPeriodClosed,
    BooksPeriodReopened,
)(_names(period="period"))
projection.handles(ProductListed, StockReceived, StockAdjusted)(_names(sku="sku"))
projection.handles(StockReserved, StockReleased, StockSold, StockReturned)(
    _names(sku="sku", order="order_id")
)


@projection.handles(PurchaseOrdered)
def purchase(fact: PurchaseOrdered, at: EventContext) -> Iterable[Change]:
    """An order was made of a page, an invoice, a payment; the subscription is another's story."""
    named = {fact.kind: fact.object_id}
    if fact.kind == "invoice":
        named["paid_invoice"] = fact.object_id
    return _named(at, order=fact.order_id, **named)


@projection.handles(PurchaseRefused)
def refused(fact: PurchaseRefused, at: EventContext) -> Iterable[Change]:
    """No order could be made of it."""
    return _named(at, **{fact.kind: fact.object_id})


@projection.handles(CheckoutFact)
def checkout(fact: CheckoutFact, at: EventContext) -> Iterable[Change]:
    """A visit to the payment page connects an order and a payment, or what that pays."""
    return _named(
        at,
        checkout=fact.session_id,
        payment=fact.payment_id,
        paid_invoice=fact.invoice_id,
        opened_subscription=fact.subscription_id if fact.invoice_id is None else None,
        order=fact.order_id or fact.reference,
        customer=fact.customer_id,
    )


@projection.handles(SubscriptionFact)
def subscription(fact: SubscriptionFact, at: EventContext) -> Iterable[Change]:
    """A subscription names its customer, its discounts, and prices that say what they cost."""
    discounts = {*fact.discount_ids, *(name for item in fact.items for name in item.discount_ids)}
    prices = {item.price_id for item in fact.items if item.asked is not None}
    lines = _named(at, subscription=fact.subscription_id, customer=fact.customer_id)
    lines += [line for name in discounts for line in _named(at, discount=name)]
    return lines + [line for name in prices for line in _named(at, used_price=name)]


@projection.handles(DiscountFact)
def discount(fact: DiscountFact, at: EventContext) -> Iterable[Change]:
    """A discount names what it is of, and its coupon where it leaves the terms to that."""
    return _named(
        at,
        discount=fact.discount_id,
        used_coupon=fact.coupon_id if fact.terms is None else None,
        subscription=fact.subscription_id,
        customer=fact.customer_id,
        discounts_of_customer=fact.customer_id if fact.customer_wide else None,
    )


@projection.handles(InvoiceFact)
def invoice(fact: InvoiceFact, at: EventContext) -> Iterable[Change]:
    """An invoice names what it is for; the first one of a subscription is paid at its checkout."""
    opens = fact.opens_subscription
    return _named(
        at,
        invoice=fact.invoice_id,
        paid_invoice=fact.invoice_id if opens else None,
        subscription=fact.subscription_id,
        opened_subscription=fact.subscription_id if opens else None,
        customer=fact.customer_id,
    )


@projection.handles(AddedToWishlist, RemovedFromWishlist)
def wished(fact: AddedToWishlist | RemovedFromWishlist, at: EventContext) -> Iterable[Change]:
    """A wish names its customer; nothing happens to the product."""
    return _named(at, wish=wish_id(fact.customer_id, fact.sku), customer=fact.customer_id)


@projection.handles(IssueOpened, IssueEvidenceChanged, IssueResolved, IssueReopened)
def found(
    fact: IssueOpened | IssueEvidenceChanged | IssueResolved | IssueReopened, at: EventContext
) -> Iterable[Change]:
    """An issue belongs to the history of what it is about."""
    finding = fact.finding
    return _named(at, issue=finding.issue_id, **{finding.kind: finding.reference})
