"""Checkouts: what a session once named stays, and it only goes forward."""

from itertools import permutations

from ledger.domain.facts import CheckoutFact, CheckoutState
from tests.projections.models import NOON, Models, at

COLUMNS = ("state", "payment_id", "order_id", "reference")


def test_a_session_learns_its_payment_late_whatever_arrives_first(models: Models):
    opened = CheckoutFact(
        state=CheckoutState.OPEN, session_id="cs_1", created_at=NOON, order_id="A1", reference="R1"
    )
    paid = CheckoutFact(
        state=CheckoutState.PAID, session_id="cs_1", created_at=NOON, payment_id="pi_1"
    )
    for arrival in permutations([(opened, 1), (paid, 2)]):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("checkouts", *COLUMNS) == ("paid", "pi_1", "A1", "R1")


def test_a_session_that_expired_is_over(models: Models):
    models.take(CheckoutFact(state=CheckoutState.EXPIRED, session_id="cs_1", created_at=NOON))
    models.take(CheckoutFact(state=CheckoutState.OPEN, session_id="cs_1", created_at=NOON))
    assert models.one("checkouts", "state") == "expired"


def test_a_page_that_was_fetched_does_not_say_since_when_it_is_done(models: Models):
    """It is not of the day on which the account was pulled; an event knows, whichever is first."""
    fetched = CheckoutFact(
        state=CheckoutState.PAID, session_id="cs_1", created_at=NOON, is_fetched=True
    )
    told = CheckoutFact(state=CheckoutState.PAID, session_id="cs_1", created_at=NOON)
    models.take(fetched, minutes=90_000)
    assert models.one("checkouts", "state", "completed_at", "paid_at") == ("paid", None, None)
    for arrival in permutations([(fetched, 90_000), (told, 7)]):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("checkouts", "completed_at", "paid_at") == (at(7), at(7))
