"""The simulated Stripe's balance: every movement of money is a transaction.

https://docs.stripe.com/api/balance_transactions/object
"""

from fractions import Fraction
from functools import cached_property
from heapq import heappop, heappush
from math import floor

from simulator.fees import Detail
from simulator.goods import DAY
from simulator.sender import Sender
from simulator.transactions import CATEGORIES, Transaction
from simulator.versions import Shape

SETTLE_DAYS = 2
PAYMENTS = "payments"


class Funds:
    """Money by currency: pending until its time, then available, `payable` until it goes out.

    What is kept in other balances than that of payments is not paid out.
    """

    def __init__(self) -> None:
        self._available: dict[tuple[str, str], int] = {}
        self.payable: dict[str, list[Transaction]] = {}
        self._pending: list[tuple[int, int, Transaction]] = []
        self._count = 0

    def add(self, transaction: Transaction) -> None:
        """Money that moved."""
        self._count += 1
        heappush(self._pending, (transaction.available_on, self._count, transaction))

    def come_to(self, now: int) -> None:
        """What is available by now."""
        while self._pending and self._pending[0][0] <= now:
            transaction = heappop(self._pending)[2]
            currency, kind = transaction.currency, transaction.balance_type
            before = self._available.get((kind, currency), 0)
            self._available[kind, currency] = before + transaction.net_minor
            if transaction.payout_id is None and transaction.balance_type == "payments":
                self.payable.setdefault(currency, []).append(transaction)

    def kinds(self) -> list[str]:
        """The balances in which anything ever became available, or will."""
        waiting = {transaction.balance_type for _, _, transaction in self._pending}
        return sorted(waiting | {kind for kind, _ in self._available})

    def available(self, kind: str) -> dict[str, int]:
        """What is available in a balance."""
        return {code: minor for (own, code), minor in self._available.items() if own == kind}

    def pending(self, kind: str) -> dict[str, int]:
        """What is not available yet in a balance."""
        sums: dict[str, int] = {}
        for _, _, transaction in self._pending:
            if transaction.balance_type == kind:
                before = sums.get(transaction.currency, 0)
                sums[transaction.currency] = before + transaction.net_minor
        return sums

    def told(self, kind: str) -> Shape:
        """Both of a balance."""
        available, pending = self.available(kind), self.pending(kind)
        return {"available": _amounts(available, pending), "pending": _amounts(pending, available)}


class Balance(Sender):
    """The shop's money at Stripe. It is counted where the simulator `remembers`."""

    @cached_property
    def _funds(self) -> Funds:
        return Funds()

    def move_otherwise(
        self,
        kind: str,
        amount_minor: int,
        currency: str,
        *,
        category: str | None = None,
        source: str | None = None,
        fees: tuple[Detail, ...] = (),
        balance_type: str = "payments",
        available_in_days: int = 0,
    ) -> Transaction:
        """A transaction of any other type, known (see `CATEGORIES`) or not; there is no event."""
        self._act()
        return self._book(
            kind,
            amount_minor,
            currency,
            source,
            category=category or CATEGORIES.get(kind, kind),
            description=kind.replace("_", " ").capitalize(),
            fees=fees,
            available_in_days=available_in_days,
            balance_type=balance_type,
        )

    def remember_booked(self, transaction: Transaction) -> None:
        """What moved is of this account, also where another simulator told it."""
        self._keep("balance_transaction", transaction)
        self._funds.add(transaction)

    def balance(self) -> Shape:
        """The balance as it stands: that of payments, and others by their names.

        https://docs.stripe.com/api/balance/balance_object
        """
        self._funds.come_to(self.now)
        others = [kind for kind in self._funds.kinds() if kind != PAYMENTS]
        return {
            "object": "balance",
            "livemode": self.layout.livemode,
            **self._funds.told(PAYMENTS),
            **{kind: self._funds.told(kind) for kind in others},
        }

    def _book(
        self,
        kind: str,
        amount_minor: int,
        currency: str,
        source: str | None,
        *,
        category: str,
        description: str,
        fees: tuple[Detail, ...] = (),
        available_in_days: int = 0,
        transaction_id: str | None = None,
        balance_type: str = "payments",
        payout_id: str | None = None,
        exchange_rate: float | None = None,
    ) -> Transaction:
        """Money moves now; `available_in_days` counts from midnight (UTC), 0 is at once."""
        midnight = self.now // DAY * DAY
        days = available_in_days
        transaction = Transaction(
            id=transaction_id or self._ids.new("txn", 3),
            created=self.now,
            available_on=midnight + days * DAY if days else self.now,
            amount_minor=amount_minor,
            currency=currency,
            kind=kind,
            category=category,
            source=source,
            description=description,
            fees=fees,
            balance_type=balance_type,
            payout_id=payout_id,
            exchange_rate=exchange_rate,
        )
        if self.memory is not None:
            self.remember_booked(transaction)
        return transaction

    def _settled(self, amount_minor: int, currency: str) -> tuple[int, str, float | None]:
        """An amount in the currency that it settles in, and at which rate; rounded down."""
        if currency not in self.settles:
            return amount_minor, currency, None
        settled, rate = self.settles[currency]
        size = floor(abs(amount_minor) * Fraction(rate))
        return size if amount_minor > 0 else -size, settled, float(rate)


def _amounts(amounts: dict[str, int], others: dict[str, int]) -> list[Shape]:
    """By currency; one that only the other list has stands there with 0."""
    return [
        {
            "amount": amounts.get(currency, 0),
            "currency": currency,
            "source_types": {"card": amounts.get(currency, 0)},
        }
        for currency in sorted({*amounts, *others})
    ]
