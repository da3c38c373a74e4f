"""Customers: those that Stripe knows and those that ordered; one row a customer id."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.events import OrderPlaced
from ledger.domain.facts import CustomerFact, CustomerState, EventContext
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    latest,
    least,
    newest,
    ranked,
)
from projections.engine.row import Account, Row, states

CustomerStateName = TypeAliasType("CustomerStateName", Annotated[str, states(CustomerState)])


class Customer(Row):
    """A customer of Stripe's or of the shop's own."""

    customer_id: str
    state: CustomerStateName
    email: str | None
    """What Stripe says, or else the latest order that names one."""
    name: str | None
    account: Account
    created_at: datetime


# Stripe's ids (`cus_…`) and the shop's own stand side by side: nothing says which are one person.
customer_reports = Mirror(
    "customer_reports",
    customer_id=key(),
    state=ranked("text"),
    email=newest("text"),
    name=newest("text"),
    order_email=latest("text"),
    account=known("text"),
    created_at=least("timestamptz"),
)
customers = Derived(
    "customers",
    key=("customer_id",),
    view="""
        select
            customer_id, coalesce(state, 'active') as state, coalesce(email, order_email) as email,
            name, account, created_at
        from customer_reports
    """,
    touched="select customer_id from staged_customer_reports",
    indexes=(
        "created_at, customer_id",
        "email",
        "lower(email), created_at",
        "lower(name)",
        "lower(split_part(name, ' ', -1))",
    ),
)
projection = Projection(
    "customers",
    tables=(customer_reports, customers),
    listing=Listing(
        customers,
        Customer,
        noun="customer",
        filled_by=FROM_STRIPE,
        sort="created_at",
        filters=("state", "email", "account"),
        link="customer",
    ),
)


@projection.handles(CustomerFact)
def reported(fact: CustomerFact, at: EventContext) -> Iterator[Change]:
    """What Stripe says of its customer."""
    yield customer_reports.report_of(fact, at, created_at=fact.created_at or at.effective_at)


@projection.handles(OrderPlaced)
def ordered(fact: OrderPlaced, at: EventContext) -> Iterator[Change]:
    """A customer of the shop's own, known since the first order."""
    if fact.customer_id is None:
        return
    yield customer_reports.mention(customer_id=fact.customer_id, created_at=at.effective_at)
    if fact.email is not None:
        yield customer_reports.action(at, customer_id=fact.customer_id, order_email=fact.email)
