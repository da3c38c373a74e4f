"""Months of money at Stripe, as facts: orders, charges, refunds, disputes, payouts, others."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import NamedTuple

from ledger.domain.balance_facts import TransactionFact, TransactionFee
from ledger.domain.billing_facts import PayoutFact, PayoutState
from ledger.domain.events import (
    BooksCategoryNamed,
    Line,
    OrderPlaced,
    TransactionClassified,
)
from ledger.domain.facts import (
    AnyFact,
    ChargeFact,
    ChargeState,
    DisputeFact,
    DisputeState,
    PaymentFact,
    PaymentState,
    RefundFact,
    RefundState,
)
from tests.projections.models import at

Told = tuple[int, AnyFact]
"""A fact and the minutes after noon at which it was told."""

CURRENCIES = ("eur", "gbp", "jpy", "kwd")
FEES = (
    "stripe_fee",
    "application_fee",
    "tax",
    "payment_method_passthrough_fee",
    "withheld_tax",
    "tax_on_tax",
)
OTHERS = (
    ("stripe_fee", "fee"),
    ("stripe_fx_fee", "fee"),
    ("network_cost", "network_cost"),
    ("tax_fee", "tax"),
    ("payout_minimum_balance_hold", "payout_minimum_balance_hold"),
    ("topup", "topup"),
    ("inbound_transfer", "inbound_transfer"),
    ("reserved_funds", "risk_reserved_funds"),
    ("reserve_hold", "reserve_hold"),
    ("transfer", "transfer"),
    ("transfer_refund", "transfer_reversal"),
    ("application_fee", "platform_earning"),
    ("financing", "financing_paydown"),
    ("advance", "advance"),
    ("contribution", "contribution"),
    ("climate_order_purchase", "climate_order_purchase"),
    ("stripe_balance_payment_debit", "stripe_balance_payment_debit"),
    ("reward", "reward"),
    ("tax_fund", "tax_fund"),
    ("tax_withholding", "tax_withholding"),
    ("currency_conversion", "currency_conversion"),
    ("unreconciled_customer_funds", "unreconciled_customer_funds"),
    ("issuing_transaction", "issuing_transaction"),
    ("adjustment", "other_adjustment"),
    ("obligation_outbound", "obligation_outbound"),
    ("quantum_entanglement", "quantum_entanglement"),
    ("stripe_fee", None),
    ("quantum_entanglement", None),
)
SKUS = ("MUG", "MUG-RED", "MUG-BLUE", "PRINT", "POSTER")
BALANCES = (
    None,
    "payments",
    "payments",
    "risk_reserved",
    "issuing",
    "refund_and_dispute_prefunding",
    "levitating",
)


class Paid(NamedTuple):
    """An amount in the currency that was paid, and how it settles."""

    minor: int
    currency: str
    settles: str
    rate: float

    @property
    def worth(self) -> int:
        """What it comes to in the balance."""
        return max(1, int(self.minor * self.rate))


class Life:
    """One stretch of money moving; ids begin with its name."""

    def __init__(self, name: str, random: Random) -> None:
        self._name = name
        self._random = random
        self._count = 0

    def told(self) -> Iterator[Told]:
        """A payment and what becomes of it, a payout, or anything else, in time."""
        kind = self._random.randrange(10)
        if kind < 6:
            yield from self._paid()
        elif kind < 8:
            yield from self._paid_out()
        else:
            yield from self._otherwise()

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._name}{self._count}"

    def _minutes(self, after: int = 0) -> int:
        return after + self._random.choice((0, 1, 600, 1500, self._random.randrange(40_000)))

    def _transaction(
        self,
        minutes: int,
        amount_minor: int,
        currency: str,
        named: tuple[str, str | None],
        source_id: str | None = None,
    ) -> Told:
        kind, category = named
        random = self._random
        fees = tuple(
            TransactionFee(
                type=random.choice(FEES),
                amount_minor=random.choice((1, 30, 299, -15)),
                currency=currency,
            )
            for _ in range(random.choice((0, 0, 1, 2, 3)))
        )
        fee_minor = sum(fee.amount_minor for fee in fees) + random.choice((0, 0, 0, 0, 7))
        made_at = at(minutes)
        return minutes, TransactionFact(
            transaction_id=self._id("txn"),
            type=kind,
            category=category,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            net_minor=amount_minor - fee_minor + random.choice((0, 0, 0, 0, 0, 0, 3)),
            currency=currency,
            created_at=made_at,
            available_at=random.choice((None, made_at, made_at + timedelta(days=2, hours=5))),
            source_id=source_id,
            balance_type=random.choice(BALANCES),
            fees=fees,
        )

    def _paid(self) -> Iterator[Told]:
        random = self._random
        paid, settled = random.choice(CURRENCIES), random.choice(CURRENCIES)
        settled = random.choice((paid, paid, settled))
        minutes = self._minutes()
        order = self._order(paid, minutes) if random.randrange(3) else None
        if order is not None:
            yield minutes, order
        total = order.total_minor if order else random.randrange(1, 90_000)
        payment_id = self._id("pi")
        order_id = order.order_id if order else random.choice((None, "unknown"))
        yield (
            minutes,
            PaymentFact(
                state=PaymentState.SUCCEEDED,
                payment_id=payment_id,
                amount_minor=total,
                received_minor=total,
                currency=random.choice((paid, paid, paid, "usd")),
                created_at=at(minutes),
                order_id=order_id,
            ),
        )
        rate = 1 if paid == settled else random.choice((0.5, 1.31, 171.9))
        for _ in range(random.choice((1, 1, 1, 2))):
            part = random.choice((total, total, random.randrange(1, total + 1)))
            money = Paid(part, paid, settled, rate)
            yield from self._charged(self._minutes(minutes), payment_id, money)

    def _charged(self, minutes: int, payment_id: str, money: Paid) -> Iterator[Told]:
        random, amount = self._random, money.minor
        charge_id = self._id("ch")
        yield (
            minutes,
            ChargeFact(
                state=ChargeState.CAPTURED,
                charge_id=charge_id,
                amount_minor=amount,
                captured_minor=amount,
                refunded_minor=0,
                currency=money.currency,
                created_at=at(minutes),
                payment_id=payment_id,
            ),
        )
        category = random.choice(("charge",) * 5 + (None,))
        named = ("payment", category)
        yield self._transaction(minutes, money.worth, money.settles, named, charge_id)
        if not random.randrange(6):
            later, named = self._minutes(minutes), ("payment_failure_refund", "charge_failure")
            yield self._transaction(later, -money.worth, money.settles, named, charge_id)
        left = amount
        for _ in range(random.choice((0, 0, 1, 2, 3))):
            back = random.randrange(1, left + 1) if left else 0
            left -= back
            if back:
                refund = money._replace(minor=back)
                yield from self._refunded(self._minutes(minutes), charge_id, refund)
        if not random.randrange(4):
            yield from self._disputed(self._minutes(minutes), charge_id, money)

    def _refunded(self, minutes: int, charge_id: str, money: Paid) -> Iterator[Told]:
        random = self._random
        refund_id = self._id("re")
        yield (
            minutes,
            RefundFact(
                state=RefundState.SUCCEEDED,
                refund_id=refund_id,
                amount_minor=money.minor,
                currency=money.currency,
                created_at=at(minutes),
                charge_id=charge_id,
            ),
        )
        worth = money._replace(rate=money.rate * random.choice((1, 1.04))).worth
        category = random.choice(("refund", "refund", "refund", "partial_capture_reversal"))
        yield self._transaction(minutes, -worth, money.settles, ("refund", category), refund_id)
        if not random.randrange(4):
            later, named = self._minutes(minutes), ("refund_failure", "refund_failure")
            yield self._transaction(later, worth, money.settles, named, refund_id)

    def _disputed(self, minutes: int, charge_id: str, money: Paid) -> Iterator[Told]:
        random = self._random
        dispute_id = self._id("dp")
        ended = random.choice((None, DisputeState.LOST, DisputeState.LOST, DisputeState.WON))
        later = self._minutes(minutes)
        yield (
            later if ended else minutes,
            DisputeFact(
                state=ended or DisputeState.OPEN,
                dispute_id=dispute_id,
                amount_minor=money.minor,
                currency=money.currency,
                created_at=at(minutes),
                charge_id=charge_id,
            ),
        )
        named = ("adjustment", random.choice(("dispute", "dispute", None)))
        yield self._transaction(minutes, -money.worth, money.settles, named, dispute_id)
        if random.randrange(2):
            named = ("adjustment", "dispute_reversal")
            yield self._transaction(later, money.worth, money.settles, named, dispute_id)

    def _paid_out(self) -> Iterator[Told]:
        random = self._random
        minutes, currency = self._minutes(), random.choice(CURRENCIES)
        amount = random.randrange(1, 500_000) * random.choice((1, 1, 1, -1))
        payout_id = self._id("po")
        yield self._transaction(minutes, -amount, currency, ("payout", "payout"), payout_id)
        if random.randrange(8):
            yield (
                minutes,
                PayoutFact(
                    state=PayoutState.PAID,
                    payout_id=payout_id,
                    amount_minor=amount,
                    currency=currency,
                    created_at=at(minutes),
                    arrives_at=random.choice((None, at(minutes + 2880), at(minutes + 2880))),
                    automatic=random.choice((None, True, True, False)),
                    method=random.choice(("standard", "standard", "instant", None)),
                    destination_id=random.choice((None, "ba_1", "ba_1", "card_2")),
                ),
            )
        if not random.randrange(3):
            later = minutes + random.choice((10, 2880, 4000))
            named = ("payout_failure", "payout_reversal")
            yield self._transaction(later, amount, currency, named, payout_id)

    def _otherwise(self) -> Iterator[Told]:
        random = self._random
        amount, named = random.randrange(-90_000, 90_000), random.choice(OTHERS)
        told = self._transaction(self._minutes(), amount, random.choice(CURRENCIES), named)
        yield told
        minutes, fact = told
        assert isinstance(fact, TransactionFact)
        if random.randrange(2):
            yield (
                self._minutes(minutes),
                TransactionClassified(transaction_id=fact.transaction_id, against="expenses:misc"),
            )

    def _order(self, currency: str, minutes: int) -> OrderPlaced:
        random = self._random
        goods, shipping = random.randrange(0, 50_000), random.choice((0, 0, 495, 1000))
        tax = random.choice((0, random.randrange(9_000)))
        discount = random.choice((0, 0, random.randrange(goods + shipping + 1)))
        lines = tuple(
            Line(
                sku=sku,
                name=sku,
                quantity=random.choice((1, 1, 3)),
                unit_minor=random.choice((0, 1, goods, random.randrange(goods + 1))),
            )
            for sku in random.sample(SKUS, random.choice((1, 1, 2, 4)))
        )
        return OrderPlaced(
            order_id=self._id("A"),
            currency=currency,
            lines=lines,
            total_minor=goods + shipping + tax - discount + 1,
            shipping_minor=shipping,
            tax_minor=tax,
            discount_minor=discount,
            expires_at=at(minutes + 30),
        )


def _named(random: Random) -> Told:
    """Of which category sales are, told at any time."""
    return random.randrange(60_000), BooksCategoryNamed(
        sku=random.choice((*SKUS, "MUG-*", "MUG*", "*")),
        period=random.choice(("2026-02", "2026-03", "2026-03", "2026-04", "2026-05")),
        category=random.choice(("mugs", "mugs", "prints", "red_mugs", None)),
    )


def some_money(seed: int, lives: int = 12) -> list[Told]:
    """Several lives, told in the order of their time."""
    random = Random(seed)
    told = [each for n in range(lives) for each in Life(f"{n}x", random).told()]
    told += [_named(random) for _ in range(random.choice((0, 2, 8)))]
    return sorted(told, key=lambda each: each[0])
