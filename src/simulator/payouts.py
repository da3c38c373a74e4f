"""The simulated Stripe's payouts: what is available goes to the shop's bank, or comes back.

https://docs.stripe.com/payouts
"""

from simulator.billing import Payout
from simulator.checkouts import Checkouts
from simulator.goods import DAY
from simulator.sent import Events, SimulatedEvent
from simulator.transactions import Transaction

TRAVEL_DAYS = 2
DAILY, WEEKLY = 1, 7


class Payouts(Checkouts):
    """By hand (`pay_out`) of any amount, or automatically of all that is available.

    An automatic payout names its members: its own transaction is one, so their net is 0.
    """

    def pay_out(self, amount_minor: int, currency: str) -> tuple[Payout, Events]:
        """The shop asks for its money; it takes two days."""
        self._act()
        payout = self._new_payout(amount_minor, currency, transaction_id=self._ids.new("txn"))
        return payout, [self._payout_event("created", payout)]

    def pay_out_available(self, currency: str) -> tuple[Payout | None, Events]:
        """Stripe sends all that is available, unless that is nothing or below."""
        self._act()
        self._funds.come_to(self.now)
        members = self._funds.payable.get(currency, [])
        amount_minor = sum(member.net_minor for member in members)
        if amount_minor <= 0:
            return None, []
        payout = self._new_payout(amount_minor, currency, members=members)
        self._funds.payable[currency] = []
        return payout, [self._payout_event("created", payout)]

    def finish_payout(self, payout: Payout) -> Events:
        """The money should be there; which transactions it was made of is known by now."""
        self._act()
        payout.status = "paid"
        if not payout.automatic:
            return [self._payout_event("paid", payout)]
        payout.reconciliation_status = "completed"
        kinds = ("paid", "reconciliation_completed")
        return [self._payout_event(verb, payout) for verb in kinds]

    def fail_payout(self, payout: Payout, code: str = "account_closed") -> Events:
        """The bank sends the money back, perhaps after the payout was paid."""
        self._act()
        payout.status, payout.failure_code = "failed", code
        payout.failure_message = "The bank account has been closed."
        self._return("payout_failure", payout)
        return [self._payout_event("failed", payout)]

    def cancel_payout(self, payout: Payout) -> Events:
        """The shop calls a payout off that is not on its way yet."""
        self._act()
        payout.status = "canceled"
        self._return("payout_cancel", payout)
        return [self._payout_event("canceled", payout)]

    def _new_payout(
        self,
        amount_minor: int,
        currency: str,
        *,
        transaction_id: str | None = None,
        members: list[Transaction] | None = None,
    ) -> Payout:
        """An automatic one where it has members; `_act` comes before."""
        payout = Payout(
            id=self._ids.new("po"),
            created=self.now,
            amount_minor=amount_minor,
            currency=currency,
            arrival_date=self.now // DAY * DAY + TRAVEL_DAYS * DAY,
            automatic=members is not None,
            reconciliation_status="not_applicable" if members is None else "in_progress",
        )
        own = self._book(
            "payout",
            -amount_minor,
            currency,
            payout.id,
            category="payout",
            description="STRIPE PAYOUT",
            transaction_id=transaction_id,
            payout_id=None if members is None else payout.id,
        )
        payout.transaction_id = own.id
        if members is not None:
            payout.members = [*sorted(members, key=lambda member: member.created), own]
            for member in members:
                member.payout_id = payout.id
        self._keep("payout", payout)
        return payout

    def _return(self, kind: str, payout: Payout) -> None:
        payout.failure_transaction_id = self._book(
            kind,
            payout.amount_minor,
            payout.currency,
            payout.id,
            category="payout_reversal",
            description=kind.replace("_", " ").upper(),
            transaction_id=self._own_ids.new("txn"),
        ).id

    def _payout_event(self, verb: str, payout: Payout) -> SimulatedEvent:
        return self.emit(f"payout.{verb}", self.billing.payout(payout), automatic=True)
