"""Refunds by day: each on the day on which it was made, and back on the day it failed."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import RefundFact, RefundState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, charge, order, refund

DAYS = "select day, currency, refunded_minor, refunds from refunds_daily order by day, currency"
MOVEMENTS = "select refund_id, kind, amount_minor from refund_movements order by refund_id, at"


def made(time: str, amount_minor: int = 400, refund_id: str = "re_1") -> RefundFact:
    """A refund that succeeded when it was made."""
    return refund(RefundState.SUCCEEDED, amount_minor, refund_id=refund_id, minutes=on(time))


def test_a_partial_refund_stays_on_its_day(models: Models):
    """1000 are paid on 1 March; 300 go back on the 3rd, 200 on the 8th, 50 $ of others then too.

    The later refund leaves the earlier one where it is: 300 on the 3rd, 200 on the 8th.
    """
    dollars = charge(900, charge_id="ch_2", payment_id="pi_2", currency="usd")
    models.take(order()).take(charge()).take(dollars)
    back = refund(
        RefundState.SUCCEEDED,
        50,
        refund_id="re_3",
        charge_id="ch_2",
        payment_id="pi_2",
        currency="usd",
        minutes=on("2026-03-08 11:00"),
    )
    models.take(made("2026-03-03 10:00", 300), minutes=on("2026-03-03 10:00"))
    models.take(made("2026-03-08 10:00", 200, "re_2"), back, minutes=on("2026-03-08 11:00"))
    assert models.rows(DAYS) == [
        (day("2026-03-03"), "gbp", 300, 1),
        (day("2026-03-08"), "gbp", 200, 1),
        (day("2026-03-08"), "usd", 50, 1),
    ]


@pytest.mark.parametrize("failed", [RefundState.FAILED, RefundState.CANCELED])
def test_a_refund_that_fails_later_comes_back_on_that_day(models: Models, failed: RefundState):
    """400 go back on 3 March and are the shop's again on the 12th: +400 there, −400 here.

    Whatever arrives first, also a report of the day before that it was on its way.
    """
    reports = [
        (RefundState.PENDING, "2026-03-02 10:00"),
        (RefundState.SUCCEEDED, "2026-03-03 10:00"),
        (failed, "2026-03-12 10:00"),
    ]
    for arrival in permutations(reports):
        models.forget()
        models.take(order()).take(charge())
        for state, time in arrival:
            models.take(refund(state), minutes=on(time))
        assert models.rows(DAYS) == [
            (day("2026-03-03"), "gbp", 400, 1),
            (day("2026-03-12"), "gbp", -400, -1),
        ]


def test_a_refund_never_comes_back_before_it_went(models: Models):
    """Stripe's reports may carry times that contradict each other."""
    models.take(order()).take(charge())
    models.take(
        refund(RefundState.FAILED, minutes=on("2026-03-04 10:00")), minutes=on("2026-03-03 10:00")
    )
    models.take(made("2026-03-04 10:00"), minutes=on("2026-03-04 10:00"))
    assert models.rows("select kind, day from refund_movements order by kind") == [
        ("failed", day("2026-03-04")),
        ("succeeded", day("2026-03-04")),
    ]
    assert models.rows(DAYS) == [(day("2026-03-04"), "gbp", 0, 0)]


@pytest.mark.parametrize(
    ("refunds", "movements"),
    [
        pytest.param([refund(RefundState.PENDING)], [], id="on its way"),
        pytest.param([refund(RefundState.FAILED)], [], id="failed, and never succeeded"),
        pytest.param([refund(RefundState.SUCCEEDED, currency="usd")], [], id="in another currency"),
        pytest.param(
            [refund(RefundState.SUCCEEDED, charge_id=None)],
            [("re_1", "succeeded", 400)],
            id="names only the payment",
        ),
        pytest.param(
            [refund(RefundState.SUCCEEDED, payment_id=None)],
            [("re_1", "succeeded", 400)],
            id="names only the charge",
        ),
    ],
)
def test_what_moves(
    models: Models, refunds: Sequence[RefundFact], movements: list[tuple[str, str, int]]
):
    models.take(order()).take(charge())
    for each in refunds:
        models.take(each)
    assert models.rows(MOVEMENTS) == movements


def test_each_increase_of_the_cumulative_figure_is_of_its_own_day(models: Models):
    """The charge says 400 on 3 March, 700 on the 5th and again on the 8th, and 600 on the 9th."""
    reports = [("03", 400), ("05", 700), ("08", 700), ("09", 600)]
    for arrival in permutations(reports):
        models.forget()
        models.take(order()).take(charge())
        for day_of_march, refunded_minor in arrival:
            told = on(f"2026-03-{day_of_march} 10:00")
            models.take(charge(refunded_minor=refunded_minor), minutes=told)
        assert models.rows(DAYS) == [
            (day("2026-03-03"), "gbp", 400, 1),
            (day("2026-03-05"), "gbp", 300, 1),
            (day("2026-03-09"), "gbp", -100, -1),
        ]


def test_the_cumulative_figure_stands_in_for_refunds_that_are_not_known(models: Models):
    """The charge says 400 on 3 March and 700 on the 5th; on the 9th its first refund is known."""
    models.take(order()).take(charge())
    models.take(charge(refunded_minor=400), minutes=on("2026-03-03 10:00"))
    models.take(charge(refunded_minor=700), minutes=on("2026-03-05 10:00"))
    assert models.rows(MOVEMENTS) == [("ch_1", "stand_in", 400), ("ch_1", "stand_in", 300)]
    models.take(made("2026-03-03 09:59"), minutes=on("2026-03-09 10:00"))
    assert models.rows(MOVEMENTS) == [("ch_1", "stand_in", 300), ("re_1", "succeeded", 400)]
    assert models.rows(DAYS) == [
        (day("2026-03-03"), "gbp", 400, 1),
        (day("2026-03-05"), "gbp", 300, 1),
    ]
    models.take(made("2026-03-05 09:59", 300, "re_2"), minutes=on("2026-03-09 10:00"))
    assert models.rows(MOVEMENTS) == [("re_1", "succeeded", 400), ("re_2", "succeeded", 300)]
    assert models.rows(DAYS) == [
        (day("2026-03-03"), "gbp", 400, 1),
        (day("2026-03-05"), "gbp", 300, 1),
    ]


def test_a_later_report_of_a_refund_leaves_it_on_its_day(models: Models):
    """Made on 3 March, when the charge told of it; on the 9th Stripe knows the bank's reference."""
    reports = [
        (charge(refunded_minor=400), "2026-03-03 10:00"),
        (made("2026-03-03 10:00"), "2026-03-09 10:00"),
    ]
    for arrival in permutations(reports):
        models.forget()
        models.take(order()).take(charge())
        for fact, time in arrival:
            models.take(fact, minutes=on(time))
        assert models.rows(DAYS) == [(day("2026-03-03"), "gbp", 400, 1)]


def test_a_refund_that_names_only_the_payment_ends_the_stand_in_too(models: Models):
    models.take(order()).take(charge(refunded_minor=400))
    models.take(refund(RefundState.SUCCEEDED, charge_id=None))
    assert models.rows(MOVEMENTS) == [("re_1", "succeeded", 400)]


def test_a_link_that_comes_later_leaves_the_refund_on_its_day(models: Models):
    models.take(charge(order_id=None))
    models.take(made("2026-03-03 10:00"), minutes=on("2026-03-03 10:00"))
    models.take(order())
    assert models.rows(DAYS) == []
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"), minutes=on("2026-03-20 10:00"))
    assert models.rows(DAYS) == [(day("2026-03-03"), "gbp", 400, 1)]


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """From 29 March 2026 on London is an hour ahead: 23:30 UTC is the next day there."""
    with reporting_in(models, "Europe/London"):
        models.take(order()).take(charge())
        models.take(made("2026-03-28 23:30", 100), minutes=on("2026-03-28 23:30"))
        models.take(made("2026-03-29 23:30", 200, "re_2"), minutes=on("2026-03-29 23:30"))
    assert models.rows(DAYS) == [
        (day("2026-03-28"), "gbp", 100, 1),
        (day("2026-03-30"), "gbp", 200, 1),
    ]
