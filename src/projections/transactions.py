"""Balance transactions: every movement of the balance at Stripe; one row a transaction.

No webhook brings them: a pull does, and what shows them within another object.
"""

from collections.abc import Iterator
from datetime import datetime

from ledger.domain.balance_facts import TransactionFact
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    least,
)
from projections.engine.row import Account, Currency, Few, Part, Row


class Transaction(Row):
    """A movement of the balance at Stripe, which never changes."""

    transaction_id: str
    category: Few | None
    """Stripe's reporting category; new words come with time."""
    type: Few
    source_id: str | None
    """What moved the money: a charge, refund, dispute or payout as a rule."""
    amount_minor: int
    """Above nothing: money that came in."""
    fee_minor: int
    """What of it Stripe and others took."""
    net_minor: int
    """Amount − fee: by so much the balance changed."""
    currency: Currency
    """The currency in which the balance is kept, not always the payment's."""
    balance_type: Few | None
    description: str | None
    account: Account
    created_at: datetime
    available_at: datetime | None
    """From when on it can be paid out."""
    seen_position: int
    """The first event that told of it."""


class TransactionFee(Row):
    """A part of a transaction's fee; below nothing it is a credit."""

    number: int
    type: Few
    amount_minor: int
    currency: Currency


# It never changes, so every report of it has the same values.
transactions = Mirror(
    "transactions",
    transaction_id=key(),
    category=known("text"),
    type=known("text"),
    source_id=known("text"),
    amount_minor=known("bigint"),
    fee_minor=known("bigint"),
    net_minor=known("bigint"),
    currency=known("text"),
    balance_type=known("text"),
    description=known("text"),
    account=known("text"),
    created_at=known("timestamptz"),
    available_at=known("timestamptz"),
    seen_position=least("bigint", bookkeeping=True),
    indexes=(
        "created_at, transaction_id",
        "amount_minor, transaction_id",
        "currency, amount_minor, transaction_id",
        "source_id",
        "category, currency",
        "seen_position",
    ),
)
transaction_fees = Mirror(
    "transaction_fees",
    transaction_id=key(),
    number=key("bigint"),
    type=known("text"),
    amount_minor=known("bigint"),
    currency=known("text"),
)
projection = Projection(
    "transactions",
    tables=(transactions, transaction_fees),
    listing=Listing(
        transactions,
        Transaction,
        noun="transaction",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("amount_minor",),
        filters=("category", "type", "source_id", "currency", "balance_type", "account"),
        by_calls=True,
        link="transaction",
        parts={
            "fees": Part(
                TransactionFee,
                """
                select number, type, amount_minor, currency
                from transaction_fees
                where transaction_id = %(id)s
                order by number
                """,
            ),
        },
    ),
)


@projection.handles(TransactionFact)
def reported(fact: TransactionFact, at: EventContext) -> Iterator[Change]:
    """The transaction itself, and what its fee is made of."""
    yield transactions.report_of(fact, at, seen_position=at.position)
    for number, fee in enumerate(fact.fees, 1):
        yield transaction_fees.mention(
            transaction_id=fact.transaction_id,
            number=number,
            type=fee.type,
            amount_minor=fee.amount_minor,
            currency=fee.currency,
        )
