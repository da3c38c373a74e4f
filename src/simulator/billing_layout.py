"""How an API version writes billing's objects down: the simulator's memory → JSON-able dicts."""

from simulator import billing_fields as fields
from simulator.billing import (
    Coupon,
    CreditNote,
    Discount,
    Invoice,
    Payout,
    PromotionCode,
    Subscription,
)
from simulator.goods import Item, Price, Product
from simulator.objects import Customer, Session
from simulator.versions import Shape, filled, of_version, shortened


class BillingLayout:
    """Billing's objects as one API version shows them, in one mode (live or test)."""

    def __init__(self, api_version: str, *, livemode: bool) -> None:
        self.api_version = api_version
        self.livemode = livemode
        self.waits_for_first_payment = api_version >= "2019-03-14"
        self.has_invoice_payments = api_version >= "2025-03-31"
        self.has_prices = api_version >= "2020-08-27"
        self._templates: dict[int, Shape] = {}
        self.has_metered = api_version >= "2018-05-21"

    def subscription(self, subscription: Subscription) -> Shape:
        """A subscription: its periods and its discount moved with 2025-03-31."""
        discount, first = subscription.discount, subscription.items[0]
        return self._filled(
            fields.SUBSCRIPTION,
            subscription,
            billing_cycle_anchor=subscription.period_start,
            current_period_end=subscription.period_end,
            current_period_start=subscription.period_start,
            customer=subscription.customer.id,
            discount=discount and self.discount(discount, subscription.customer, subscription),
            discounts=[discount.id] if discount else [],
            items=shortened(
                self.subscription_items(subscription),
                f"/v1/subscription_items?subscription={subscription.id}",
            ),
            latest_invoice=subscription.invoices[-1].id if subscription.invoices else None,
            pause_collection=subscription.paused
            and {"behavior": subscription.paused, "resumes_at": None},
            plan=self._plan(first.price) if len(subscription.items) == 1 else None,
            quantity=first.quantity if len(subscription.items) == 1 else None,
            start=subscription.created,
            start_date=subscription.created,
            trial_start=subscription.trial_end and subscription.created,
        )

    def subscription_items(self, subscription: Subscription) -> list[Shape]:
        """All items of a subscription, of which it shows ten itself."""
        return [self._item(item, subscription) for item in subscription.items]

    def coupon(self, coupon: Coupon) -> Shape:
        """A coupon."""
        return self._filled(
            fields.COUPON,
            coupon,
            amount_off=coupon.amount_off_minor,
            currency=None if coupon.amount_off_minor is None else coupon.currency,
            duration_in_months=3 if coupon.duration == "repeating" else None,
            percent_off=coupon.percent_off,
        )

    def product(self, product: Product) -> Shape:
        """A product: https://docs.stripe.com/api/products/object."""
        return self._filled(fields.PRODUCT, product, updated=product.created)

    def promotion_code(self, code: PromotionCode) -> Shape:
        """A promotion code; its coupon moved into `promotion` with 2025-09-30."""
        return self._filled(
            fields.PROMOTION_CODE,
            code,
            coupon=self.coupon(code.coupon),
            promotion={"coupon": code.coupon.id, "type": "coupon"},
        )

    def credit_note(self, note: CreditNote) -> Shape:
        """A credit note: https://docs.stripe.com/api/credit_notes/object."""
        invoice, refund = note.invoice, note.refund
        return self._filled(
            fields.CREDIT_NOTE,
            note,
            amount=note.amount_minor,
            currency=invoice.currency,
            customer=invoice.customer.id,
            effective_at=note.created,
            invoice=invoice.id,
            lines=shortened(self.credit_lines(note), f"/v1/credit_notes/{note.id}/lines"),
            number=f"CN-{note.id[-6:].upper()}",
            post_payment_amount=note.amount_minor if refund else 0,
            pre_payment_amount=0 if refund else note.amount_minor,
            refund=refund and refund.id,
            refunds=[{"amount_refunded": note.amount_minor, "refund": refund.id}] if refund else [],
            subtotal=note.amount_minor,
            subtotal_excluding_tax=note.amount_minor,
            total=note.amount_minor,
            total_excluding_tax=note.amount_minor,
            type="post_payment" if refund else "pre_payment",
        )

    def credit_lines(self, note: CreditNote) -> list[Shape]:
        """All lines of a credit note, of which it shows ten itself: one for each of the invoice."""
        count = len(note.invoice.items)
        share, rest = divmod(note.amount_minor, count)
        return [
            self._credit_line(note, number, share + (rest if number == 0 else 0))
            for number in range(count)
        ]

    def line_item(self, line: Item, session: Session) -> Shape:
        """A line of a checkout session; a discount of the session is taken off its first one."""
        first = session.lines[0] is line
        amount = line.price.charged(line.quantity, session.currency)
        off = session.discount_minor if first else 0
        return self._filled(
            fields.LINE_ITEM,
            None,
            id=f"li_{line.id.removeprefix('si_')}",
            amount_discount=off,
            amount_subtotal=amount,
            amount_total=amount - off,
            currency=session.currency,
            description=f"Item {line.price.product_id[5:11]}",
            price=self._price(line.price),
            quantity=line.quantity,
        )

    def price(self, price: Price) -> Shape:
        """A price by itself, with its tiers; a plan until 2020-08-27."""
        shape, tiers = self.listed_price(price), self.tiers(price)
        return shape | {"tiers": tiers} if tiers else shape

    def tiers(self, price: Price) -> list[Shape] | None:
        """The tiers of a price, which Stripe tells on demand."""
        tiers: list[Shape] = [
            {
                "flat_amount": tier.flat_minor or None,
                "flat_amount_decimal": str(tier.flat_minor) if tier.flat_minor else None,
                "unit_amount": tier.unit_minor,
                "unit_amount_decimal": str(tier.unit_minor),
                "up_to": tier.up_to,
            }
            for tier in price.tiers
        ]
        return tiers or None

    def price_options(self, price: Price) -> Shape:
        """What a price costs in each currency, which Stripe tells on demand."""
        return {
            currency: {
                "custom_unit_amount": None,
                "tax_behavior": "unspecified",
                "unit_amount": None if price.tiers else unit_minor,
                "unit_amount_decimal": None if price.tiers else str(unit_minor),
            }
            for currency, unit_minor in {price.currency: price.unit_minor, **price.options}.items()
        }

    def coupon_options(self, coupon: Coupon) -> Shape | None:
        """What a coupon takes off in each currency, which Stripe tells on demand."""
        off = coupon.amount_off_minor
        return None if off is None else {coupon.currency: {"amount_off": off}}

    def listed_price(self, price: Price) -> Shape:
        """A price as lists and other objects show it, without its tiers."""
        return self._price(price) if self.has_prices else self._plan(price)

    def discount(
        self, discount: Discount, customer: Customer, subscription: Subscription | None = None
    ) -> Shape:
        """A discount, with its coupon until 2025-09-30, and with the coupon's id since."""
        return self._filled(
            fields.DISCOUNT,
            discount,
            coupon=self.coupon(discount.coupon),
            customer=customer.id,
            source={"coupon": discount.coupon.id, "type": "coupon"},
            subscription=subscription and subscription.id,
        )

    def invoice(self, invoice: Invoice) -> Shape:
        """An invoice: its subscription and payment moved away with 2025-03-31."""
        subscription, payment = invoice.subscription, invoice.payment
        is_paid = invoice.status == "paid"
        charge = payment.charge.id if payment and payment.charges else None
        return self._filled(
            fields.INVOICE,
            invoice,
            amount_due=invoice.due_minor,
            amount_paid=invoice.due_minor if is_paid else 0,
            amount_remaining=0 if is_paid else invoice.due_minor,
            attempted=payment is not None,
            charge=charge,
            closed=invoice.status in {"paid", "void"},
            billing_reason="subscription_cycle" if subscription else "manual",
            currency=invoice.currency,
            customer=invoice.customer.id,
            date=invoice.created,
            discounts=[invoice.discount.id] if invoice.discount else [],
            lines=shortened(self.invoice_lines(invoice), f"/v1/invoices/{invoice.id}/lines"),
            paid=is_paid,
            parent=subscription
            and {
                "quote_details": None,
                "subscription_details": {"metadata": {}, "subscription": subscription.id},
                "type": "subscription_details",
            },
            payment_intent=payment and payment.intent_id,
            status_transitions={"paid_at": invoice.paid_at},
            subscription=subscription and subscription.id,
            subtotal=invoice.listed_minor,
            total=invoice.due_minor,
            total_discount_amounts=_taken_off(invoice),
        )

    def invoice_lines(self, invoice: Invoice) -> list[Shape]:
        """All lines of an invoice, of which it shows ten itself."""
        return [self._line(item, invoice) for item in invoice.items]

    def invoice_payment(self, invoice: Invoice) -> Shape:
        """What paid an invoice, a separate object since 2025-03-31."""
        assert invoice.payment is not None
        return self._filled(
            fields.INVOICE_PAYMENT,
            invoice,
            id=invoice.payment_id,
            created=invoice.paid_at,
            amount_paid=invoice.due_minor,
            amount_requested=invoice.due_minor,
            currency=invoice.currency,
            invoice=invoice.id,
            payment={
                "payment_intent": invoice.payment.intent_id,
                "type": "payment_intent",
            },
            status_transitions={"canceled_at": None, "paid_at": invoice.paid_at},
        )

    def payout(self, payout: Payout) -> Shape:
        """A payout."""
        return self._filled(
            fields.PAYOUT,
            payout,
            amount=payout.amount_minor,
            balance_transaction=payout.transaction_id,
            failure_balance_transaction=payout.failure_transaction_id,
            status=payout.status,
        )

    def _credit_line(self, note: CreditNote, number: int, amount_minor: int) -> Shape:
        return {
            "id": f"cnli_{note.id[3:]}{number:02}",
            "object": "credit_note_line_item",
            "amount": amount_minor,
            "description": "Credit",
            "discount_amount": 0,
            "discount_amounts": [],
            "livemode": self.livemode,
            "quantity": 1,
            "tax_rates": [],
            "taxes": [],
            "type": "custom_line_item",
            "unit_amount": amount_minor,
            "unit_amount_decimal": str(amount_minor),
        }

    def _line(self, item: Item, invoice: Invoice) -> Shape:
        """A period of one item, or a thing; a tiered price does not say what a unit costs."""
        subscription, price, currency = invoice.subscription, item.price, invoice.currency
        unit = None if price.tiers else str(price.unit_in(currency))
        return self._filled(
            fields.LINE,
            None,
            id=f"il_{item.id.removeprefix('si_')}",
            amount=price.charged(item.quantity, currency),
            currency=currency,
            invoice=invoice.id,
            parent=_of_subscription(subscription, item) if subscription else _of_item(item),
            period={"end": invoice.period_end, "start": invoice.period_start},
            plan=self._plan(price),
            price=self._price(price),
            pricing={
                "price_details": {"price": price.id, "product": price.product_id},
                "type": "price_details",
                "unit_amount_decimal": unit,
            },
            quantity=0 if price.metered else item.quantity,
            subscription=subscription and subscription.id,
            subscription_item=item.id if subscription else None,
        )

    def _item(self, item: Item, subscription: Subscription) -> Shape:
        return self._filled(
            fields.ITEM,
            item,
            current_period_end=subscription.period_end,
            current_period_start=subscription.period_start,
            plan=self._plan(item.price),
            price=self._price(item.price),
            quantity=None if item.price.metered else item.quantity,
            subscription=subscription.id,
        )

    def _price(self, price: Price) -> Shape:
        return self._filled(
            fields.PRICE,
            price,
            billing_scheme="tiered" if price.tiers else "per_unit",
            product=price.product_id,
            recurring={
                "interval": price.interval,
                "interval_count": price.interval_count,
                "usage_type": "metered" if price.metered else "licensed",
            }
            if price.is_recurring
            else None,
            type="recurring" if price.is_recurring else "one_time",
            tiers_mode="graduated" if price.tiers else None,
            unit_amount=None if price.tiers else price.unit_minor,
            unit_amount_decimal=None if price.tiers else str(price.unit_minor),
        )

    def _plan(self, price: Price) -> Shape:
        return self._filled(
            fields.PLAN,
            price,
            amount=None if price.tiers else price.unit_minor,
            amount_decimal=None if price.tiers else str(price.unit_minor),
            billing_scheme="tiered" if price.tiers else "per_unit",
            product=price.product_id,
            tiers_mode="graduated" if price.tiers else None,
            usage_type="metered" if price.metered else "licensed",
        )

    def _filled(self, template: Shape, of: object, **values: object) -> Shape:
        if "livemode" in template:
            values["livemode"] = self.livemode
        fields_of_version = self._templates.get(id(template))
        if fields_of_version is None:
            fields_of_version = of_version(template, self.api_version)
            self._templates[id(template)] = fields_of_version
        return filled(fields_of_version, of, **values)


def _of_subscription(subscription: Subscription, item: Item) -> Shape:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "proration": False,
            "subscription": subscription.id,
            "subscription_item": item.id,
        },
        "type": "subscription_item_details",
    }


def _taken_off(invoice: Invoice) -> list[Shape]:
    if invoice.discount is None:
        return []
    off = invoice.listed_minor - invoice.due_minor
    return [{"amount": off, "discount": invoice.discount.id}]


def _of_item(item: Item) -> Shape:
    return {
        "invoice_item_details": {
            "invoice_item": f"ii_{item.id.removeprefix('si_')}",
            "proration": False,
            "proration_details": None,
            "subscription": None,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
