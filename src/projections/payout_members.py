"""Payout members: which balance transactions a payout paid out; one row a transaction of one.

Only Stripe's list of them says so, which the service reads once a payout was paid.
"""

from collections.abc import Iterator
from datetime import datetime

from ledger.domain.balance_facts import PayoutMembersFact
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
)
from projections.engine.row import Account, Currency, Few, Row


class PayoutMember(Row):
    """A transaction that a payout paid out; the payout's own is one, so that all add up to 0."""

    payout_member_id: str
    payout_id: str
    transaction_id: str
    category: Few | None
    """Stripe's reporting category; this and the following are null while only the id is known."""
    source_id: str | None
    """What moved the money: a charge, refund, dispute or payout as a rule."""
    amount_minor: int | None
    fee_minor: int | None
    net_minor: int | None
    """By so much the payout paid more for it."""
    currency: Currency | None
    account: Account
    created_at: datetime | None


# A payout's own transaction is one of them, so that the net amounts of all add up to 0.
payout_members = Mirror(
    "payout_members",
    payout_id=key(),
    transaction_id=key(),
    account=known("text"),
    indexes=("transaction_id", "(payout_id || '/' || transaction_id)"),
)
payout_listings = Mirror(
    "payout_listings",
    payout_id=key(),
    complete=greatest("boolean"),
    listed_at=greatest("timestamptz"),
)
payout_transactions = Derived(
    "payout_transactions",
    key=("payout_member_id",),
    view="""
        select
            m.payout_id || '/' || m.transaction_id as payout_member_id, m.payout_id,
            m.transaction_id, t.category, t.source_id, t.amount_minor, t.fee_minor, t.net_minor,
            t.currency, m.account, t.created_at
        from payout_members as m
        left join transactions as t using (transaction_id)
    """,
    touched="""
        select payout_id || '/' || transaction_id as payout_member_id from staged_payout_members
        union all
        select m.payout_id || '/' || m.transaction_id
        from staged_transactions
        join payout_members as m using (transaction_id)
    """,
    indexes=("payout_id, payout_member_id", "transaction_id"),
)
projection = Projection(
    "payout_members",
    tables=(payout_members, payout_listings, payout_transactions),
    reads=("transactions",),
    listing=Listing(
        payout_transactions,
        PayoutMember,
        noun="payout member",
        filled_by="Only Stripe's list of a paid payout says what it paid out: `ledger stripe pull`"
        " reads it, and the service does.",
        filters=("payout_id", "transaction_id", "category", "currency", "source_id", "account"),
        by_calls=True,
    ),
)


@projection.handles(PayoutMembersFact)
def listed(fact: PayoutMembersFact, at: EventContext) -> Iterator[Change]:
    """What Stripe listed; what was listed once stays a member."""
    for transaction_id in fact.transaction_ids:
        yield payout_members.mention(
            payout_id=fact.payout_id, transaction_id=transaction_id, account=at.account
        )
    yield payout_listings.mention(
        payout_id=fact.payout_id, complete=fact.complete, listed_at=at.effective_at
    )
