"""What Stripe said last that its balances hold; one row an account of the books and currency."""

from collections.abc import Iterator
from typing import Final

from ledger.domain.balance_facts import BalanceFact
from ledger.domain.facts import EventContext
from ledger.domain.posting_rules import AT_STRIPE, BALANCES
from projections.engine.declare import Change, Mirror, Projection, greatest, key, known, newest

SELF: Final = ""
"""The owner of the shop's own balance."""

stripe_balances = Mirror(
    "stripe_balances",
    account=key(),
    currency=key(),
    owner=known("text"),
    minor=newest("bigint"),
    asked_at=greatest("timestamptz"),
)
projection = Projection("stripe_balances", tables=(stripe_balances,))


@projection.handles(BalanceFact)
def told(fact: BalanceFact, at: EventContext) -> Iterator[Change]:
    """A currency that the account does not have any more is not told of, and stays."""
    owner = at.account or SELF
    books = f"{owner}:{AT_STRIPE}" if owner else AT_STRIPE
    for each in fact.amounts:
        held = {"available": each.available_minor, "pending": each.pending_minor}
        for state, minor in held.items():
            if minor is None:
                continue
            yield stripe_balances.report_of(
                fact,
                at,
                account=f"{books}{BALANCES.get(each.kind, each.kind)}:{state}",
                currency=each.currency,
                owner=owner,
                minor=minor,
            )
