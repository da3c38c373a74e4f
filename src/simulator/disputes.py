"""The simulated Stripe's disputes and inquiries: opened, answered, won, lost, closed."""

from simulator.fees import Detail
from simulator.objects import Dispute, Payment
from simulator.refunds import Refunds
from simulator.sent import Events, SimulatedEvent

_FEE_MINOR = 2000
_ANSWER_SECONDS = 9 * 86_400


class Disputes(Refunds):
    """A customer's bank asks the money back. An inquiry (`warning_…`) moves none."""

    def open_dispute(
        self,
        payment: Payment,
        amount_minor: int | None = None,
        *,
        reason: str = "fraudulent",
        inquiry: bool = False,
    ) -> tuple[Dispute, Events]:
        """The bank disputes the payment, or a part of it; unless it only asks, money moves."""
        charge = payment.charge
        now = self._act()
        dispute = Dispute(
            id=self._ids.new("du" if self.layout.books_later else "dp"),
            created=now,
            charge=charge,
            amount_minor=charge.captured_minor if amount_minor is None else amount_minor,
            status="warning_needs_response" if inquiry else "needs_response",
            reason=reason,
            due_by=now + _ANSWER_SECONDS,
        )
        charge.dispute = dispute
        self._keep("dispute", dispute)
        if inquiry:
            return dispute, [self._dispute_event("created", dispute)]
        return dispute, self._withdrawn("created", dispute)

    def answer_dispute(self, dispute: Dispute) -> Events:
        """The shop sends its evidence."""
        self._act()
        dispute.answered = True
        dispute.status = dispute.status.replace("needs_response", "under_review")
        return [self._dispute_event("updated", dispute)]

    def escalate_inquiry(self, dispute: Dispute) -> Events:
        """The bank's question becomes a dispute: now the money moves."""
        self._act()
        dispute.status = "needs_response"
        return self._withdrawn("updated", dispute)

    def close_inquiry(self, dispute: Dispute) -> Events:
        """The bank stops asking."""
        return [self._closed(dispute, "warning_closed")]

    def win_dispute(self, dispute: Dispute) -> Events:
        """The bank agrees with the shop: the money and the fee come back."""
        closed = self.close_won(dispute)
        self._move(dispute, dispute.amount_minor, -_FEE_MINOR)
        return [*closed, self._dispute_event("funds_reinstated", dispute)]

    def close_won(self, dispute: Dispute) -> Events:
        """The bank agrees with the shop; the money has events of its own."""
        return [self._closed(dispute, "won")]

    def lose_dispute(self, dispute: Dispute) -> Events:
        """The customer keeps the money."""
        return [self._closed(dispute, "lost")]

    def move_abroad(self, dispute: Dispute, amount_minor: int, currency: str) -> Events:
        """Funds move in the currency of the shop's account: above nothing, they come back."""
        self._act()
        self._move(dispute, amount_minor, 0, currency)
        verb = "funds_withdrawn" if amount_minor < 0 else "funds_reinstated"
        return [self._dispute_event(verb, dispute)]

    def drop_dispute(self, dispute: Dispute) -> Events:
        """The shop has refunded the charge meanwhile: the dispute has no winner."""
        return [self._closed(dispute, "charge_refunded")]

    def _withdrawn(self, verb: str, dispute: Dispute) -> Events:
        self._move(dispute, -dispute.amount_minor, _FEE_MINOR)
        first = self._dispute_event(verb, dispute)
        return [first, self._dispute_event("funds_withdrawn", dispute)]

    def _closed(self, dispute: Dispute, status: str) -> SimulatedEvent:
        self._act()
        dispute.status = status
        return self._dispute_event("closed", dispute)

    def _move(
        self, dispute: Dispute, amount_minor: int, fee_minor: int, currency: str | None = None
    ) -> None:
        own = dispute.charge.payment.currency
        settled, settled_in, rate = self._settled(amount_minor, own)
        verb = "withdrawal" if amount_minor < 0 else "reversal"
        movement = self._book(
            "adjustment",
            amount_minor if currency else settled,
            currency or settled_in,
            dispute.id,
            category="dispute" if amount_minor < 0 else "dispute_reversal",
            description=f"Chargeback {verb} for {dispute.charge.id}",
            fees=(Detail("stripe_fee", fee_minor, "Dispute fee"),) if fee_minor else (),
            transaction_id=self._ids.new("txn"),
            exchange_rate=None if currency else rate,
        )
        dispute.movements.append(movement)

    def _dispute_event(self, verb: str, dispute: Dispute) -> SimulatedEvent:
        kind = f"charge.dispute.{verb}"
        return self.emit(kind, self.layout.dispute(dispute, self.now), automatic=verb != "updated")
