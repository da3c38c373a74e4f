"""Sales in a currency that the shop has no balance in: Stripe converts them when they come in.

https://docs.stripe.com/currencies/conversions
"""

from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from math import floor
from random import Random
from typing import Final

from simulator.goods import DAY
from simulator.objects import Payment
from simulator.past.agenda import Agenda
from simulator.past.truth import Books
from simulator.stripe import SimulatedStripe

RATES: Final = ("0.0871", "0.0869", "0.0884", "0.0902", "0.0895", "0.0878")
"""Of one month after the other: what a minor unit comes to in those of the balance."""
_EVERY_DAYS = 12
_REFUNDED_PERCENT = 35
_PRICES_MINOR = (9_900, 14_900, 32_500)


class Abroad:
    """Sells on some days by card; some of it is given back later, at the rate of that month."""

    def __init__(
        self,
        stripe: SimulatedStripe,
        books: Books,
        agenda: Agenda,
        currency: str,
        settled_in: str,
    ) -> None:
        self._stripe = stripe
        self._books = books
        self._agenda = agenda
        self._currency = currency
        self._settled_in = settled_in
        self._random = Random(f"abroad {currency}")  # noqa: S311 - a play, not a secret
        self._count = 0

    def plan_a_day(self, morning: int) -> None:
        """A sale, on some days."""
        if self._random.randrange(_EVERY_DAYS) == 0:
            self._agenda.plan(morning + self._random.randrange(DAY), self._sell)

    def _sell(self) -> None:
        self._count += 1
        email, amount = f"abroad.{self._count}@example.com", self._random.choice(_PRICES_MINOR)
        rate = self._converts()
        payment, _ = self._stripe.create_payment(amount, self._currency, email=email)
        self._stripe.pay_by_card(payment)
        settled = floor(amount * rate)
        self._books.captured(
            self._currency,
            amount,
            self._stripe.now,
            payment.charge.created,
            email,
            settled=(self._settled_in, settled),
        )
        if self._random.randrange(100) < _REFUNDED_PERCENT:
            later = self._stripe.now + self._random.randrange(DAY, 50 * DAY)
            part = self._random.choice((amount, amount // 3))
            self._agenda.plan(later, partial(self._refund, payment, part, settled))

    def _refund(self, payment: Payment, amount: int, settled: int) -> None:
        """At the rate of today: what that is more or less than it brought is the shop's."""
        rate = self._converts()
        self._stripe.refund(payment, amount)
        self._books.refunded(
            self._currency,
            amount,
            self._stripe.now,
            settled=(self._settled_in, floor(amount * rate)),
            cost=settled * amount // payment.amount_minor,
        )

    def _converts(self) -> Fraction:
        """Let Stripe convert at the rate of the month; that rate."""
        month = datetime.fromtimestamp(self._stripe.now, UTC).month
        rate = RATES[month % len(RATES)]
        self._stripe.settles = {self._currency: (self._settled_in, rate)}
        return Fraction(rate)
