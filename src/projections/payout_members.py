"""Payout members: which balance transactions a payout paid out; one row a transaction of one."""

from collections.abc import Iterator

from ledger.domain.balance_facts import PayoutMembersFact
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Mirror, Projection, greatest, key, known

# A payout's own transaction is one of them, so that the net amounts of all add up to 0.
payout_members = Mirror(
    "payout_members",
    payout_id=key(),
    transaction_id=key(),
    account=known("text"),
    indexes=("transaction_id",),
)
payout_listings = Mirror(
    "payout_listings",
    payout_id=key(),
    complete=greatest("boolean"),
    listed_at=greatest("timestamptz"),
)
projection = Projection("payout_members", tables=(payout_members, payout_listings))


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
