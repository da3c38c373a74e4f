"""Stripe's balance as a plain reading finds it: what came in for payments, and what fees took."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.domain.balance_facts import TransactionFact
from tests.kpi.plain.payments import Payment, reported_in
from tests.kpi.plain.said import Amount, Said, all_of
from tests.kpi.plain.volume import Part

KINDS = {
    "charge": "settled_gross",
    "charge_failure": "settled_gross",
    "partial_capture_reversal": "settled_gross",
    "refund": "settled_refunds",
    "refund_failure": "settled_refunds",
    "dispute": "settled_disputes",
    "dispute_reversal": "settled_disputes",
    "fee": "fees",
    "network_cost": "fees",
    "tax": "fees",
}


def booked(said: Said) -> Iterator[Part]:
    """What each transaction puts into a figure, and its fee."""
    for each in transactions(said).values():
        yield Part("transactions", each.currency, Amount(each.created_at, 1))
        yield Part("fees", each.currency, Amount(each.created_at, each.fee_minor))
        if figure := KINDS.get(each.category or ""):
            sign = 1 if figure == "settled_gross" else -1
            amount = Amount(each.created_at, sign * each.amount_minor)
            yield Part(figure, each.currency, amount)


def unknown_fees(said: Said, payments: list[Payment]) -> Iterator[Part]:
    """Payments that brought money, of whose charges no transaction is known."""
    sources = {each.source_id for each in transactions(said).values()}
    known = {
        reported_in(said).payments_of_charges.get(source, source) for source in sources if source
    }
    for payment in payments:
        came = [amount.at for amount in payment.received if amount.value > 0]
        if came and payment.payment_id not in known:
            yield Part("fees_unknown", payment.currency, Amount(min(came), 1))


def transactions(said: Said) -> dict[str, TransactionFact]:
    """Each once: they never change."""
    return {fact.transaction_id: fact for _, fact in all_of(said, TransactionFact)}
