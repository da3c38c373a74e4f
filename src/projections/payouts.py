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
from projections.engine.row import Account, Currency, Few, Row, StateKnown, states

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
    method: Few | None
    """`standard`, or `instant`: at once."""
    destination_id: str | None
    """The bank account or card that it goes to."""
    failure_transaction_id: str | None
    """The balance transaction by which it came back."""
    original_payout_id: str | None
    """The payout that it takes back."""
    reversed_by_id: str | None
    """The payout that takes it back."""
    reconciliation: Few | None
    """Whether Stripe knows by now what it paid out."""
    trace: str | None
    """What the bank calls it."""
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
    method=newest("text"),
    reconciliation=newest("text"),
    transaction_id=known("text"),
    destination_id=known("text"),
    failure_transaction_id=known("text"),
    original_payout_id=known("text"),
    reversed_by_id=known("text"),
    trace=known("text"),
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
