"""A deterministic Stripe: what shop, customers and banks do there, and the events it sends."""

from simulator.objects import Customer, Payment
from simulator.sent import Events, SimulatedEvent
from simulator.subscriptions import Subscriptions
from simulator.versions import Shape


class SimulatedStripe(Subscriptions):
    """A shop's life at Stripe, played without clock and network.

    Every method is something that is done there. It returns the events that Stripe makes of it,
    in the order in which they happened; one that makes an object returns it first.

        stripe = SimulatedStripe(seed=7)
        payment, started = stripe.create_payment(2599, "gbp", order_id="A1")
        paid = stripe.pay_by_card(payment)
        refund, refunded = stripe.refund(payment, 500)
    """

    def create_customer(self, email: str, name: str) -> tuple[Customer, Events]:
        """A customer is made."""
        customer = Customer(f"cus_{self._ids.chance(14)}", self._act(), email, name)
        self._keep("customer", customer)
        return customer, [self._customer_event("created", customer)]

    def change_email(self, customer: Customer, email: str) -> Events:
        """A customer has a new address."""
        self._act()
        previous, customer.email = customer.email, email
        shape = self.layout.customer(customer)
        return [self.emit("customer.updated", shape, previous={"email": previous})]

    def delete_customer(self, customer: Customer) -> Events:
        """A customer is deleted; the event shows it as it was."""
        self._act()
        customer.deleted = True
        return [self._customer_event("deleted", customer)]

    def warn_of_fraud(self, payment: Payment) -> Events:
        """A card network warns early; for most readers an unknown type."""
        now = self._act()
        warning = self.layout.early_fraud_warning(self._ids.new("issfr"), now, payment.charge)
        return [self.emit("radar.early_fraud_warning.created", warning, automatic=True)]

    def report_balance(self, amount_minor: int, currency: str) -> Events:
        """Money can be paid out; the event's object has no id."""
        self._act()
        balance: Shape = {
            "object": "balance",
            "available": [{"amount": amount_minor, "currency": currency}],
            "livemode": self.layout.livemode,
            "pending": [],
        }
        return [self.emit("balance.available", balance, automatic=True)]

    def do_something_new(self) -> Events:
        """A type of event that no version knows yet."""
        now = self._act()
        transfer: Shape = {
            "id": self._ids.new("qtr"),
            "object": "quantum.transfer",
            "created": now,
            "entangled": True,
            "livemode": self.layout.livemode,
        }
        return [self.emit("quantum.transfer.created", transfer)]

    def _customer_event(self, verb: str, customer: Customer) -> SimulatedEvent:
        return self.emit(f"customer.{verb}", self.layout.customer(customer))
