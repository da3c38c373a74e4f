"""The simulated Stripe's invoices and payouts: what customers pay for, and what the shop gets."""

from simulator.billing import DAY, Invoice, Payout, Subscription
from simulator.checkouts import Checkouts
from simulator.sender import Events, SimulatedEvent


class Invoices(Checkouts):
    """Invoices are made for subscriptions; payouts go to the shop's bank, or come back."""

    def pay_out(self, amount_minor: int, currency: str) -> tuple[Payout, Events]:
        """Stripe sends the shop its money; it takes two days."""
        now = self._act()
        payout = Payout(
            id=self._ids.new("po"),
            created=now,
            amount_minor=amount_minor,
            currency=currency,
            arrival_date=now // DAY * DAY + 2 * DAY,
            transaction_id=self._ids.new("txn"),
        )
        return payout, [self._payout_event("created", payout)]

    def finish_payout(self, payout: Payout) -> Events:
        """The money should be there."""
        self._act()
        payout.status = "paid"
        return [self._payout_event("paid", payout)]

    def fail_payout(self, payout: Payout, code: str = "account_closed") -> Events:
        """The bank sends the money back, perhaps after the payout was paid."""
        self._act()
        payout.status, payout.failure_code = "failed", code
        return [self._payout_event("failed", payout)]

    def _new_invoice(self, subscription: Subscription) -> Invoice:
        invoice = Invoice(
            id=self._ids.new("in"),
            created=self.now,
            subscription=subscription,
            due_minor=subscription.due_minor,
            period_start=subscription.period_start,
            period_end=subscription.period_end,
            items=subscription.items,
        )
        subscription.invoices.append(invoice)
        return invoice

    def _collect(self, invoice: Invoice) -> Events:
        """The customer pays, unless nothing is due."""
        events = self._open(invoice)
        if invoice.due_minor:
            events += self._ask_for(invoice)
            assert invoice.payment is not None
            events += self.pay_by_card(invoice.payment)
        invoice.status, invoice.paid_at = "paid", self.now
        paid = self._invoice_event("paid", invoice)
        if not self.billing.has_invoice_payments or invoice.payment is None:
            return [*events, paid]
        shape = self.billing.invoice_payment(self._ids.new("inpay"), invoice)
        return [*events, paid, self.emit("invoice_payment.paid", shape, automatic=True)]

    def _fail(self, invoice: Invoice) -> Events:
        """The customer's card is declined."""
        events = [*self._open(invoice), *self._ask_for(invoice)]
        assert invoice.payment is not None
        declined = self.decline(invoice.payment)
        return [*events, *declined, self._invoice_event("payment_failed", invoice)]

    def _write_off(self, invoice: Invoice) -> Events:
        invoice.status = "uncollectible"
        return [self._invoice_event("marked_uncollectible", invoice)]

    def _open(self, invoice: Invoice) -> Events:
        """A draft, then final at once."""
        if invoice.status != "draft":
            return []
        created = self._invoice_event("created", invoice)
        invoice.status = "open"
        return [created, self._invoice_event("finalized", invoice)]

    def _ask_for(self, invoice: Invoice) -> Events:
        if invoice.payment is not None:
            return []
        subscription = invoice.subscription
        invoice.payment, started = self.create_payment(
            invoice.due_minor, subscription.currency, customer=subscription.customer
        )
        return started

    def _invoice_event(self, verb: str, invoice: Invoice) -> SimulatedEvent:
        return self.emit(f"invoice.{verb}", self.billing.invoice(invoice), automatic=True)

    def _payout_event(self, verb: str, payout: Payout) -> SimulatedEvent:
        return self.emit(f"payout.{verb}", self.billing.payout(payout), automatic=True)
