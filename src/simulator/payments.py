"""The simulated Stripe's payments: by card, by bank debit, authorised first, declined, let go."""

from simulator.balance import SETTLE_DAYS
from simulator.catalog import Catalog
from simulator.objects import Charge, Customer, Payment
from simulator.sent import Events, SimulatedEvent

_THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


class Payments(Catalog):
    """What a shop, its customers and their banks do to payments.

    Before payment intents (API versions before 2018-09-06) only the charge's events are sent.
    """

    def create_payment(
        self,
        amount_minor: int,
        currency: str,
        *,
        order_id: str | None = None,
        customer: Customer | None = None,
        manual_capture: bool = False,
        description: str | None = None,
        email: str | None = None,
    ) -> tuple[Payment, Events]:
        """The shop asks for money; `order_id` goes into the metadata, the receipt to `email`."""
        assert currency not in _THREE_DECIMALS or amount_minor % 10 == 0, "Stripe rounds to tens"
        payment = Payment(
            intent_id=self._ids.new("pi", 3) if self.layout.has_intents else None,
            created=self._act(),
            amount_minor=amount_minor,
            currency=currency,
            metadata={"order_id": order_id} if order_id else {},
            customer=customer,
            manual_capture=manual_capture,
            description=description,
            email=email or (customer and customer.email),
        )
        if payment.intent_id is not None:
            self._keep("payment_intent", payment)
        return payment, self._intent_events("created", payment)

    def decline(self, payment: Payment, code: str = "card_declined") -> Events:
        """An attempt by card fails; the customer may try again."""
        charge = self._attempt(payment)
        charge.status, charge.failure_code = "failed", code
        return [
            self._charge_event("failed", charge),
            *self._intent_events("payment_failed", payment),
        ]

    def pay_by_card(self, payment: Payment) -> Events:
        """The money is taken at once."""
        return self._take(self._attempt(payment))

    def authorize(self, payment: Payment) -> Events:
        """The money is held, for a later `capture`."""
        charge = self._attempt(payment)
        charge.status, payment.status = "succeeded", "requires_capture"
        return [
            self._charge_event("succeeded", charge),
            *self._intent_events("amount_capturable_updated", payment),
        ]

    def capture(self, payment: Payment, amount_minor: int | None = None) -> Events:
        """The shop takes what was held, or a part of it; the rest goes free."""
        self._act()
        charge = payment.charge
        charge.captured = True
        charge.captured_minor = payment.amount_minor if amount_minor is None else amount_minor
        charge.released_minor = payment.amount_minor - charge.captured_minor
        return self._taken("captured", charge)

    def expire_hold(self, payment: Payment) -> Events:
        """The shop did not capture in time: the bank lets the money go."""
        self._act()
        payment.charge.released_minor = payment.amount_minor
        expired = self._charge_event("expired", payment.charge, automatic=True)
        return [expired, *self._canceled(payment, "automatic")]

    def cancel_payment(self, payment: Payment) -> Events:
        """The shop gives the payment up; money that was held goes free (`charge.refunded`)."""
        self._act()
        if payment.status != "requires_capture":
            return self._canceled(payment, "requested_by_customer")
        payment.charge.released_minor = payment.amount_minor
        freed = self._charge_event("refunded", payment.charge)
        return [freed, *self._canceled(payment, "requested_by_customer")]

    def start_bank_debit(self, payment: Payment) -> Events:
        """The customer's bank is asked; it takes days until `settle` or `bounce`."""
        charge = self._attempt(payment, bank_debit=True)
        charge.status, payment.status = "pending", "processing"
        return [
            *self._intent_events("processing", payment),
            self._charge_event("pending", charge),
        ]

    def settle(self, payment: Payment) -> Events:
        """The bank paid."""
        self._act()
        return self._take(payment.charge)

    def bounce(self, payment: Payment, code: str = "insufficient_funds") -> Events:
        """The bank refuses, perhaps after the debit had settled: then the money goes back."""
        self._act()
        charge = payment.charge
        if charge.status == "succeeded":
            charge.failure_transaction_id = self._book_bounce(charge)
        charge.status, charge.failure_code = "failed", code
        charge.captured, charge.captured_minor = False, 0
        payment.status = "requires_payment_method"
        failed = self._charge_event("failed", charge, automatic=True)
        return [failed, *self._intent_events("payment_failed", payment)]

    def _attempt(self, payment: Payment, *, bank_debit: bool = False) -> Charge:
        charge = Charge(
            id=self._ids.new("py" if bank_debit else "ch", 3),
            created=self._act(),
            payment=payment,
            bank_debit=bank_debit,
            status="pending",
        )
        payment.charges.append(charge)
        self._keep("charge", charge)
        return charge

    def _take(self, charge: Charge) -> Events:
        charge.status, charge.captured = "succeeded", True
        charge.captured_minor = charge.payment.amount_minor
        return self._taken("succeeded", charge)

    def _taken(self, verb: str, charge: Charge) -> Events:
        """The money is in; since 2024-04-10 its balance transaction comes seconds later."""
        charge.payment.status = "succeeded"
        if not self.layout.books_later:
            charge.transaction_id = self._book_payment(charge)
        taken = self._charge_event(verb, charge)
        events = [taken, *self._intent_events("succeeded", charge.payment)]
        return [*events, self._booked(charge)] if self.layout.books_later else events

    def _booked(self, charge: Charge) -> SimulatedEvent:
        self.advance(2)
        charge.transaction_id = self._book_payment(charge)
        return self.emit(
            "charge.updated",
            self.layout.charge(charge),
            previous={"balance_transaction": None},
            automatic=True,
        )

    def _book_payment(self, charge: Charge) -> str:
        amount, currency, rate = self._settled(charge.captured_minor, charge.payment.currency)
        return self._book(
            "payment" if charge.bank_debit else "charge",
            amount,
            currency,
            charge.id,
            category="charge",
            description="Payment",
            fees=self.fees.of_payment(amount, currency),
            available_in_days=SETTLE_DAYS,
            exchange_rate=rate,
        ).id

    def _book_bounce(self, charge: Charge) -> str:
        """What had come in goes back to the bank; the fees stay with Stripe."""
        amount, currency, rate = self._settled(-charge.captured_minor, charge.payment.currency)
        return self._book(
            "payment_failure_refund",
            amount,
            currency,
            charge.id,
            category="charge_failure",
            description="Payment failure refund",
            exchange_rate=rate,
        ).id

    def _canceled(self, payment: Payment, reason: str) -> Events:
        payment.status = "canceled"
        payment.canceled_at, payment.cancellation_reason = self.now, reason
        return self._intent_events("canceled", payment)

    def _charge_event(
        self, verb: str, charge: Charge, *, automatic: bool = False
    ) -> SimulatedEvent:
        shape = self.layout.charge(charge)
        return self.emit(f"charge.{verb}", shape, automatic=automatic)

    def _intent_events(self, verb: str, payment: Payment) -> Events:
        """The payment intent's event, where there is a payment intent."""
        if payment.intent_id is None:
            return []
        return [self.emit(f"payment_intent.{verb}", self.layout.payment_intent(payment))]
