"""The simulated Stripe's payment page: opened, completed, paid later, refused later, expired."""

from simulator.disputes import Disputes
from simulator.goods import Goods
from simulator.objects import PAGE_SECONDS, Customer, Payment, Session
from simulator.sent import Events, SimulatedEvent


class Checkouts(Disputes):
    """A customer pays on Stripe's page. There is no event for opening it."""

    def open_checkout(
        self,
        amount_minor: int,
        currency: str,
        *,
        order_id: str | None = None,
        reference: str | None = None,
        customer: Customer | None = None,
        email: str | None = None,
        discount_minor: int = 0,
        goods: Goods = (),
    ) -> tuple[Session, Events]:
        """The shop sends the customer to the page; the order is named there only.

        `order_id` goes into the session's metadata, `reference` into `client_reference_id`. A
        promotion code takes `discount_minor` off. The lines are `goods`, or one of all that is
        asked for. Before 2022-11-15 the payment intent exists from here on, unless that is nothing.
        """
        assert not goods or amount_minor == sum(p.charged(n, currency) for p, n in goods)
        assert self.layout.has_intents, "this API version is older than the payment page"
        mode = "live" if self.layout.livemode else "test"
        session = Session(
            id=f"cs_{mode}_a1{self._ids.chance(56)}",
            created=self._act(),
            amount_minor=amount_minor,
            currency=currency,
            metadata={"order_id": order_id} if order_id else {},
            reference=reference,
            customer=customer,
            email=email,
            discount_minor=discount_minor,
        )
        if self.memory is not None:  # no event shows the lines
            session.lines = self._new_items(goods) or [self._inline(amount_minor, currency)]
            self._keep("checkout.session", session)
        if not self.layout.has_sessions_with_intents or session.total_minor == 0:
            return session, []
        _, events = self._start(session)
        return session, events

    def complete_checkout(self, session: Session, *, bank_debit: bool = False) -> Events:
        """The customer pays: by card at once, by bank debit in days (`settle`, `bounce`)."""
        if session.total_minor == 0:
            session.status, session.payment_status = "complete", "no_payment_required"
            return [self._session_event("completed", session)]
        payment, events = (session.payment, []) if session.payment else self._start(session)
        pay = self.start_bank_debit if bank_debit else self.pay_by_card
        events += pay(payment)
        session.status = "complete"
        session.payment_status = "unpaid" if bank_debit else "paid"
        return [*events, self._session_event("completed", session)]

    def expire_checkout(self, session: Session) -> Events:
        """Not paid in time: the page closes, and a payment intent that waited is canceled."""
        self.now = max(self._act(), session.created + PAGE_SECONDS)
        session.status = "expired"
        expired = self._session_event("expired", session)
        if session.payment is None:
            return [expired]
        return [expired, *self.cancel_payment(session.payment)]

    def settle(self, payment: Payment) -> Events:
        """The bank paid; a session that waited for it is paid now."""
        events = super().settle(payment)
        if payment.session is None:
            return events
        payment.session.payment_status = "paid"
        return [*events, self._session_event("async_payment_succeeded", payment.session)]

    def bounce(self, payment: Payment, code: str = "insufficient_funds") -> Events:
        """The bank refuses; a session that waited for it failed."""
        waited = payment.status == "processing"
        events = super().bounce(payment, code)
        if payment.session is None or not waited:
            return events
        return [*events, self._session_event("async_payment_failed", payment.session)]

    def _start(self, session: Session) -> tuple[Payment, Events]:
        payment, events = self.create_payment(
            session.total_minor, session.currency, customer=session.customer, email=session.email
        )
        payment.session = session
        session.payment = payment
        return payment, events

    def _session_event(self, verb: str, session: Session) -> SimulatedEvent:
        kind = f"checkout.session.{verb}"
        return self.emit(kind, self.layout.session(session), automatic=True)
