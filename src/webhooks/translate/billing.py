"""What Stripe's subscriptions, invoices and payouts say, as facts (see `payments`)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from math import lcm

from msgspec import Raw, Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from ledger.domain.billing_facts import (
    Asked,
    InvoiceFact,
    InvoiceLine,
    InvoicePaymentFact,
    InvoiceState,
    PayoutFact,
    SubscriptionFact,
    SubscriptionItem,
)
from ledger.domain.facts import AmountsNotCounted, Fact, UncountedAmount
from ledger.domain.money import MAX_MINOR
from ledger.domain.mrr import Price, monthly, packs, periods_a_month
from webhooks.translate import payments
from webhooks.translate.billing_objects import (
    DiscountedCustomer,
    Discounts,
    Invoice,
    InvoicePayment,
    Item,
    Line,
    PaidBy,
    Payout,
    Subscription,
)
from webhooks.translate.billing_states import invoice_state, payout_state, subscription_state
from webhooks.translate.discounts import discount_fact, missing, names_of, shown
from webhooks.translate.discounts import listed as shown_in
from webhooks.translate.objects import Envelope
from webhooks.translate.payments import at, id_of, made_at, unknown_words
from webhooks.translate.prices import ListPrice, decimal_text, list_price, unit_of
from webhooks.translate.states import unknown_word
from webhooks.translate.uncounted import currency_of

_PAYING = frozenset({"open", "paid", "canceled"})
_REASONS = frozenset(
    {
        "automatic_pending_invoice_item_invoice",
        "manual",
        "quote_accept",
        "subscription",
        "subscription_create",
        "subscription_cycle",
        "subscription_threshold",
        "subscription_update",
        "upcoming",
    }
)
_LINE_TYPES = frozenset({"invoiceitem", "subscription"})
_ITEMS = frozenset({"items", "plan", "quantity"})
_read_names = Decoder(dict[str, Raw]).decode
_NO_PRICE = Price(interval="")
_MAX_PARTS = 2**58  # what is invoiced in a month, 31 times as many at most, still fits a bigint


class _Line(Struct, frozen=True):
    """An item with what it costs and what that is in a month, in minor units, if it is known."""

    item: Item
    listed: ListPrice | None
    price: Price
    monthly: Fraction | None

    @property
    def quantity(self) -> int:
        return 1 if self.item.quantity is None else self.item.quantity


def subscription_facts(
    subscription: Subscription, event: Envelope, _metadata_key: str
) -> list[Fact]:
    """A subscription, and the discounts that it shows rather than names.

    Periods are the subscription's own until 2025-03-31, its items' since; discounts are one until
    then, and a list of ids since.
    """
    items = _items(subscription)
    currency = _currency(subscription, items)
    lines = [_line(item, currency) for item in items if not _is_asked_once(item)]
    rates = (periods_a_month(line.price) for line in lines)
    rate = max((each for each in rates if each is not None), default=Fraction(0))
    parts = _parts(lines, rate)
    own_id, paused = subscription.id, subscription.pause_collection
    state = subscription_state(subscription, event.type)
    fact = SubscriptionFact(
        state=state,
        word=unknown_word(state, subscription.status),
        subscription_id=own_id,
        customer_id=_customer(subscription),
        currency=currency,
        created_at=made_at(subscription.created, event),
        items=tuple(_item(line, parts, own_id) for line in lines),
        parts=parts,
        invoices=int(rate * parts),
        items_missing=_items_missing(subscription),
        items_changed=_items_changed(event),
        discount_ids=names_of(_discounts(subscription), own_id),
        discounts_missing=missing(subscription.discounts, *(each.discounts for each in items)),
        cancel_at_period_end=subscription.cancel_at_period_end or False,
        cancel_at=_first(subscription.cancel_at),
        collection_paused=paused and (paused.behavior or "unknown"),
        collection_resumes_at=_first(paused.resumes_at) if paused else None,
        current_period_start=_first(
            subscription.current_period_start, *(item.current_period_start for item in items)
        ),
        current_period_end=_first(
            subscription.current_period_end, *(item.current_period_end for item in items)
        ),
        trial_end=_first(subscription.trial_end),
        started_at=_first(subscription.start_date, subscription.start),
        canceled_at=_first(subscription.canceled_at),
        ended_at=_first(subscription.ended_at),
    )
    return [fact, *(each for some in _all_discounts(subscription) for each in shown(some, own_id))]


def customer_facts(customer: DiscountedCustomer, event: Envelope, metadata_key: str) -> list[Fact]:
    """A customer, and the discount of all that he has, where there is one."""
    found = payments.customer_facts(customer, event, metadata_key)
    return found if customer.discount is None else [*found, discount_fact(customer.discount)]


def invoice_facts(invoice: Invoice, event: Envelope, _metadata_key: str) -> list[Fact]:
    """An invoice; what pays it is named until 2025-03-31, and listed on demand since."""
    state = invoice_state(invoice, event.type)
    paid_minor = invoice.amount_paid
    if paid_minor is None:
        paid_minor = invoice.amount_due if state is InvoiceState.PAID else 0
    remaining = invoice.amount_remaining
    fact = InvoiceFact(
        state=state,
        word=unknown_word(state, invoice.status),
        invoice_id=invoice.id,
        currency=invoice.currency.lower(),
        due_minor=invoice.amount_due,
        paid_minor=paid_minor,
        remaining_minor=invoice.amount_due - paid_minor if remaining is None else remaining,
        created_at=made_at(invoice.date if invoice.created is None else invoice.created, event),
        customer_id=id_of(invoice.customer),
        subscription_id=_subscription_of(invoice),
        opens_subscription=invoice.billing_reason == "subscription_create",
        period_start=_first(invoice.period_start),
        period_end=_first(invoice.period_end),
        paid_at=_paid_at(invoice, event) if state is InvoiceState.PAID else None,
        payments_at_least=_payments_at_least(invoice),
        lines=tuple(_unit_prices(invoice)),
    )
    elsewhere = _paid_elsewhere(invoice, paid_minor) if state is InvoiceState.PAID else ()
    paid = [*elsewhere, *_named_payment(invoice), *_listed_payments(invoice)]
    return [fact, *paid, *_unknown_words(invoice)]


def invoice_payment_facts(
    payment: InvoicePayment, _event: Envelope, _metadata_key: str
) -> list[Fact]:
    """What pays an invoice; one that names no invoice or no payment of Stripe's says nothing."""
    invoice_id = id_of(payment.invoice)
    if invoice_id is None:
        return []
    words = unknown_words("invoice", invoice_id, ("payments.status", payment.status, _PAYING))
    return [*_of_payment(invoice_id, payment), *words]


def payout_facts(payout: Payout, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A payout."""
    state = payout_state(payout)
    fact = PayoutFact(
        state=state,
        word=unknown_word(state, payout.status),
        payout_id=payout.id,
        amount_minor=payout.amount,
        currency=payout.currency.lower(),
        created_at=made_at(payout.created, event),
        arrives_at=_first(payout.arrival_date),
        transaction_id=id_of(payout.balance_transaction),
        failure_code=payout.failure_code,
        failure_transaction_id=id_of(payout.failure_balance_transaction),
        automatic=payout.automatic,
        method=payout.method,
        destination_id=id_of(payout.destination),
        original_payout_id=id_of(payout.original_payout),
        reversed_by_id=id_of(payout.reversed_by),
        reconciliation=payout.reconciliation_status,
        trace=payout.trace_id.value if payout.trace_id else None,
    )
    return [fact]


# ── Parts of a subscription ─────────────────────────────────────────────────────────────────────


def _items(subscription: Subscription) -> list[Item]:
    """Its items; before it had any, a subscription was one plan."""
    if subscription.items is not None and subscription.items.data:
        return subscription.items.data
    if subscription.plan is None:
        return []
    return [Item(plan=subscription.plan, quantity=subscription.quantity)]


def _items_missing(subscription: Subscription) -> int:
    """How many are not shown, at least; a subscription has one, whatever its report leaves out."""
    items = subscription.items
    cut = 0 if items is None else items.at_least(len(items.data)) - len(items.data)
    return max(cut, 0 if _items(subscription) else 1)


def _items_changed(event: Envelope) -> bool:
    """Whether the event tells of other items than before, or does not say what was otherwise."""
    if not event.type.endswith(".updated"):
        return False
    try:
        return not _ITEMS.isdisjoint(_read_names(event.data.previous_attributes))
    except ValueError:
        return True


def _is_asked_once(item: Item) -> bool:
    """A price without periods is none of a subscription's income."""
    return item.price is not None and item.price.recurring is None and item.plan is None


def _line(item: Item, currency: str) -> _Line:
    listed = list_price(item)
    price = _NO_PRICE if listed is None else listed.in_currency(currency)
    line = _Line(item, listed, price, None)
    return replace(line, monthly=monthly(price, line.quantity))


def _item(line: _Line, parts: int, subscription_id: str) -> SubscriptionItem:
    item, price, listed = line.item, line.price, line.listed
    return SubscriptionItem(
        item_id=item.id,
        price_id=listed and listed.price_id,
        product_id=id_of(listed.product) if listed else None,
        quantity=item.quantity,
        unit_minor=None if price.unit is None else decimal_text(price.unit),
        interval=price.interval or None,
        interval_count=price.interval_count,
        metered=price.metered,
        monthly=None if line.monthly is None else int(line.monthly * parts),
        asked=_asked(line, parts),
        discount_ids=names_of(shown_in(item.discounts), subscription_id),
        created_at=_first(item.created),
    )


def _asked(line: _Line, parts: int) -> Asked | None:
    rate = periods_a_month(line.price)
    if line.monthly is not None or line.listed is None or rate is None:
        return None
    return Asked(
        rate=int(rate * parts),
        packs=packs(line.price, line.quantity),
        per_unit=line.listed.is_per_unit,
    )


def _parts(lines: Sequence[_Line], rate: Fraction) -> int:
    """The parts of a minor unit in which all its amounts are whole; raises ValueError."""
    known = [line.monthly for line in lines if line.monthly is not None]
    if sum(known) > MAX_MINOR:
        raise ValueError("the subscription comes to more in a month than any amount may be")
    rates = (periods_a_month(line.price) for line in lines if line.monthly is None)
    exact = [rate, *known, *(each for each in rates if each is not None)]
    parts = lcm(*(each.denominator for each in exact))
    if parts > _MAX_PARTS:
        raise ValueError("the subscription's prices are too fine to be added up")
    return parts


def _customer(subscription: Subscription) -> str:
    customer_id = id_of(subscription.customer) or subscription.customer_account
    if customer_id is None:
        raise ValueError("the subscription names no customer")
    return customer_id


def _currency(subscription: Subscription, items: Sequence[Item]) -> str:
    """Its own currency, or (before it had one) that of its prices, which are all in the same."""
    prices = (list_price(item) for item in items)
    currency = subscription.currency or next((each.currency for each in prices if each), None)
    if currency is None:
        raise ValueError("the subscription names no currency")
    return currency.lower()


def _discounts(subscription: Subscription) -> Discounts:
    """What reduces the whole of it: a list, or before there was one, at most one discount."""
    alone: Discounts = [] if subscription.discount is None else [subscription.discount]
    return shown_in(subscription.discounts) or alone


def _all_discounts(subscription: Subscription) -> Iterator[Discounts]:
    yield shown_in(subscription.discounts)
    if subscription.discount is not None:
        yield [subscription.discount]
    for item in _items(subscription):
        yield shown_in(item.discounts)


# ── Parts of an invoice ─────────────────────────────────────────────────────────────────────────


def _subscription_of(invoice: Invoice) -> str | None:
    details = invoice.parent.subscription_details if invoice.parent else None
    return id_of(invoice.subscription) or (id_of(details.subscription) if details else None)


def _named_payment(invoice: Invoice) -> Iterator[InvoicePaymentFact]:
    """The one payment that an invoice names until 2025-03-31."""
    charge_id = id_of(invoice.charge)
    payment_id = id_of(invoice.payment_intent) or charge_id
    if payment_id is not None:
        yield InvoicePaymentFact(invoice_id=invoice.id, payment_id=payment_id, charge_id=charge_id)


def _unknown_words(invoice: Invoice) -> Iterator[Fact]:
    types = {line.type for line in (invoice.lines.data if invoice.lines else ())}
    return unknown_words(
        "invoice",
        invoice.id,
        ("billing_reason", invoice.billing_reason, _REASONS),
        *(("lines.type", each, _LINE_TYPES) for each in sorted(types - {None}, key=str)),
    )


def _paid_elsewhere(invoice: Invoice, paid_minor: int) -> Iterator[AmountsNotCounted]:
    """What came in outside of Stripe, as the invoice says until 2025-03-31."""
    if invoice.paid_out_of_band:
        amount_minor = paid_minor or invoice.amount_due
        amount = UncountedAmount("paid_out_of_band", invoice.currency.lower(), amount_minor)
        yield AmountsNotCounted(kind="invoice", subject_id=invoice.id, amounts=(amount,))


def _listed_payments(invoice: Invoice) -> Iterator[Fact]:
    for payment in invoice.payments.data if invoice.payments else ():
        yield from _of_payment(invoice.id, payment)


def _unit_prices(invoice: Invoice) -> Iterator[InvoiceLine]:
    """What units of subscriptions' prices cost for a whole period."""
    for line in invoice.lines.data if invoice.lines else ():
        subscription_id = _billed(line, invoice)
        priced = unit_of(line, invoice.currency.lower())
        if subscription_id is not None and priced is not None:
            yield InvoiceLine(subscription_id=subscription_id, price_id=priced[0], unit=priced[1])


def _billed(line: Line, invoice: Invoice) -> str | None:
    """The subscription whose period a line is for; none for a change within one, or a single sale.

    The line says by itself which it is until 2025-03-31, and by its parent since.
    """
    if line.parent is None:
        is_period = not line.proration and line.type in (None, "subscription")
        return (id_of(line.subscription) or _subscription_of(invoice)) if is_period else None
    details = line.parent.subscription_item_details
    if details is None or details.proration:
        return None
    return id_of(details.subscription) or _subscription_of(invoice)


def _payments_at_least(invoice: Invoice) -> int | None:
    listed = invoice.payments
    return None if listed is None else listed.at_least(len(listed.data))


def _of_payment(invoice_id: str, payment: InvoicePayment) -> Iterator[Fact]:
    """Money that came in outside of Stripe has a record, and no payment: no figure counts it."""
    paid_by = payment.payment or PaidBy()
    charge_id = id_of(paid_by.charge)
    payment_id = id_of(paid_by.payment_intent) or charge_id
    if payment_id is None:
        if payment.amount_paid:
            amount = UncountedAmount(
                "amount_paid", currency_of(payment.currency), payment.amount_paid
            )
            yield AmountsNotCounted(
                kind="invoice_payment",
                subject_id=payment.id or invoice_id,
                amounts=(amount,),
            )
        return
    transitions = payment.status_transitions
    yield InvoicePaymentFact(
        invoice_id=invoice_id,
        payment_id=payment_id,
        charge_id=charge_id,
        state=payment.status,
        amount_minor=payment.amount_requested,
        paid_minor=payment.amount_paid,
        currency=payment.currency.lower() if payment.currency else None,
        created_at=_first(payment.created),
        paid_at=_first(transitions.paid_at if transitions else None),
    )


def _paid_at(invoice: Invoice, event: Envelope) -> datetime:
    transitions = invoice.status_transitions
    return made_at(transitions.paid_at if transitions else None, event)


def _first(*seconds: int | None) -> datetime | None:
    """The first time that is known."""
    return next((at(each) for each in seconds if each is not None), None)
