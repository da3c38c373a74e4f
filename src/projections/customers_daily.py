"""Customers by day: how many were made at Stripe, whoever of them paid or ordered."""

from collections.abc import Iterator

from ledger.domain.facts import CustomerFact, EventContext
from projections.engine.declare import Change, Mirror, Projection, Rollup, key, known, least

# One that was deleted since was made all the same. Of one that is only known to be deleted, Stripe
# does not say when it was made: it is no row here.
made_customers = Mirror(
    "made_customers",
    customer_id=key(),
    account=known("text"),
    made_at=least("timestamptz"),
)
customers_daily = Rollup(
    "customers_daily",
    key=("day",),
    amounts=("made",),
    source=made_customers,
    contribution="select ledger.business_day(made_at) as day, 1::bigint as made from source",
)
projection = Projection("customers_daily", tables=(made_customers, customers_daily))


@projection.handles(CustomerFact)
def reported(fact: CustomerFact, at: EventContext) -> Iterator[Change]:
    """When Stripe says that it made the customer."""
    if fact.created_at is not None:
        yield made_customers.mention(
            customer_id=fact.customer_id, account=at.account, made_at=fact.created_at
        )
