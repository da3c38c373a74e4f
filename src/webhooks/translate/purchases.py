"""What was sold, as far as Stripe's objects show it: the amounts and lines of a paid purchase.

A page, an invoice and a payment are read a second time for it, once they are paid: what a shop
that keeps no orders of its own would write into one. An amount includes its tax or not, by the
price's `tax_behavior`; here goods and shipping are without it, so that all adds up either way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from msgspec import Struct

from ledger.domain.billing_facts import InvoiceFact, InvoiceState
from ledger.domain.events import Address
from ledger.domain.facts import (
    REMAINDER,
    CheckoutFact,
    CheckoutState,
    Fact,
    PartNotUnderstood,
    PaymentFact,
    PaymentState,
    PurchaseFact,
    Sale,
    SoldLine,
)
from ledger.domain.limits import MAX_EMAIL, MAX_TEXT, is_id, is_text
from webhooks.leniency import leniently
from webhooks.translate.objects import (
    Amount,
    Envelope,
    Id,
    SignedAmount,
    StripeObject,
    Text,
)

_SKU: Final = "sku"
"""The metadata key under which a line, price, product or payment may name the shop's own SKU."""


# ── Shapes ──────────────────────────────────────────────────────────────────────────────────────


class _Place(Struct, gc=False):
    """A postal address of Stripe's."""

    line1: Any = None
    line2: Any = None
    city: Any = None
    state: Any = None
    postal_code: Any = None
    country: Any = None


class _Shipping(Struct, gc=False):
    """`shipping`, `shipping_details`: to whom, and where."""

    name: Any = None
    address: _Place | None = None


class _Collected(Struct, gc=False):
    """`session.collected_information`, since 2025-03-31."""

    shipping_details: _Shipping | None = None


class _ShippingCost(Struct, gc=False):
    """`shipping_cost` of a session or an invoice."""

    amount_total: Amount = 0
    amount_tax: Amount = 0


class _Totals(Struct, gc=False):
    """`session.total_details`."""

    amount_discount: Amount | None = None
    amount_shipping: Amount | None = None
    amount_tax: Amount | None = None


class _Product(Struct, gc=False):
    """A product that is expanded, or a price: what names a SKU."""

    id: Id
    metadata: Any = None


class _Price(Struct, gc=False):
    """The price of a line."""

    id: Id
    product: Id | _Product | None = None
    lookup_key: Any = None
    metadata: Any = None


class _Item(Struct, gc=False):
    """docs.stripe.com/api/checkout/sessions/line_items, shown where Stripe was asked for it."""

    amount_total: SignedAmount
    amount_tax: SignedAmount = 0
    amount_discount: SignedAmount = 0
    quantity: Any = None
    description: Any = None
    price: _Price | None = None
    metadata: Any = None


class _Items(Struct, gc=False):
    has_more: Any = None
    data: list[_Item] = []


class _Session(StripeObject, kw_only=True, gc=False):
    """A checkout session as a sale."""

    MAY_BE_LOST = frozenset(
        {"line_items", "total_details", "shipping_cost", "shipping_details", "shipping",
         "collected_information"}
    )  # fmt: skip

    id: Id
    total_details: _Totals | None = None
    shipping_cost: _ShippingCost | None = None
    shipping_details: _Shipping | None = None
    shipping: _Shipping | None = None
    collected_information: _Collected | None = None
    line_items: _Items | None = None


class _Discounted(Struct, gc=False):
    """One of `discount_amounts`, or of the invoice's `total_discount_amounts`."""

    amount: SignedAmount


class _Tax(Struct, gc=False):
    """One of `tax_amounts` (`inclusive`), or since 2025-03-31 of `taxes` (`tax_behavior`)."""

    amount: SignedAmount
    inclusive: bool | None = None
    tax_behavior: Any = None

    @property
    def included_minor(self) -> int:
        """What of it stands in the amount of its line."""
        return self.amount if self.inclusive or self.tax_behavior == "inclusive" else 0


class _PriceDetails(Struct, gc=False):
    price: Id | _Price | None = None
    product: Any = None


class _Pricing(Struct, gc=False):
    price_details: _PriceDetails | None = None


class _InvoiceItem(Struct, gc=False):
    """docs.stripe.com/api/invoice-line-item/object."""

    amount: SignedAmount
    quantity: Any = None
    description: Any = None
    tax_amounts: list[_Tax] | None = None
    taxes: list[_Tax] | None = None
    price: _Price | None = None
    pricing: _Pricing | None = None
    metadata: Any = None


class _InvoiceItems(Struct, gc=False):
    has_more: Any = None
    data: list[_InvoiceItem] = []


class _Invoice(StripeObject, kw_only=True, gc=False):
    """An invoice as a sale."""

    MAY_BE_LOST = frozenset(
        {"lines", "total", "tax", "total_tax_amounts", "total_taxes", "total_discount_amounts",
         "shipping_cost", "customer_email", "customer_shipping", "description"}
    )  # fmt: skip

    id: Id
    total: SignedAmount | None = None
    tax: SignedAmount | None = None
    total_tax_amounts: list[_Tax] | None = None
    total_taxes: list[_Tax] | None = None
    total_discount_amounts: list[_Discounted] | None = None
    shipping_cost: _ShippingCost | None = None
    customer_email: Text | None = None
    customer_shipping: _Shipping | None = None
    description: Any = None
    metadata: Any = None
    lines: _InvoiceItems | None = None


class _Payment(StripeObject, kw_only=True, gc=False):
    """A payment intent as a sale."""

    MAY_BE_LOST = frozenset({"shipping"})

    id: Id
    shipping: _Shipping | None = None
    description: Any = None
    metadata: Any = None


# ── Facts ───────────────────────────────────────────────────────────────────────────────────────


def purchase_facts(facts: Sequence[Fact], event: Envelope, metadata_key: str) -> Iterator[Fact]:
    """What a paid object says of what was sold, beside the fact of it that was read already."""
    first = facts[0] if facts else None
    match first:
        case CheckoutFact(state=CheckoutState.PAID):
            if first.mode != "setup" and first.currency is not None:
                session, lost = leniently(event.data.object, _Session)
                yield _of_session(first, session)
                yield from _without_lines("checkout", session.id, "line_items", lost)
        case InvoiceFact(state=InvoiceState.PAID):
            invoice, lost = leniently(event.data.object, _Invoice)
            yield _of_invoice(first, invoice, _named(invoice.metadata, metadata_key))
            yield from _without_lines("invoice", invoice.id, "lines", lost)
        case PaymentFact(state=PaymentState.SUCCEEDED):
            yield _of_payment(first, leniently(event.data.object, _Payment).value)
        case _:
            pass


def _without_lines(
    kind: str, subject_id: str, part: str, lost: Mapping[str, str]
) -> Iterator[PartNotUnderstood]:
    """Lines of another shape than we know leave an order with one line, and are said."""
    if part in lost:
        yield PartNotUnderstood(kind=kind, part=part, subject_id=subject_id, cause=lost[part])


def _of_session(fact: CheckoutFact, session: _Session) -> PurchaseFact:
    totals = session.total_details or _Totals()
    cost = session.shipping_cost
    collected = session.collected_information
    shipping = collected.shipping_details if collected else None
    sale = Sale(
        currency=fact.currency or "",
        total_minor=fact.total_minor or 0,
        shipping_minor=(totals.amount_shipping or 0) if cost is None else _net(cost),
        tax_minor=totals.amount_tax or 0,
        discount_minor=totals.amount_discount or 0,
        customer_id=fact.customer_id,
        email=_text(fact.email, MAX_EMAIL),
        shipping_address=_address(shipping or session.shipping_details or session.shipping),
        names=fact.order_id or fact.reference,
    )
    lines = [
        _line(
            item,
            item.price,
            item.amount_total - item.amount_tax + item.amount_discount,
        )
        for item in (session.line_items.data if session.line_items else ())
    ]
    is_cut = session.line_items is not None and session.line_items.has_more is True
    return _fact("checkout", fact.session_id, fact, sale, lines, cut=is_cut)


def _of_invoice(fact: InvoiceFact, invoice: _Invoice, names: str | None) -> PurchaseFact:
    """What is asked for is less than the total where a balance or a credit note settles a part.

    That part counts as discount: no payment brings it.
    """
    settled_minor = 0 if invoice.total is None else max(0, invoice.total - fact.due_minor)
    taxes = invoice.total_taxes or invoice.total_tax_amounts
    tax_minor = sum(tax.amount for tax in taxes) if taxes else invoice.tax or 0
    given_minor = sum(each.amount for each in invoice.total_discount_amounts or ())
    cost = invoice.shipping_cost
    sale = Sale(
        currency=fact.currency,
        total_minor=max(0, fact.due_minor),
        shipping_minor=0 if cost is None else _net(cost),
        tax_minor=max(0, tax_minor),
        discount_minor=max(0, given_minor) + settled_minor,
        name=_text(invoice.description, MAX_TEXT) or "Not itemised",
        customer_id=fact.customer_id,
        email=_text(invoice.customer_email, MAX_EMAIL),
        shipping_address=_address(invoice.customer_shipping),
        names=names,
    )
    lines = [
        _line(
            item,
            item.price or _price_named(item.pricing),
            item.amount - sum(tax.included_minor for tax in item.taxes or item.tax_amounts or ()),
        )
        for item in (invoice.lines.data if invoice.lines else ())
    ]
    is_cut = invoice.lines is not None and invoice.lines.has_more is True
    return _fact("invoice", fact.invoice_id, fact, sale, lines, cut=is_cut)


def _of_payment(fact: PaymentFact, payment: _Payment) -> PurchaseFact:
    sale = Sale(
        currency=fact.currency,
        total_minor=fact.received_minor,
        sku=next(_usable([_named(payment.metadata, _SKU)]), REMAINDER),
        name=_text(payment.description, MAX_TEXT) or "Not itemised",
        customer_id=fact.customer_id,
        email=_text(fact.email, MAX_EMAIL),
        shipping_address=_address(payment.shipping),
        names=fact.order_id,
    )
    return _fact("payment", fact.payment_id, fact, sale, ())


def _fact(
    kind: str,
    purchase_id: str,
    fact: CheckoutFact | InvoiceFact | PaymentFact,
    sale: Sale,
    lines: Sequence[SoldLine],
    *,
    cut: bool = False,
) -> PurchaseFact:
    return PurchaseFact(
        kind=kind,
        purchase_id=purchase_id,
        created_at=fact.created_at,
        sale=sale,
        lines=tuple(lines),
        lines_cut=cut,
    )


# ── Parts ───────────────────────────────────────────────────────────────────────────────────────


def _line(item: _Item | _InvoiceItem, price: _Price | None, amount_minor: int) -> SoldLine:
    sku = next(_usable([_named(item.metadata, _SKU), *_own_words(price)]), None)
    product_id = None if sku else next(_usable(_ids(price)), None)
    units = item.quantity
    return SoldLine(
        name=_text(item.description, MAX_TEXT) or sku or product_id or REMAINDER,
        quantity=units if type(units) is int and units > 0 else 1,
        amount_minor=amount_minor,
        sku=sku,
        product_id=product_id,
    )


def _own_words(price: _Price | None) -> Iterator[str | None]:
    """By which of the shop's own words what was sold may be known."""
    if price is None:
        return
    yield _named(price.metadata, _SKU)
    if isinstance(price.product, _Product):
        yield _named(price.product.metadata, _SKU)
    yield _text(price.lookup_key, MAX_TEXT)


def _ids(price: _Price | None) -> Iterator[str | None]:
    """The product comes before the price: it is sold in all of its prices."""
    if price is None:
        return
    yield price.product.id if isinstance(price.product, _Product) else price.product
    yield price.id


def _price_named(pricing: _Pricing | None) -> _Price | None:
    """Since 2025-03-31 an invoice's line only names its price and product."""
    details = pricing.price_details if pricing else None
    if details is None or isinstance(details.price, _Price):
        return None if details is None else cast("_Price", details.price)
    product = _text(details.product, MAX_TEXT)
    named = details.price or product
    return None if named is None else _Price(id=named, product=product)


def _usable(skus: Iterable[str | None]) -> Iterator[str]:
    return (sku for sku in skus if sku is not None and is_id(sku))


def _named(metadata: Any, key: str) -> str | None:
    """What the shop wrote under its key; metadata is the shop's own, so of any shape."""
    value = cast("Mapping[Any, Any]", metadata).get(key) if isinstance(metadata, dict) else None
    return value.strip() or None if isinstance(value, str) else None


def _net(cost: _ShippingCost) -> int:
    return max(0, cost.amount_total - cost.amount_tax)


def _address(shipping: _Shipping | None) -> Address | None:
    if shipping is None or (place := shipping.address) is None:
        return None
    return Address(
        name=_text(shipping.name, MAX_TEXT),
        line1=_text(place.line1, MAX_TEXT),
        line2=_text(place.line2, MAX_TEXT),
        city=_text(place.city, MAX_TEXT),
        region=_text(place.state, MAX_TEXT),
        postal_code=_text(place.postal_code, MAX_TEXT),
        country=_text(place.country, MAX_TEXT),
    )


def _text(value: Any, longest: int) -> str | None:
    """A text as an order may hold it; what is none, or too long, is left out."""
    return value if isinstance(value, str) and is_text(value, longest) else None
