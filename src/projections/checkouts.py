"""Checkouts: visits to the payment page, which connect orders and payments; one row a session."""

from collections.abc import Iterator

from ledger.domain.facts import CheckoutFact, Moment
from projections.engine.declare import (
    Change,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    least,
    named,
    newest,
    ranked,
)

checkouts = Mirror(
    "checkouts",
    session_id=key(),
    state=ranked("text"),
    total_minor=newest("bigint"),
    currency=newest("text"),
    order_id=named("text"),
    reference=known("text"),
    payment_id=known("text"),
    customer_id=known("text"),
    email=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    indexes=("created_at, session_id", "payment_id"),
)
projection = Projection(
    "checkouts",
    tables=(checkouts,),
    listing=Listing(
        checkouts,
        sort="created_at",
        filters=("state", "order_id", "reference", "payment_id", "customer_id", "email"),
        link="checkout",
    ),
)


@projection.handles(CheckoutFact)
def visited(fact: CheckoutFact, at: Moment) -> Iterator[Change]:
    """A session; until it names a payment it waits."""
    yield checkouts.report(
        at,
        fact.RANK,
        session_id=fact.session_id,
        state=fact.STATE,
        total_minor=fact.total_minor,
        currency=fact.currency,
        order_id=fact.order_id,
        reference=fact.reference,
        payment_id=fact.payment_id,
        customer_id=fact.customer_id,
        email=fact.email,
        account=at.account,
        created_at=fact.created_at,
    )
