"""Refunds: money on its way back to customers; one row a refund."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.facts import EventContext, RefundFact, RefundState
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
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

RefundStateName = TypeAliasType("RefundStateName", Annotated[str, states(RefundState)])


class Refund(Row):
    """Money on its way back to a customer."""

    refund_id: str
    state: RefundStateName
    state_known: StateKnown
    amount_minor: int
    currency: Currency
    reason: Few | None
    failure_code: str | None
    charge_id: str | None
    payment_id: str | None
    transaction_id: str | None
    """Stripe's balance transaction, once there is one."""
    request_id: str | None
    """The request that it was made for, where its metadata says so."""
    account: Account
    created_at: datetime
    waited_at: datetime | None
    """When Stripe first said that it waits: that the money has not gone back yet."""
    refunded_at: datetime | None
    """When the money went back: when the refund was made or, if it waited, first succeeded."""
    failed_at: datetime | None
    """When Stripe first said that it came back, or was called off."""


refund_reports = Mirror(
    "refund_reports",
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
    request_id=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    waited_at=least("timestamptz"),
    succeeded_at=least("timestamptz"),
    failed_at=least("timestamptz"),
)
# A refund is of the day on which it was made, as most succeed at once. One that Stripe reported as
# waiting moved money only when it succeeded.
refunds = Derived(
    "refunds",
    key=("refund_id",),
    view="""
        select
            refund_id, state, state_known, amount_minor, currency, reason, failure_code, charge_id,
            payment_id, transaction_id, request_id, account, created_at, waited_at,
            case
                when succeeded_at is null or waited_at < succeeded_at then succeeded_at
                else least(created_at, succeeded_at)
            end as refunded_at,
            failed_at
        from refund_reports
    """,
    touched="select refund_id from staged_refund_reports",
    indexes=(
        "created_at, refund_id",
        "amount_minor, refund_id",
        "charge_id",
        "payment_id",
        "request_id",
    ),
)
WAITING = ("pending", "requires_action")
FAILED = ("failed", "canceled")


def refunds_of(payment: str) -> str:
    """SQL for the refunds of a payment, an expression of its id: by its charges, or by itself.

    `counts_as` is the state that a row's money counts in: an unknown one leaves it where it was.
    `has_failed` says that it did not go back after all.
    """
    columns = f"""
        x.refund_id, x.charge_id, x.request_id, x.state, x.amount_minor, x.currency, x.created_at,
        x.waited_at, x.refunded_at, x.failed_at, x.state in {FAILED} as has_failed,
        case
            when x.state_known then x.state
            when x.refunded_at is null then 'pending'
            else 'succeeded'
        end as counts_as
    """
    return f"""
        select {columns}
        from charges as c
        cross join lateral (
            select * from refunds where refunds.charge_id = c.charge_id
            offset 0 -- from the charge to its refunds, also where nothing is known of their number
        ) as x
        where coalesce(c.payment_id, c.charge_id) = {payment}
        union all
        select {columns}
        from refunds as x
        where x.payment_id = {payment} and x.charge_id is null
    """  # noqa: S608 - made of our own words


projection = Projection(
    "refunds",
    tables=(refund_reports, refunds),
    listing=Listing(
        refunds,
        Refund,
        noun="refund",
        filled_by=FROM_STRIPE + " `ledger order refund` asks for one.",
        sort="created_at",
        sorts=("amount_minor",),
        filters=(
            "state",
            "state_known",
            "currency",
            "charge_id",
            "payment_id",
            "request_id",
            "reason",
            "account",
        ),
        link="refund",
    ),
)


@projection.handles(RefundFact)
def reported(fact: RefundFact, at: EventContext) -> Iterator[Change]:
    """When Stripe first said that it waits, succeeded, failed: by Stripe's clock.

    A canceled refund has failed too: the money is the shop's again.
    """
    yield refund_reports.report_of(
        fact,
        at,
        waited_at=at.effective_at if fact.state_name in WAITING or not fact.state_known else None,
        succeeded_at=at.effective_at if fact.state is RefundState.SUCCEEDED else None,
        failed_at=at.effective_at if fact.state_name in FAILED else None,
    )
