"""Balances as Stripe told them last: what an account holds; one row an account and currency."""

from collections.abc import Iterator
from typing import Final

from ledger.domain.balance_facts import BalanceFact
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Mirror, Projection, greatest, key, newest

SELF: Final = ""
"""The owner of the shop's own balance."""

stripe_balances = Mirror(
    "stripe_balances",
    owner=key(),
    currency=key(),
    available_minor=newest("bigint"),
    pending_minor=newest("bigint"),
    asked_at=greatest("timestamptz"),
)
projection = Projection("stripe_balances", tables=(stripe_balances,))


@projection.handles(BalanceFact)
def told(fact: BalanceFact, at: EventContext) -> Iterator[Change]:
    """A currency that the account does not have any more is not told of, and stays."""
    for each in fact.amounts:
        yield stripe_balances.report_of(
            fact,
            at,
            owner=at.account or SELF,
            currency=each.currency,
            available_minor=each.available_minor,
            pending_minor=each.pending_minor,
        )
