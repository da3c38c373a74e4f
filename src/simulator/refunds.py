"""The simulated Stripe's refunds: made, settled, failed, canceled."""

from simulator.objects import Charge, Payment, Refund
from simulator.payments import Payments
from simulator.sent import Events, SimulatedEvent


class Refunds(Payments):
    """Money goes back, or does not get there.

    Before 2018-09-06 a new refund shows only in `charge.refunded`, where it is embedded.
    """

    def refund(
        self,
        payment: Payment,
        amount_minor: int | None = None,
        *,
        status: str = "succeeded",
        reason: str | None = "requested_by_customer",
        metadata: dict[str, str] | None = None,
    ) -> tuple[Refund, Events]:
        """The shop gives money back: all that is left of the payment, or `amount_minor`."""
        charge = payment.charge
        before = charge.refunded_minor
        refund = self._new_refund(charge, amount_minor, status, reason, metadata)
        charge.refunds.append(refund)
        events: Events = []
        if self.layout.has_refund_events:
            events.append(self.emit("refund.created", self.layout.refund(refund)))
        refunded = self.emit(
            "charge.refunded",
            self.layout.charge(charge),
            previous={"amount_refunded": before, "refunded": False},
        )
        return refund, [*events, refunded]

    def settle_refund(self, refund: Refund) -> Events:
        """A pending refund reached the customer."""
        return self._changed(refund, "succeeded")

    def cancel_refund(self, refund: Refund) -> Events:
        """A pending refund is called off: the money is the shop's again."""
        return self._changed(refund, "canceled")

    def fail_refund(self, refund: Refund, reason: str = "expired_or_canceled_card") -> Events:
        """The customer's bank sends the money back, perhaps after the refund had succeeded."""
        refund.failure_reason = reason
        events = self._changed(refund, "failed")
        if not self.layout.has_refund_failed:
            return events
        return [*events, self.emit("refund.failed", self.layout.refund(refund), automatic=True)]

    def _new_refund(
        self,
        charge: Charge,
        amount_minor: int | None,
        status: str,
        reason: str | None,
        metadata: dict[str, str] | None,
    ) -> Refund:
        left = charge.refundable_minor
        amount = left if amount_minor is None else amount_minor
        assert 0 < amount <= left, f"Stripe refuses to refund {amount} of {left}"
        refund = Refund(
            id=self._ids.new("pyr" if charge.bank_debit else "re", 3),
            created=self._act(),
            charge=charge,
            amount_minor=amount,
            status=status,
            reason=reason,
            metadata=metadata or {},
        )
        if status == "succeeded":
            refund.transaction_id = self._book_refund(refund)
        self._keep("refund", refund)
        return refund

    def _book_refund(self, refund: Refund, *, came_back: bool = False) -> str:
        """The money leaves the balance, or comes back into it; the payment's fees stay as is."""
        charge = refund.charge
        signed = refund.amount_minor if came_back else -refund.amount_minor
        amount, currency, rate = self._settled(signed, charge.payment.currency)
        left = "payment_refund" if charge.bank_debit else "refund"
        return self._book(
            "refund_failure" if came_back else left,
            amount,
            currency,
            refund.id,
            category="refund_failure" if came_back else "refund",
            description="REFUND FAILURE" if came_back else "REFUND FOR PAYMENT",
            exchange_rate=rate,
        ).id

    def _changed(self, refund: Refund, status: str) -> Events:
        self._act()
        previous, refund.status = refund.status, status
        if status == "succeeded":
            refund.transaction_id = self._book_refund(refund)
        elif refund.transaction_id is not None:  # it had left the balance
            refund.failure_transaction_id = self._book_refund(refund, came_back=True)
        kinds = ["charge.refund.updated"]
        if self.layout.has_refund_events:
            kinds.append("refund.updated")
        return [self._refund_event(kind, refund, previous) for kind in kinds]

    def _refund_event(self, kind: str, refund: Refund, previous: str) -> SimulatedEvent:
        shape = self.layout.refund(refund)
        return self.emit(kind, shape, previous={"status": previous}, automatic=True)
