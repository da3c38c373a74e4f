"""The books as a plain reading of the facts finds them: no SQL, no table of rules of the product's.

What is booked against what is written here again, as docs/posting_rules.md says it in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.balance_facts import TransactionFact
from ledger.domain.billing_facts import PayoutFact
from ledger.domain.events import BooksCategoryNamed, OrderPlaced, TransactionClassified
from ledger.domain.facts import (
    AnyFact,
    ChargeFact,
    DisputeFact,
    EventContext,
    PaymentFact,
    RefundFact,
)
from ledger.domain.money import split

AGAINST = {
    "charge": "income:sales",
    "charge_failure": "income:sales",
    "partial_capture_reversal": "income:sales",
    "refund": "contra:refunds",
    "refund_failure": "contra:refunds",
    "dispute": "assets:disputes",
    "dispute_reversal": "assets:disputes",
    "fee": "expenses:stripe:software",
    "stripe_fx_fee": "expenses:stripe:fx",
    "network_cost": "expenses:stripe:network",
    "tax": "expenses:stripe:tax_on_fees",
    "payout": "assets:stripe:paying_out",
    "payout_reversal": "assets:stripe:paying_out",
    "payout_minimum_balance_hold": "assets:stripe:minimum_held",
    "payout_minimum_balance_release": "assets:stripe:minimum_held",
    "topup": "assets:bank:in_transit:topups",
    "topup_reversal": "assets:bank:in_transit:topups",
    "inbound_transfer": "assets:bank:in_transit:topups",
    "risk_reserved_funds": "assets:clearing:reserve",
    "reserve_hold": "assets:clearing:reserve",
    "reserve_release": "assets:clearing:reserve",
    "connect_reserved_funds": "assets:clearing:reserve",
    "payment_network_reserve_hold": "assets:clearing:reserve",
    "transfer": "assets:connect:transfers",
    "transfer_reversal": "assets:connect:transfers",
    "connect_collection_transfer": "assets:connect:transfers",
    "platform_earning": "income:platform_fees",
    "platform_earning_refund": "income:platform_fees",
    "financing_paydown": "liabilities:capital",
    "financing_payout": "liabilities:capital",
    "advance": "liabilities:advances",
    "anticipation_repayment": "liabilities:advances",
    "contribution": "expenses:stripe:climate",
    "climate_order_purchase": "expenses:stripe:climate",
    "stripe_balance_payment_debit": "expenses:stripe:balance_payments",
    "reward": "income:rewards",
    "fee_credit_funding": "income:rewards",
    "tax_fund": "assets:clearing:tax_fund",
    "tax_withholding": "liabilities:sales_tax",
    "currency_conversion": "assets:clearing:fx",
    "unreconciled_customer_funds": "liabilities:customer_funds",
    "issuing_transaction": "assets:clearing:issuing",
    "issuing_dispute": "assets:clearing:issuing",
}
FEES = {
    "stripe_fee": "expenses:stripe:processing",
    "application_fee": "expenses:platform",
    "tax": "expenses:stripe:tax_on_fees",
    "payment_method_passthrough_fee": "expenses:stripe:network",
    "withheld_tax": "liabilities:sales_tax",
}


class Line(NamedTuple):
    """A posting; above nothing is a debit."""

    transaction_id: str
    part: str
    day: date
    account: str
    currency: str
    amount_minor: int


class Books:
    """All postings of what was said, each object told once."""

    def __init__(self, said: Iterable[tuple[EventContext, AnyFact]], zone: ZoneInfo) -> None:
        self._zone = zone
        self.transactions: dict[str, TransactionFact] = {}
        self._charges: dict[str, ChargeFact] = {}
        self._refunds: dict[str, RefundFact] = {}
        self._payments: dict[str, PaymentFact] = {}
        self._payouts: dict[str, PayoutFact] = {}
        self._orders: dict[str, OrderPlaced] = {}
        self._classified: dict[str, str] = {}
        self._disputes: dict[str, DisputeFact] = {}
        self._lost_at: dict[str, datetime] = {}
        self._categories: dict[tuple[str, str], str | None] = {}
        for at, fact in said:
            match fact:
                case TransactionFact():
                    self.transactions[fact.transaction_id] = fact
                case ChargeFact():
                    self._charges[fact.charge_id] = fact
                case RefundFact():
                    self._refunds[fact.refund_id] = fact
                case PaymentFact():
                    self._payments[fact.payment_id] = fact
                case PayoutFact():
                    self._payouts[fact.payout_id] = fact
                case OrderPlaced():
                    self._orders[fact.order_id] = fact
                case TransactionClassified():
                    self._classified[fact.transaction_id] = fact.against
                case BooksCategoryNamed():
                    self._categories[fact.sku, fact.period] = fact.category
                case DisputeFact():
                    self._disputes[fact.dispute_id] = fact
                    if fact.state.word == "lost":
                        self._lost_at[fact.dispute_id] = at.effective_at
                case _:
                    pass

    def lines(self) -> list[Line]:
        """Summed up by transaction, part, day and account, without what is nothing."""
        sums: dict[tuple[str, str, date, str, str], int] = defaultdict(int)
        for each in self.transactions.values():
            for part, at, account, amount in self._entries(each):
                key = (each.transaction_id, part, self._day(at), account, each.currency)
                sums[key] += amount
        return sorted(Line(*key, amount) for key, amount in sums.items() if amount)

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def _entries(self, t: TransactionFact) -> Iterator[tuple[str, datetime, str, int]]:
        category = self._category(t)
        against = AGAINST.get(category, "suspense:unclassified")
        balance = f"assets:stripe:{_balance(t)}"
        pending = t.available_at is not None and t.available_at > t.created_at
        yield (
            "booked",
            t.created_at,
            f"{balance}:{'pending' if pending else 'available'}",
            t.net_minor,
        )
        if pending:
            assert t.available_at is not None
            yield "available", t.available_at, f"{balance}:pending", -t.net_minor
            yield "available", t.available_at, f"{balance}:available", t.net_minor
        yield from self._fees(t, category)
        yield from self._amount(t, category, against)
        if (named := self._classified.get(t.transaction_id)) is not None:
            yield from self._reclassified(t, against, named)

    def _amount(
        self, t: TransactionFact, category: str, against: str
    ) -> Iterator[tuple[str, datetime, str, int]]:
        cost = t.amount_minor
        unexplained = t.amount_minor - t.fee_minor - t.net_minor
        yield "booked", t.created_at, "suspense:unclassified", unexplained
        if category in {"refund", "refund_failure"}:
            cost = self._cost(t)
            yield "booked", t.created_at, "income:fx", cost - t.amount_minor
        if category in {"payout", "payout_reversal"}:
            yield from self._payout(t, category)
        else:
            yield "booked", t.created_at, against, -cost
        if category in {"charge", "charge_failure", "partial_capture_reversal"}:
            yield from self._of_order(t)
        if category in {"refund", "refund_failure"}:
            yield from self._tax_back(t, cost)
        dispute = self._disputes.get(t.source_id or "")
        if (
            category in {"dispute", "dispute_reversal"}
            and dispute is not None
            and dispute.state.word == "lost"
        ):
            at = max(t.created_at, self._lost_at[dispute.dispute_id])
            yield "lost", at, "assets:disputes", t.amount_minor
            yield "lost", at, "expenses:dispute_losses", -t.amount_minor

    def _category(self, t: TransactionFact) -> str:
        if t.type == "stripe_fx_fee":
            return "stripe_fx_fee"
        if t.category is not None:
            return t.category
        if t.type == "adjustment" and t.source_id in self._disputes:
            return "dispute"
        return {"payment": "charge", "stripe_fee": "fee"}.get(t.type, t.type)

    def _fees(self, t: TransactionFact, category: str) -> Iterator[tuple[str, datetime, str, int]]:
        known = 0
        for fee in t.fees:
            if (account := FEES.get(fee.type)) is None or fee.currency != t.currency:
                continue
            known += fee.amount_minor
            if fee.type == "stripe_fee" and category in {"dispute", "dispute_reversal"}:
                account = "expenses:stripe:disputes"
            yield "booked", t.created_at, account, fee.amount_minor
        yield "booked", t.created_at, "suspense:fee_detail", t.fee_minor - known

    def _reclassified(
        self, t: TransactionFact, against: str, named: str
    ) -> Iterator[tuple[str, datetime, str, int]]:
        known = sum(
            fee.amount_minor for fee in t.fees if fee.type in FEES and fee.currency == t.currency
        )
        uneven, amount = t.amount_minor - t.fee_minor - t.net_minor, 0
        if against in {
            "suspense:unclassified",
            "assets:clearing:reserve",
            "assets:clearing:tax_fund",
        }:
            amount = -t.amount_minor
        rest = t.fee_minor - known
        yield "classified", t.created_at, against, -amount
        yield "classified", t.created_at, "suspense:unclassified", -uneven
        yield "classified", t.created_at, "suspense:fee_detail", -rest
        yield "classified", t.created_at, named, uneven + amount + rest

    def _payout(
        self, t: TransactionFact, category: str
    ) -> Iterator[tuple[str, datetime, str, int]]:
        payout = self._payouts.get(t.source_id or "")
        at = None
        if payout is not None:
            at_once = payout.automatic is False or payout.method == "instant"
            at = payout.created_at if at_once else payout.arrives_at
        destination = f"assets:bank:in_transit:{(payout and payout.destination_id) or 'unknown'}"
        backs = [
            each.created_at
            for each in self.transactions.values()
            if each.source_id == t.source_id and each.category == "payout_reversal"
        ]
        if at is None or any(back <= at for back in backs):
            yield "booked", t.created_at, "assets:stripe:paying_out", -t.amount_minor
            return
        if category == "payout_reversal" and t.amount_minor > 0 and at < t.created_at:
            yield "booked", t.created_at, destination, -t.amount_minor
            return
        yield "booked", t.created_at, "assets:stripe:paying_out", -t.amount_minor
        if category == "payout":
            at = max(at, t.created_at)
            yield "arrived", at, "assets:stripe:paying_out", t.amount_minor
            yield "arrived", at, destination, -t.amount_minor

    def _order(self, t: TransactionFact) -> OrderPlaced | None:
        source = t.source_id or ""
        refund = self._refunds.get(source)
        charge = self._charges.get((refund.charge_id or "") if refund else source)
        payment_id = charge.payment_id if charge else refund and refund.payment_id
        payment = self._payments.get(payment_id or "")
        if payment is None or payment.order_id is None:
            return None
        order = self._orders.get(payment.order_id)
        fits = order is not None and order.currency == payment.currency and order.total_minor > 0
        return order if fits else None

    def _of_order(self, t: TransactionFact) -> Iterator[tuple[str, datetime, str, int]]:
        if (order := self._order(t)) is None:
            return
        goods = max(0, order.total_minor - order.shipping_minor - order.tax_minor)
        weights = [goods, order.shipping_minor, order.tax_minor]
        if not sum(weights):
            return
        _, shipping, tax = split(t.amount_minor, weights)
        sign = 1 if t.amount_minor > 0 else -1
        discount = sign * (abs(t.amount_minor) * order.discount_minor // order.total_minor)
        yield "order", t.created_at, "income:sales", shipping + tax - discount
        yield "order", t.created_at, "income:shipping", -shipping
        yield "order", t.created_at, "liabilities:sales_tax", -tax
        yield "order", t.created_at, "contra:discounts", discount
        yield from self._by_category(
            t, order, "income:sales", -(t.amount_minor - shipping - tax + discount)
        )

    def _tax_back(self, t: TransactionFact, cost: int) -> Iterator[tuple[str, datetime, str, int]]:
        if (order := self._order(t)) is None:
            return
        goods = max(0, order.total_minor - order.shipping_minor - order.tax_minor)
        weights = [goods + order.shipping_minor, order.tax_minor]
        if not sum(weights):
            return
        rest, tax = split(cost, weights)
        yield "order", t.created_at, "contra:refunds", tax
        yield "order", t.created_at, "liabilities:sales_tax", -tax
        if weights[0]:
            shipping = abs(rest) * order.shipping_minor // weights[0]
            goods = abs(rest) - shipping
            yield from self._by_category(t, order, "contra:refunds", goods if rest < 0 else -goods)

    def _by_category(
        self, t: TransactionFact, order: OrderPlaced, account: str, goods: int
    ) -> Iterator[tuple[str, datetime, str, int]]:
        """Goods by what categories were called in the month of the sale; what has none stays."""
        refund = self._refunds.get(t.source_id or "")
        charge_id = refund.charge_id if refund else t.source_id
        sales = (e.created_at for e in self.transactions.values() if e.source_id == charge_id)
        month = f"{self._day(min((t.created_at, *sales))):%Y-%m}"
        weights: dict[str, int] = {"": 0}
        for each in order.lines:
            category = self._category_of(each.sku, month) or ""
            weights[category] = weights.get(category, 0) + each.quantity * each.unit_minor
        if not any(weights.values()):
            return
        names = sorted(weights)
        for name, minor in zip(names, split(goods, [weights[n] for n in names]), strict=True):
            if name:
                yield "order", t.created_at, f"{account}:{name}", minor
                yield "order", t.created_at, account, -minor

    def _category_of(self, sku: str, month: str) -> str | None:
        """What the exact SKU says, else the longest beginning, each as of its latest month."""
        said: dict[str, str | None] = {}
        for (pattern, since), category in sorted(self._categories.items()):
            fits = pattern == sku or (pattern[-1] == "*" and sku.startswith(pattern[:-1]))
            if fits and since <= month:
                said[pattern] = category
        names = [pattern for pattern, category in said.items() if category]
        best = max(names, key=lambda pattern: (pattern == sku, len(pattern)), default=None)
        return None if best is None else said[best]

    def _cost(self, t: TransactionFact) -> int:
        """What a refund gives back at the rate of its charge, with the sign of its amount."""
        refund = self._refunds.get(t.source_id or "")
        charge = self._charges.get(refund.charge_id or "") if refund else None
        if refund is None or charge is None or refund.currency == t.currency:
            return t.amount_minor
        settled = sum(
            each.amount_minor
            for each in self.transactions.values()
            if each.source_id == charge.charge_id
            and each.category == "charge"
            and each.currency == t.currency
        )
        if not settled or charge.captured_minor <= 0:
            return t.amount_minor
        sources = {each.source_id for each in self.transactions.values()}
        before = sum(
            other.amount_minor
            for other in self._refunds.values()
            if other.charge_id == charge.charge_id
            and (other.created_at, other.refund_id) < (refund.created_at, refund.refund_id)
            and other.refund_id in sources
        )
        upto = before + refund.amount_minor
        cost = settled * upto // charge.captured_minor - settled * before // charge.captured_minor
        return cost if t.amount_minor > 0 else -cost


def _balance(t: TransactionFact) -> str:
    kind = t.balance_type or "payments"
    if kind == "refund_and_dispute_prefunding":
        return "prefunding"
    return kind if kind in {"payments", "issuing", "risk_reserved"} else "other"
