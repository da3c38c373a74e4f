"""What Stripe's balance and its transactions say, as facts.

https://docs.stripe.com/api/balance_transactions/object
https://docs.stripe.com/api/balance/balance_object
"""

from typing import Any, cast

from msgspec import Struct

from ledger.domain.balance_facts import (
    BalanceAmount,
    BalanceFact,
    TransactionFact,
    TransactionFee,
)
from ledger.domain.facts import Fact
from webhooks.translate.objects import (
    Currency,
    Envelope,
    Id,
    Seconds,
    SignedAmount,
    StripeObject,
    Word,
)
from webhooks.translate.payments import at, made_at


class FeeDetail(Struct, gc=False):
    """One of `fee_details`."""

    amount: SignedAmount
    currency: Currency
    type: Word = "unknown"


class BalanceTransaction(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/balance_transactions/object: negative is money that leaves.

    `reporting_category` came in 2019, `balance_type` in 2025; no version says `livemode`.
    """

    MAY_BE_LOST = frozenset(
        {"fee_details", "available_on", "source", "balance_type", "description"}
    )

    id: Id
    amount: SignedAmount
    currency: Currency
    net: SignedAmount
    fee: SignedAmount = 0
    type: Word = "unknown"
    reporting_category: Word | None = None
    created: Seconds | None = None
    available_on: Seconds | None = None
    source: Any = None
    balance_type: Word | None = None
    description: str | None = None
    fee_details: list[FeeDetail] | None = None


def transaction_facts(
    transaction: BalanceTransaction, event: Envelope, _metadata_key: str
) -> list[Fact]:
    """A balance transaction, by whatever showed it: it never changes but for its `status`."""
    available = transaction.available_on
    fact = TransactionFact(
        transaction_id=transaction.id,
        type=transaction.type,
        category=transaction.reporting_category,
        amount_minor=transaction.amount,
        fee_minor=transaction.fee,
        net_minor=transaction.net,
        currency=transaction.currency.lower(),
        created_at=made_at(transaction.created, event),
        available_at=None if available is None else at(available),
        source_id=_source_id(transaction.source),
        balance_type=transaction.balance_type,
        description=transaction.description,
        fees=tuple(
            TransactionFee(type=each.type, amount_minor=each.amount, currency=each.currency.lower())
            for each in transaction.fee_details or ()
        ),
    )
    return [fact]


class HeldAmount(Struct, gc=False):
    """One of `available` or `pending`."""

    amount: SignedAmount
    currency: Currency


class OtherBalance(Struct, gc=False):
    """A balance beside that of payments; of issuing, no version tells what is pending."""

    available: list[HeldAmount] | None = None
    pending: list[HeldAmount] | None = None


class Balance(StripeObject, kw_only=True, gc=False):
    """docs.stripe.com/api/balance/balance_object: its first two lists are the payments balance.

    `connect_reserved` is money of the account's own that covers what connected accounts owe.
    """

    MAY_BE_LOST = frozenset(
        {"issuing", "refund_and_dispute_prefunding", "risk_reserved", "connect_reserved"}
    )

    id: Id = "balance"
    """Stripe gives it none."""
    available: list[HeldAmount]
    pending: list[HeldAmount]
    issuing: OtherBalance | None = None
    refund_and_dispute_prefunding: OtherBalance | None = None
    risk_reserved: OtherBalance | None = None
    connect_reserved: list[HeldAmount] | None = None


def balance_facts(balance: Balance, event: Envelope, _metadata_key: str) -> list[Fact]:
    """What an account holds, when it was asked."""
    reserved = balance.connect_reserved
    told = {
        "payments": OtherBalance(balance.available, balance.pending),
        "issuing": balance.issuing,
        "refund_and_dispute_prefunding": balance.refund_and_dispute_prefunding,
        "risk_reserved": balance.risk_reserved,
        "connect_reserved": None if reserved is None else OtherBalance(reserved),
    }
    amounts = tuple(
        each for kind, held in told.items() if held is not None for each in _amounts(kind, held)
    )
    return [BalanceFact(asked_at=at(event.created), amounts=amounts)]


def _amounts(kind: str, held: OtherBalance) -> list[BalanceAmount]:
    available, pending = _by_currency(held.available), _by_currency(held.pending)
    return [
        BalanceAmount(
            kind=kind,
            currency=currency,
            available_minor=available.get(currency, 0),
            pending_minor=None if held.pending is None else pending.get(currency, 0),
        )
        for currency in sorted({*available, *pending})
    ]


def _by_currency(amounts: list[HeldAmount] | None) -> dict[str, int]:
    return {each.currency.lower(): each.amount for each in amounts or ()}


def _source_id(source: Any) -> str | None:
    """The id of what moved the money, expanded or not; of any type in what is damaged."""
    named = cast("dict[str, Any]", source).get("id") if isinstance(source, dict) else source
    return named if isinstance(named, str) and 0 < len(named) <= 255 else None
