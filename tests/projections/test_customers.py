"""Customers: Stripe's and the shop's own."""

from itertools import permutations

from ledger.domain.facts import CustomerFact, CustomerState
from tests.projections.models import Models, at, order

COLUMNS = ("customer_id", "state", "email", "name", "created_at")


def test_the_newest_report_holds_and_a_deleted_customer_stays_deleted(models: Models):
    made = CustomerFact(
        state=CustomerState.ACTIVE,
        customer_id="cus_1",
        created_at=at(0),
        email="a@example.com",
        name="Ada",
    )
    changed = CustomerFact(
        state=CustomerState.ACTIVE,
        customer_id="cus_1",
        created_at=at(0),
        email="b@example.com",
        name="Ada",
    )
    deleted = CustomerFact(
        state=CustomerState.DELETED, customer_id="cus_1", email="b@example.com", name="Ada"
    )
    for arrival in permutations([(made, 1), (changed, 2), (deleted, 3)]):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        expected = ("cus_1", "deleted", "b@example.com", "Ada", at(0))
        assert models.one("customers", *COLUMNS) == expected


def test_who_orders_is_a_customer(models: Models):
    models.take(order(customer_id="ada", email="old@example.com"))
    models.take(order(order_id="A2", customer_id="ada", email="ada@example.com"))
    models.take(order(order_id="A3", customer_id="ada"))
    models.take(order(order_id="A4", email="guest@example.com"))
    expected = ("ada", "active", "ada@example.com", None, at(1))
    assert models.one("customers", *COLUMNS) == expected
