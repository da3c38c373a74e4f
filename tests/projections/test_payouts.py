"""Payouts: on their way, arrived, and come back."""

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.domain.billing_facts import PayoutFact, PayoutState
from tests.projections.models import NOON, Models, at


def payout(state: PayoutState, **more: Any) -> PayoutFact:
    return PayoutFact(
        state=state,
        payout_id="po_1",
        amount_minor=50000,
        currency="gbp",
        created_at=NOON,
        arrives_at=at(2880),
        **more,
    )


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([PayoutState.PENDING, PayoutState.IN_TRANSIT, PayoutState.PAID], "paid"),
        ([PayoutState.PAID, PayoutState.FAILED], "failed"),
        ([PayoutState.FAILED, PayoutState.PAID, PayoutState.PENDING], "failed"),
        ([PayoutState.PENDING, PayoutState.CANCELED], "canceled"),
    ],
)
def test_a_payout_can_fail_after_it_was_paid(
    models: Models, states: Sequence[PayoutState], state: str
):
    """And a report of that it was paid does not revive it, whenever it arrives."""
    for each in states:
        models.take(payout(each))
    assert models.one("payouts", "state", "amount_minor") == (state, 50000)


def test_why_it_failed(models: Models):
    models.take(payout(PayoutState.PAID)).take(
        payout(PayoutState.FAILED, failure_code="account_closed")
    )
    columns = ("failure_code", "arrives_at")
    assert models.one("payouts", *columns) == ("account_closed", at(2880))
