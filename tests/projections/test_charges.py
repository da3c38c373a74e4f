"""Charges: what was taken, and whose it is."""

from itertools import permutations

from ledger.domain.facts import ChargeState, RefundState
from tests.projections.models import Models, at, charge, refund

COLUMNS = ("state", "captured_minor", "captured_at", "payment_id")


def test_a_charge_ends_the_same_whatever_arrives_first(models: Models):
    held = charge(0, state=ChargeState.AUTHORIZED, payment_id=None)
    taken = charge(600, minutes=5)
    failed = charge(0, state=ChargeState.FAILED)
    for arrival in permutations([(held, 1), (taken, 2), (failed, 3)]):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("charges", *COLUMNS) == ("failed", 600, at(5), "pi_1")


def test_a_charge_that_was_only_named_has_no_state_yet(models: Models):
    models.take(refund(RefundState.PENDING))
    assert models.one("charges", *COLUMNS) == (None, None, None, "pi_1")


def test_a_charge_says_when_money_went_back_first_and_when_it_ended(models: Models):
    reports = [
        (charge(refunded_minor=700), 7),
        (charge(refunded_minor=400), 5),
        (charge(), 3),
        (charge(0, state=ChargeState.EXPIRED, charge_id="ch_2"), 4),
        (charge(0, state=ChargeState.FAILED, charge_id="ch_3"), 6),
    ]
    for fact, minutes in reports:
        models.take(fact, minutes=minutes)
    assert models.rows("select refunded_at, ended_at from charges order by charge_id") == [
        (at(5), None),
        (None, at(4)),
        (None, at(6)),
    ]


def test_of_two_totals_of_one_second_the_greater_is_the_later(models: Models):
    """A total of refunds only grows; an event's id says nothing of when it was made."""
    for arrival in permutations([300, 700, 500]):
        models.forget()
        for refunded_minor in arrival:
            models.take(charge(refunded_minor=refunded_minor), minutes=5)
        assert models.one("charges", "refunded_minor") == 700
        assert models.rows("select refunded_minor from charge_refund_totals") == [(700,)]


def test_a_refund_that_fails_lowers_the_total_a_second_later(models: Models):
    models.take(charge(refunded_minor=700), minutes=5)
    models.take(charge(refunded_minor=400), minutes=6)
    assert models.one("charges", "refunded_minor") == 400
