"""Refunds: a life cycle, in whatever order Stripe tells it."""

from itertools import permutations

import pytest

from ledger.domain.facts import RefundState
from tests.projections.models import Models, at, refund


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([RefundState.PENDING, RefundState.SUCCEEDED], "succeeded"),
        ([RefundState.SUCCEEDED, RefundState.PENDING], "succeeded"),
        ([RefundState.REQUIRES_ACTION, RefundState.PENDING], "requires_action"),
        ([RefundState.SUCCEEDED, RefundState.FAILED], "failed"),
        ([RefundState.FAILED, RefundState.SUCCEEDED], "failed"),
        ([RefundState.CANCELED, RefundState.SUCCEEDED, RefundState.PENDING], "canceled"),
    ],
)
def test_a_refund_goes_forward_only(models: Models, states: list[RefundState], state: str):
    for each in states:
        models.take(refund(each))
    assert models.one("refunds", "state", "amount_minor") == (state, 400)


@pytest.mark.parametrize("failed", [RefundState.FAILED, RefundState.CANCELED])
def test_a_refund_is_of_the_time_at_which_it_was_made_and_fails_when_stripe_says_so(
    models: Models, failed: RefundState
):
    models.take(refund(RefundState.SUCCEEDED, minutes=3), minutes=9)
    models.take(refund(RefundState.SUCCEEDED, minutes=3), minutes=5)
    models.take(refund(failed, minutes=3), minutes=20)
    assert models.one("refunds", "refunded_at", "failed_at") == (at(3), at(20))


@pytest.mark.parametrize("waiting", [RefundState.PENDING, RefundState.REQUIRES_ACTION])
def test_a_refund_that_waited_moved_money_when_it_first_succeeded(
    models: Models, waiting: RefundState
):
    reports = [(waiting, 3), (RefundState.SUCCEEDED, 7), (RefundState.SUCCEEDED, 9)]
    for arrival in permutations(reports):
        models.forget()
        for state, minutes in arrival:
            models.take(refund(state, minutes=3), minutes=minutes)
        assert models.one("refunds", "refunded_at") == at(7)


def test_a_report_from_before_the_refund_was_made_holds(models: Models):
    """An object without a time of its own is as old as its report; an earlier one says so too."""
    models.take(refund(RefundState.SUCCEEDED, minutes=9), minutes=9)
    models.take(refund(RefundState.SUCCEEDED, minutes=9), minutes=5)
    assert models.one("refunds", "refunded_at") == at(5)


@pytest.mark.parametrize("state", [RefundState.PENDING, RefundState.FAILED])
def test_one_that_never_succeeded_moved_nothing(models: Models, state: RefundState):
    models.take(refund(state))
    assert models.one("refunds", "refunded_at") is None


def test_what_was_once_known_stays_known(models: Models):
    models.take(refund(RefundState.PENDING)).take(
        refund(RefundState.PENDING, charge_id=None, payment_id=None)
    )
    assert models.one("refunds", "charge_id", "payment_id") == ("ch_1", "pi_1")
