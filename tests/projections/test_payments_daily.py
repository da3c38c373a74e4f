"""Payments by day: succeeded, or over without money."""

from collections.abc import Sequence
from itertools import permutations
from typing import cast

import pytest

from ledger.domain.facts import AnyFact, ChargeState, PaymentFact, PaymentState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import NOON, Models, at, charge
from tests.webhooks.examples import facts_of, waiting

DAYS = "select day, currency, succeeded, failed from payments_daily order by day, currency"


def payment(
    state: PaymentState,
    received_minor: int = 0,
    *,
    charge_id: str | None = "ch_1",
    payment_id: str = "pi_1",
) -> PaymentFact:
    return PaymentFact(
        state=state,
        payment_id=payment_id,
        amount_minor=1000,
        received_minor=received_minor,
        currency="gbp",
        created_at=NOON,
        charge_id=charge_id,
    )


def canceled(payment_id: str) -> PaymentFact:
    return payment(PaymentState.CANCELED, charge_id=None, payment_id=payment_id)


STARTED = payment(PaymentState.PENDING)
REFUSED = payment(PaymentState.FAILED, charge_id="ch_0")
DECLINED = charge(0, charge_id="ch_0", state=ChargeState.FAILED)
SUCCEEDED = payment(PaymentState.SUCCEEDED, 1000)
TAKEN_BACK = charge(0, state=ChargeState.FAILED)
BARE_HOLD = charge(0, state=ChargeState.AUTHORIZED, payment_id=None)
BARE_HOLD_LAPSED = charge(0, state=ChargeState.EXPIRED, payment_id=None)

CASES: dict[str, tuple[Sequence[AnyFact], list[tuple[int, int, int]]]] = {
    # facts, one a day from 10 March on; charges are of the 1st: day, succeeded, failed
    "started": ([STARTED], []),
    "refused": ([REFUSED, DECLINED], []),
    "refused, then paid": ([REFUSED, DECLINED, SUCCEEDED], [(12, 1, 0)]),
    "paid": ([SUCCEEDED], [(10, 1, 0)]),
    "paid when the charge was captured": ([SUCCEEDED, charge()], [(1, 1, 0)]),
    "held": ([payment(PaymentState.AUTHORIZED)], []),
    "taken in part before it succeeded": ([payment(PaymentState.AUTHORIZED, 300)], [(10, 1, 0)]),
    "canceled": ([STARTED, payment(PaymentState.CANCELED)], [(11, 0, 1)]),
    "canceled after a refusal": ([REFUSED, DECLINED, payment(PaymentState.CANCELED)], [(12, 0, 1)]),
    "taken back by the bank": ([SUCCEEDED, charge(), TAKEN_BACK], [(1, 1, 0), (12, -1, 1)]),
    "taken back, the capture never told": ([SUCCEEDED, TAKEN_BACK], [(10, 1, 0), (11, -1, 1)]),
    "taken back, then paid": (
        [charge(), TAKEN_BACK, charge(charge_id="ch_2", minutes=on("2026-03-12 12:00"))],
        [(1, 1, 0), (11, -1, 1), (12, 1, -1)],
    ),
    "a bare hold": ([BARE_HOLD], []),
    "a bare hold that lapsed": ([BARE_HOLD, BARE_HOLD_LAPSED], [(11, 0, 1)]),
    "a bare charge that failed": ([charge(0, state=ChargeState.FAILED, payment_id=None)], []),
}


@pytest.mark.parametrize(("facts", "outcomes"), CASES.values(), ids=CASES)
def test_a_payment_has_one_outcome_or_none_yet(
    models: Models, facts: Sequence[AnyFact], outcomes: list[tuple[int, int, int]]
):
    """Whatever arrives first."""
    timed = [(fact, on("2026-03-10 12:00") + 1440 * i) for i, fact in enumerate(facts)]
    for arrival in permutations(timed):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        query = """
            select extract(day from day)::integer, succeeded, failed
            from payments_daily
            order by day
        """
        assert models.rows(query) == outcomes


def test_payments_by_day_and_currency(models: Models):
    """On 2 March one is paid in pounds, linked to no order, and one in yen; one is canceled.

    On the 3rd another is canceled.
    """
    noon = on("2026-03-02 12:00")
    models.take(charge(minutes=noon, order_id=None))
    models.take(charge(charge_id="ch_2", payment_id="pi_2", currency="jpy", minutes=noon))
    models.take(canceled("pi_3"), minutes=noon)
    models.take(canceled("pi_4"), minutes=on("2026-03-03 12:00"))
    assert models.rows(DAYS) == [
        (day("2026-03-02"), "gbp", 1, 1),
        (day("2026-03-02"), "jpy", 1, 0),
        (day("2026-03-03"), "gbp", 0, 1),
    ]


def test_a_payment_was_canceled_on_its_own_day_however_late_that_is_told(models: Models):
    """As when the account is pulled: a list tells of years, and the events are gone."""
    second = int(at(on("2026-03-02 12:00")).timestamp())
    told = waiting(status="canceled", canceled_at=second)
    for fact in facts_of("payment_intent.canceled", told):
        models.take(cast("PaymentFact", fact), minutes=on("2026-03-29 12:00"))
    assert models.rows(DAYS) == [(day("2026-03-02"), "gbp", 0, 1)]


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """In New York clocks went an hour ahead on 8 March 2026: midnight was 05:00 UTC, then 04:00."""
    with reporting_in(models, "America/New_York"):
        models.take(canceled("pi_1"), minutes=on("2026-03-08 04:30"))
        models.take(canceled("pi_2"), minutes=on("2026-03-09 04:30"))
    assert models.rows(DAYS) == [(day("2026-03-07"), "gbp", 0, 1), (day("2026-03-09"), "gbp", 0, 1)]
