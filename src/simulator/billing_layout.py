"""How an API version writes billing's objects down: the simulator's memory → JSON-able dicts."""

from simulator import billing_fields as fields
from simulator.billing import (
    Coupon,
    Discount,
    Invoice,
    Item,
    Payout,
    Price,
    Subscription,
)
from simulator.objects import Customer
from simulator.versions import Shape, filled, of_version, shortened


class BillingLayout:
    """Billing's objects as one API version shows them, in one mode (live or test)."""

    def __init__(self, api_version: str, *, livemode: bool) -> None:
        self.api_version = api_version
        self.livemode = livemode
        self.waits_for_first_payment = api_version >= "2019-03-14"
        self.has_invoice_payments = api_version >= "2025-03-31"
        self.has_prices = api_version >= "2020-08-27"
        self.has_metered = api_version >= "2018-05-21"

    def subscription(self, subscription: Subscription) -> Shape:
        """A subscription: its periods and its discount moved with 2025-03-31."""
        discount, first = subscription.discount, subscription.items[0]
        return self._filled(
            fields.SUBSCRIPTION,
            id=subscription.id,
            billing_cycle_anchor=subscription.period_start,
            cancel_at=subscription.cancel_at,
            cancel_at_period_end=subscription.cancel_at_period_end,
            canceled_at=subscription.canceled_at,
            created=subscription.created,
            currency=subscription.currency,
            current_period_end=subscription.period_end,
            current_period_start=subscription.period_start,
            customer=subscription.customer.id,
            discount=discount and self.discount(discount, subscription.customer, subscription),
            discounts=[discount.id] if discount else [],
            ended_at=subscription.ended_at,
            items=shortened(
                [self._item(item, subscription) for item in subscription.items],
                f"/v1/subscription_items?subscription={subscription.id}",
            ),
            latest_invoice=subscription.invoices[-1].id if subscription.invoices else None,
            pause_collection=subscription.paused
            and {"behavior": subscription.paused, "resumes_at": None},
            plan=self._plan(first.price) if len(subscription.items) == 1 else None,
            quantity=first.quantity if len(subscription.items) == 1 else None,
            start=subscription.created,
            start_date=subscription.created,
            status=subscription.status,
            trial_end=subscription.trial_end,
            trial_start=subscription.trial_end and subscription.created,
        )

    def coupon(self, coupon: Coupon) -> Shape:
        """A coupon."""
        return self._filled(
            fields.COUPON,
            id=coupon.id,
            amount_off=coupon.amount_off_minor,
            created=coupon.created,
            currency=None if coupon.amount_off_minor is None else coupon.currency,
            duration=coupon.duration,
            duration_in_months=3 if coupon.duration == "repeating" else None,
            percent_off=coupon.percent_off,
        )

    def price(self, price: Price) -> Shape:
        """A price by itself, with all that Stripe tells on demand; a plan until 2020-08-27."""
        shape = self._price(price) if self.has_prices else self._plan(price)
        tiers = [
            {
                "flat_amount": tier.flat_minor or None,
                "flat_amount_decimal": str(tier.flat_minor) if tier.flat_minor else None,
                "unit_amount": tier.unit_minor,
                "unit_amount_decimal": str(tier.unit_minor),
                "up_to": tier.up_to,
            }
            for tier in price.tiers
        ]
        return shape | {"tiers": tiers} if tiers else shape

    def discount(
        self, discount: Discount, customer: Customer, subscription: Subscription | None = None
    ) -> Shape:
        """A discount, with its coupon until 2025-09-30, and with the coupon's id since."""
        return self._filled(
            fields.DISCOUNT,
            id=discount.id,
            coupon=self.coupon(discount.coupon),
            customer=customer.id,
            source={"coupon": discount.coupon.id, "type": "coupon"},
            start=discount.start,
            subscription=subscription and subscription.id,
        )

    def invoice(self, invoice: Invoice) -> Shape:
        """An invoice: its subscription and payment moved away with 2025-03-31."""
        subscription, payment = invoice.subscription, invoice.payment
        is_paid = invoice.status == "paid"
        charge = payment.charge.id if payment and payment.charges else None
        return self._filled(
            fields.INVOICE,
            id=invoice.id,
            amount_due=invoice.due_minor,
            amount_paid=invoice.due_minor if is_paid else 0,
            amount_remaining=0 if is_paid else invoice.due_minor,
            attempted=payment is not None,
            charge=charge,
            closed=invoice.status in {"paid", "void"},
            created=invoice.created,
            currency=subscription.currency,
            customer=subscription.customer.id,
            date=invoice.created,
            lines=shortened(
                [self._line(item, invoice) for item in invoice.items],
                f"/v1/invoices/{invoice.id}/lines",
            ),
            paid=is_paid,
            parent={
                "quote_details": None,
                "subscription_details": {"metadata": {}, "subscription": subscription.id},
                "type": "subscription_details",
            },
            payment_intent=payment and payment.intent_id,
            period_end=invoice.period_end,
            period_start=invoice.period_start,
            status=invoice.status,
            status_transitions={"paid_at": invoice.paid_at},
            subscription=subscription.id,
            subtotal=invoice.due_minor,
            total=invoice.due_minor,
        )

    def invoice_payment(self, payment_id: str, invoice: Invoice) -> Shape:
        """What paid an invoice, an object of its own since 2025-03-31."""
        assert invoice.payment is not None
        return self._filled(
            fields.INVOICE_PAYMENT,
            id=payment_id,
            amount_paid=invoice.due_minor,
            amount_requested=invoice.due_minor,
            created=invoice.created,
            currency=invoice.subscription.currency,
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
            id=payout.id,
            amount=payout.amount_minor,
            arrival_date=payout.arrival_date,
            balance_transaction=payout.transaction_id,
            created=payout.created,
            currency=payout.currency,
            failure_code=payout.failure_code,
            status=payout.status,
        )

    def _line(self, item: Item, invoice: Invoice) -> Shape:
        """A period of one item; one of a tiered price does not say what a unit costs."""
        subscription, price = invoice.subscription, item.price
        currency = subscription.currency
        unit = None if price.tiers else str(price.unit_in(currency))
        return self._filled(
            fields.LINE,
            id=f"il_{item.id.removeprefix('si_')}",
            amount=price.charged(item.quantity, currency),
            currency=currency,
            invoice=invoice.id,
            parent={
                "invoice_item_details": None,
                "subscription_item_details": {
                    "proration": False,
                    "subscription": subscription.id,
                    "subscription_item": item.id,
                },
                "type": "subscription_item_details",
            },
            period={"end": invoice.period_end, "start": invoice.period_start},
            plan=self._plan(price),
            price=self._price(price),
            pricing={
                "price_details": {"price": price.id, "product": price.product_id},
                "type": "price_details",
                "unit_amount_decimal": unit,
            },
            quantity=0 if price.metered else item.quantity,
            subscription=subscription.id,
            subscription_item=item.id,
        )

    def _item(self, item: Item, subscription: Subscription) -> Shape:
        return self._filled(
            fields.ITEM,
            id=item.id,
            created=item.created,
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
            id=price.id,
            billing_scheme="tiered" if price.tiers else "per_unit",
            currency=price.currency,
            product=price.product_id,
            recurring={
                "interval": price.interval,
                "interval_count": price.interval_count,
                "usage_type": "metered" if price.metered else "licensed",
            },
            tiers_mode="graduated" if price.tiers else None,
            unit_amount=None if price.tiers else price.unit_minor,
            unit_amount_decimal=None if price.tiers else str(price.unit_minor),
        )

    def _plan(self, price: Price) -> Shape:
        return self._filled(
            fields.PLAN,
            id=price.id,
            amount=None if price.tiers else price.unit_minor,
            amount_decimal=None if price.tiers else str(price.unit_minor),
            billing_scheme="tiered" if price.tiers else "per_unit",
            currency=price.currency,
            interval=price.interval,
            interval_count=price.interval_count,
            product=price.product_id,
            tiers_mode="graduated" if price.tiers else None,
            usage_type="metered" if price.metered else "licensed",
        )

    def _filled(self, template: Shape, **values: object) -> Shape:
        if "livemode" in template:
            values["livemode"] = self.livemode
        return filled(of_version(template, self.api_version), **values)
