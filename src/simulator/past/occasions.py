"""What else moves a balance, once a year each: fees by themselves, reserves, top-ups, loans.

https://docs.stripe.com/reports/balance-transaction-types
"""

from functools import partial
from random import Random

from msgspec import Struct

from simulator.goods import DAY
from simulator.past.agenda import Agenda
from simulator.past.truth import Books
from simulator.stripe import SimulatedStripe

_MAJOR = {"jpy": 100, "kwd": 1000}
"""What most prices are multiples of, in minor units: a hundred but for these."""


class Occasion(Struct, frozen=True):
    """A movement of the balance by `sign`, and the account that has the other side of it.

    `back` is the type of what takes it back some days later. `twin` is the balance that has the
    reverse at once: such two come to nothing together. `category` is told where Stripe's own for
    the type is another one.
    """

    kind: str
    account: str
    sign: int = -1
    back: str | None = None
    twin: str | None = None
    category: str | None = None


_RESERVE = "assets:clearing:reserve"
_TOPUPS = "assets:bank:in_transit:topups"
_CAPITAL = "liabilities:capital"
_SUSPENSE = "suspense:unclassified"

OCCASIONS = (
    Occasion("stripe_fee", "expenses:stripe:software"),
    Occasion("stripe_fee", "expenses:stripe:software"),
    Occasion("stripe_fx_fee", "expenses:stripe:fx"),
    Occasion("network_cost", "expenses:stripe:network"),
    Occasion("tax_fee", "expenses:stripe:tax_on_fees"),
    Occasion("refund", "income:sales", category="partial_capture_reversal"),
    Occasion(
        "payout_minimum_balance_hold",
        "assets:stripe:minimum_held",
        back="payout_minimum_balance_release",
    ),
    Occasion("topup", _TOPUPS, 1, back="topup_reversal"),
    Occasion("topup", _TOPUPS, 1),
    Occasion("inbound_transfer", _TOPUPS, 1, back="inbound_transfer_reversal"),
    Occasion("reserved_funds", _RESERVE, twin="risk_reserved"),
    Occasion("reserve_hold", _RESERVE, back="reserve_release", twin="risk_reserved"),
    Occasion(
        "payment_network_reserve_hold",
        _RESERVE,
        back="payment_network_reserve_release",
        twin="risk_reserved",
    ),
    Occasion("connect_reserved_funds", _RESERVE, twin="risk_reserved"),
    Occasion("transfer", "assets:connect:transfers", back="transfer_refund"),
    Occasion("connect_collection_transfer", "assets:connect:transfers", 1),
    Occasion("application_fee", "income:platform_fees", 1, back="application_fee_refund"),
    Occasion("platform_fee_transfer", "income:platform_fees", 1),
    Occasion("financing_payout", _CAPITAL, 1, back="financing_payout_reversal"),
    Occasion("financing_payout", _CAPITAL, 1, back="financing_paydown"),
    Occasion("financing_paydown", _CAPITAL, back="financing_paydown_reversal"),
    Occasion("capital_recovery", _CAPITAL),
    Occasion("advance", "liabilities:advances", 1, back="anticipation_repayment"),
    Occasion("advance_funding", "liabilities:advances", 1),
    Occasion("contribution", "expenses:stripe:climate"),
    Occasion("climate_order_purchase", "expenses:stripe:climate", back="climate_order_refund"),
    Occasion(
        "stripe_balance_payment_debit",
        "expenses:stripe:balance_payments",
        back="stripe_balance_payment_debit_reversal",
    ),
    Occasion("fee_credit_funding", "income:rewards", 1),
    Occasion("reward", "income:rewards", 1),
    Occasion("revenue_share", "income:rewards", 1),
    Occasion("tax_fund", "assets:clearing:tax_fund", twin="payments"),
    Occasion("tax_withholding", "liabilities:sales_tax"),
    Occasion("payment_unreconciled", "liabilities:customer_funds", 1),
    Occasion("issuing_transaction", "assets:clearing:issuing"),
    Occasion(
        "issuing_authorization_hold",
        "assets:clearing:issuing",
        back="issuing_authorization_release",
    ),
    Occasion("issuing_dispute", "assets:clearing:issuing", 1),
    Occasion("adjustment", _SUSPENSE),
    Occasion("obligation_outbound", _SUSPENSE, back="obligation_reversal_inbound"),
    Occasion("quantum_entanglement", _SUSPENSE),
)
"""Every type and category that is booked, and one that nobody knows."""

FEES = {
    "stripe_fx_fee": "fees",
    "stripe_fee": "fees",
    "network_cost": "fees",
    "tax_fee": "fees",
    "refund": "reversed",
}
"""Which figure of the truth a type counts in; others are no volume."""


class Occasions:
    """Plans a year's occasions, each on some day in one of the shop's currencies."""

    def __init__(
        self, stripe: SimulatedStripe, books: Books, agenda: Agenda, currencies: tuple[str, ...]
    ) -> None:
        self._stripe = stripe
        self._books = books
        self._agenda = agenda
        self._currencies = currencies
        self._random = Random(stripe.random.getrandbits(64))  # noqa: S311 - a play, not a secret

    def plan_a_year(self, start: int, days: int) -> None:
        """Each once within so many days from a time on, and one conversion."""
        for number, each in enumerate(OCCASIONS):
            at = start + self._random.randrange(5 * DAY, (days - 40) * DAY)
            currency = self._currencies[number % len(self._currencies)]
            self._agenda.plan(at, partial(self._happen, each, currency, self._amount(currency)))
        if len(self._currencies) > 1:
            at = start + self._random.randrange(5 * DAY, (days - 40) * DAY)
            self._agenda.plan(at, self._convert)

    def _happen(self, occasion: Occasion, currency: str, amount: int) -> None:
        self._move(occasion, occasion.kind, currency, occasion.sign * amount)
        if occasion.back is not None:
            later = self._stripe.now + self._random.randrange(DAY, 30 * DAY)
            back = partial(self._move, occasion, occasion.back, currency, -occasion.sign * amount)
            self._agenda.plan(later, back)

    def _move(self, occasion: Occasion, kind: str, currency: str, amount: int) -> None:
        self._book(kind, currency, amount, occasion.account, category=occasion.category)
        if occasion.twin is not None:
            self._book(kind, currency, -amount, occasion.account, balance=occasion.twin)

    def _convert(self) -> None:
        """Money of the first currency becomes some of the second, which is a clearing account's."""
        first, second = self._currencies[:2]
        for currency, sign in ((first, -1), (second, 1)):
            amount = sign * self._amount(currency)
            self._book("currency_conversion", currency, amount, "assets:clearing:fx")

    def _book(
        self,
        kind: str,
        currency: str,
        amount: int,
        account: str,
        *,
        category: str | None = None,
        balance: str = "payments",
    ) -> None:
        moved = self._stripe.move_otherwise(
            kind, amount, currency, category=category, balance_type=balance
        )
        self._books.moved_otherwise(currency, amount, moved.created, account, FEES.get(kind))

    def _amount(self, currency: str) -> int:
        return self._random.randrange(2, 30) * _MAJOR.get(currency, 100)
