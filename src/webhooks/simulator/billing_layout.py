"""How an API version writes billing's objects down: the simulator's memory → JSON-able dicts."""

from webhooks.simulator import billing_fields as fields
from webhooks.simulator.billing import (
    Coupon,
    Discount,
    Invoice,
    Item,
    Payout,
    Price,
    Subscription,
)
from webhooks.simulator.versions import Shape, filled, listed, of_version


class BillingLayout:
    """Billing's objects as one API version shows them, in one mode (live or test)."""

    def __init__(self, api_version: str, *, livemode: bool) -> None:
        self.api_version = api_version
        self.livemode = livemode
        self.waits_for_first_payment = api_version >= "2019-03-14"
        self.has_invoice_payments = api_version >= "2025-03-31"
        self.has_metered = api_version >= "2018-05-21"

    def subscription(self, subscription: Subscription) -> Shape:
        """A subscription: its periods and its discount moved with 2025-03-31."""
        discount, first = subscription.discount, subscription.items[0]
        return self._filled(
            fields.SUBSCRIPTION,
            id=subscription.id,
            billing_cycle_anchor=subscription.period_start,
            cancel_at_period_end=subscription.cancel_at_period_end,
            canceled_at=subscription.canceled_at,
            created=subscription.created,
            currency=subscription.currency,
            current_period_end=subscription.period_end,
            current_period_start=subscription.period_start,
            customer=subscription.customer.id,
            discount=discount and self.discount(discount, subscription),
            discounts=[discount.id] if discount else [],
            ended_at=subscription.ended_at,
            items=listed(
                [self._item(item, subscription) for item in subscription.items],
                f"/v1/subscription_items?subscription={subscription.id}",
            ),
            latest_invoice=subscription.invoices[-1].id if subscription.invoices else None,
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

    def discount(self, discount: Discount, subscription: Subscription) -> Shape:
        """A discount, with its coupon until 2025-09-30, and with the coupon's id since."""
        return self._filled(
            fields.DISCOUNT,
            id=discount.id,
            coupon=self.coupon(discount.coupon),
            customer=subscription.customer.id,
            source={"coupon": discount.coupon.id, "type": "coupon"},
            start=discount.start,
            subscription=subscription.id,
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
            lines=listed([], f"/v1/invoices/{invoice.id}/lines"),
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
            currency=price.currency,
            product=price.product_id,
            recurring={
                "interval": price.interval,
                "interval_count": price.interval_count,
                "usage_type": "metered" if price.metered else "licensed",
            },
            unit_amount=price.unit_minor,
            unit_amount_decimal=str(price.unit_minor),
        )

    def _plan(self, price: Price) -> Shape:
        return self._filled(
            fields.PLAN,
            id=price.id,
            amount=price.unit_minor,
            amount_decimal=str(price.unit_minor),
            currency=price.currency,
            interval=price.interval,
            interval_count=price.interval_count,
            product=price.product_id,
            usage_type="metered" if price.metered else "licensed",
        )

    def _filled(self, template: Shape, **values: object) -> Shape:
        if "livemode" in template:
            values["livemode"] = self.livemode
        return filled(of_version(template, self.api_version), **values)
