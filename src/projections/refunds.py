"""Refunds: money on its way back to customers; one row a refund."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.facts import Moment, RefundFact
from projections.engine.declare import (
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
from projections.engine.row import Currency, Row, states

RefundState = TypeAliasType("RefundState", Annotated[str, states(RefundFact)])


class Refund(Row):
    """Money on its way back to a customer."""

    refund_id: str
    state: RefundState
    state_known: bool
    """Whether this version knows what the state means: it may be a new word of Stripe's."""
    amount_minor: int
    currency: Currency
    reason: str | None
    failure_code: str | None
    charge_id: str | None
    payment_id: str | None
    transaction_id: str | None
    """Stripe's balance transaction, once there is one."""
    account: str | None
    """The connected account that it belongs to; null for Stripe's own of the shop."""
    created_at: datetime
    refunded_at: datetime | None
    """When Stripe first said that the money went back."""
    failed_at: datetime | None
    """When Stripe first said that it came back, or was called off."""


refunds = Mirror(
    "refunds",
    refund_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    amount_minor=newest("bigint"),
    currency=newest("text"),
    reason=newest("text"),
    failure_code=newest("text"),
    charge_id=known("text"),
    payment_id=known("text"),
    transaction_id=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    refunded_at=least("timestamptz"),
    failed_at=least("timestamptz"),
    indexes=("created_at, refund_id", "amount_minor, refund_id", "charge_id", "payment_id"),
)
FAILED = ("failed", "canceled")


def counts_as(refund: str) -> str:
    """SQL for the state that a row's money counts in: an unknown one leaves it where it was."""
    return (
        f"case when {refund}.state_known then {refund}.state"
        f" when {refund}.refunded_at is null then 'pending' else 'succeeded' end"
    )


projection = Projection(
    "refunds",
    tables=(refunds,),
    listing=Listing(
        refunds,
        Refund,
        sort="created_at",
        sorts=("amount_minor",),
        filters=(
            "state",
            "state_known",
            "currency",
            "charge_id",
            "payment_id",
            "reason",
            "account",
        ),
        link="refund",
    ),
)


@projection.handles(RefundFact)
def reported(fact: RefundFact, at: Moment) -> Iterator[Change]:
    """`refunded_at` and `failed_at` are when Stripe first said so, by Stripe's clock.

    A canceled refund has failed too: the money is the shop's again.
    """
    yield refunds.report(
        at,
        fact.RANK,
        refund_id=fact.refund_id,
        state=fact.state,
        state_known=fact.state_known,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        reason=fact.reason,
        failure_code=fact.failure_code,
        charge_id=fact.charge_id,
        payment_id=fact.payment_id,
        transaction_id=fact.transaction_id,
        account=at.account,
        created_at=fact.created_at,
        refunded_at=at.effective_at if fact.state == "succeeded" else None,
        failed_at=at.effective_at if fact.state in FAILED else None,
    )
