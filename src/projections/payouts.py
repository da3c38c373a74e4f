"""Payouts: money on its way from Stripe to the shop's bank; one row a payout."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import PayoutFact, PayoutState
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
    newest,
    ranked,
)
from projections.engine.row import Account, Currency, Row, StateKnown, states

PayoutStateName = TypeAliasType("PayoutStateName", Annotated[str, states(PayoutState)])


class Payout(Row):
    """Money on its way from Stripe to the shop's bank."""

    payout_id: str
    state: PayoutStateName
    state_known: StateKnown
    amount_minor: int
    currency: Currency
    arrives_at: datetime | None
    failure_code: str | None
    transaction_id: str | None
    """Stripe's balance transaction."""
    automatic: bool | None
    """Whether Stripe made it by the account's schedule; only then it says what it paid out."""
    account: Account
    created_at: datetime


# A payout that failed after it was paid stays failed: that is its higher rank.
payouts = Mirror(
    "payouts",
    payout_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    amount_minor=newest("bigint"),
    currency=newest("text"),
    arrives_at=newest("timestamptz"),
    failure_code=newest("text"),
    automatic=newest("boolean"),
    transaction_id=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    indexes=("created_at, payout_id", "amount_minor, payout_id"),
)
projection = Projection(
    "payouts",
    tables=(payouts,),
    listing=Listing(
        payouts,
        Payout,
        noun="payout",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("amount_minor",),
        filters=("state", "state_known", "currency", "account"),
        by_calls=True,
        link="payout",
    ),
)


@projection.handles(PayoutFact)
def reported(fact: PayoutFact, at: EventContext) -> Iterator[Change]:
    """The payout itself."""
    yield payouts.report_of(fact, at)
