"""Refunds: a life cycle, in whatever order Stripe tells it."""

import pytest

from ledger.domain.facts import (
    RefundCanceled,
    RefundFact,
    RefundFailed,
    RefundPending,
    RefundRequiresAction,
    RefundSucceeded,
)
from tests.projections.models import Models, at, refund


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([RefundPending, RefundSucceeded], "succeeded"),
        ([RefundSucceeded, RefundPending], "succeeded"),
        ([RefundRequiresAction, RefundPending], "requires_action"),
        ([RefundSucceeded, RefundFailed], "failed"),
        ([RefundFailed, RefundSucceeded], "failed"),
        ([RefundCanceled, RefundSucceeded, RefundPending], "canceled"),
    ],
)
def test_a_refund_goes_forward_only(models: Models, states: list[type[RefundFact]], state: str):
    for each in states:
        models.take(refund(each))
    assert models.one("refunds", "state", "amount_minor") == (state, 400)


@pytest.mark.parametrize("failed", [RefundFailed, RefundCanceled])
def test_refunded_at_is_when_stripe_first_said_so(models: Models, failed: type[RefundFact]):
    models.take(refund(RefundSucceeded), minutes=9).take(refund(RefundSucceeded), minutes=5)
    models.take(refund(failed), minutes=20)
    assert models.one("refunds", "refunded_at", "failed_at") == (at(5), at(20))


def test_what_was_once_known_stays_known(models: Models):
    models.take(refund(RefundPending)).take(refund(RefundPending, charge_id=None, payment_id=None))
    assert models.one("refunds", "charge_id", "payment_id") == ("ch_1", "pi_1")
