"""The simulated Stripe's invoices: what customers are asked for, and credit notes."""

from simulator.billing import CreditNote, Invoice, InvoicePayment, Subscription
from simulator.goods import Goods
from simulator.objects import Customer
from simulator.payouts import Payouts
from simulator.sent import Events, SimulatedEvent


class Invoices(Payouts):
    """Invoices of subscriptions, and single ones; what was asked for too much is credited."""

    def bill(self, customer: Customer, goods: Goods, currency: str) -> tuple[Invoice, Events]:
        """The shop asks for something once: an invoice of one-time prices, final at once."""
        self._act()
        items = self._new_items(goods)
        invoice = Invoice(
            id=self._ids.new("in"),
            created=self.now,
            customer=customer,
            currency=currency,
            due_minor=0,
            period_start=self.now,
            period_end=self.now,
            items=items,
        )
        invoice.due_minor = invoice.listed_minor
        self._keep("invoice", invoice)
        return invoice, self._open(invoice)

    def pay_invoice(self, invoice: Invoice) -> Events:
        """The customer pays a single invoice by card."""
        self._act()
        return self._collect(invoice)

    def void_invoice(self, invoice: Invoice) -> Events:
        """The shop takes an open invoice back."""
        self._act()
        invoice.status = "void"
        return [self._invoice_event("voided", invoice)]

    def credit(self, invoice: Invoice, amount_minor: int, reason: str) -> tuple[CreditNote, Events]:
        """The shop lets a part of an invoice go; what was paid is refunded."""
        now = self._act()
        note = CreditNote(self._own_ids.new("cn"), now, invoice, amount_minor, reason)
        events: Events = []
        if invoice.status == "paid" and invoice.payment is not None:
            note.refund, events = self.refund(invoice.payment, amount_minor)
        self._keep("credit_note", note)
        shape = self.billing.credit_note(note)
        return note, [self.emit("credit_note.created", shape), *events]

    def _new_invoice(self, subscription: Subscription) -> Invoice:
        invoice = Invoice(
            id=self._ids.new("in"),
            created=self.now,
            customer=subscription.customer,
            currency=subscription.currency,
            subscription=subscription,
            due_minor=subscription.due_minor,
            period_start=subscription.period_start,
            period_end=subscription.period_end,
            items=subscription.items,
            discount=subscription.discount or subscription.discount_of_customer,
        )
        subscription.invoices.append(invoice)
        self._keep("invoice", invoice)
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
        invoice.payment_id = self._ids.new("inpay")
        self._keep("invoice_payment", InvoicePayment(invoice.payment_id, self.now, invoice))
        shape = self.billing.invoice_payment(invoice)
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
        invoice.payment, started = self.create_payment(
            invoice.due_minor, invoice.currency, customer=invoice.customer
        )
        return started

    def _invoice_event(self, verb: str, invoice: Invoice) -> SimulatedEvent:
        return self.emit(f"invoice.{verb}", self.billing.invoice(invoice), automatic=True)
