"""Checkouts: visits to the payment page, which connect orders and payments; one row a session."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.facts import CheckoutFact, CheckoutState, EventContext
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Listing,
    Mirror,
    Projection,
    as_json,
    greatest,
    key,
    known,
    least,
    named,
    newest,
    ranked,
)
from projections.engine.row import Account, Currency, Row, StateKnown, states

CheckoutStateName = TypeAliasType("CheckoutStateName", Annotated[str, states(CheckoutState)])


class Checkout(Row):
    """A visit to Stripe's payment page; it moves no money of its own."""

    session_id: str
    state: CheckoutStateName
    state_known: StateKnown
    total_minor: int | None
    currency: Currency | None
    order_id: str | None
    """The order that its metadata name."""
    reference: str | None
    """What the shop passed as its own reference."""
    payment_id: str | None
    mode: str | None
    """`payment`, `subscription` or `setup`."""
    invoice_id: str | None
    """In mode `subscription` its payment is that of this invoice."""
    subscription_id: str | None
    discount_minor: int | None
    """What the page itself took off."""
    nothing_due: bool | None
    """Whether the customer had to pay nothing."""
    labels: dict[str, str] | None
    """What its metadata say, by their keys: words that could be an order's id."""
    customer_id: str | None
    email: str | None
    account: Account
    created_at: datetime
    completed_at: datetime | None
    """When Stripe first said that the customer was done; a page that was fetched does not say."""
    paid_at: datetime | None
    """When it first said that it was paid, or that no payment was required; as above."""


checkouts = Mirror(
    "checkouts",
    session_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    total_minor=newest("bigint"),
    currency=newest("text"),
    labels=newest("jsonb"),
    order_id=named("text"),
    reference=known("text"),
    payment_id=known("text"),
    mode=known("text"),
    invoice_id=known("text"),
    subscription_id=known("text"),
    discount_minor=greatest("bigint"),
    nothing_due=known("boolean"),
    customer_id=known("text"),
    email=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    completed_at=least("timestamptz"),
    paid_at=least("timestamptz"),
    indexes=(
        "created_at, session_id",
        "payment_id",
        "invoice_id",
        "subscription_id",
        "(coalesce(order_id, reference))",
    ),
)
DONE = (CheckoutState.COMPLETED, CheckoutState.PAID)
projection = Projection(
    "checkouts",
    tables=(checkouts,),
    listing=Listing(
        checkouts,
        Checkout,
        noun="checkout",
        filled_by=FROM_STRIPE,
        sort="created_at",
        filters=(
            "state",
            "state_known",
            "order_id",
            "reference",
            "payment_id",
            "invoice_id",
            "subscription_id",
            "customer_id",
            "email",
            "account",
        ),
        link="checkout",
    ),
)


@projection.handles(CheckoutFact)
def visited(fact: CheckoutFact, at: EventContext) -> Iterator[Change]:
    """A session; until it names a payment it waits."""
    told_at = None if fact.is_fetched else at.effective_at
    yield checkouts.report_of(
        fact,
        at,
        labels=as_json(fact.labels),
        nothing_due=fact.nothing_due or None,
        completed_at=told_at if fact.state in DONE else None,
        paid_at=told_at if fact.state is CheckoutState.PAID else None,
    )
