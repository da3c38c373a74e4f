"""Revenue by day: what was captured for orders, on the day on which it was."""

from itertools import permutations

import msgspec

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import ChargeFact, ChargeState, PaymentFact, PaymentState
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, at, charge, order

DAYS = "select day, currency, revenue_minor, captures from revenue_daily order by day, currency"


def captured(
    number: int, captured_minor: int, time: str, currency: str = "gbp", order_id: str | None = "A1"
) -> ChargeFact:
    return charge(
        captured_minor,
        charge_id=f"ch_{number}",
        payment_id=f"pi_{number}",
        currency=currency,
        order_id=order_id,
        minutes=on(time),
    )


def test_money_counts_on_the_day_of_its_capture_by_currency(models: Models):
    """The order is of 1 March. Half is paid that day, and half late, on the 5th, with 700 ¥ more.

    On 1 March: 500 in one capture. On 5 March: 500 in one, and 700 ¥ in one.
    """
    models.take(order())
    models.take(captured(1, 500, "2026-03-01 18:00"))
    models.take(captured(2, 500, "2026-03-05 09:00"))
    models.take(captured(3, 700, "2026-03-05 10:00", "jpy"))
    assert models.rows(DAYS) == [
        (day("2026-03-01"), "gbp", 500, 1),
        (day("2026-03-05"), "gbp", 500, 1),
        (day("2026-03-05"), "jpy", 700, 1),
    ]


def test_a_payment_counts_once_its_order_is_known_on_the_day_of_its_capture(models: Models):
    """Captured on 2 March without a word about an order, linked on the 9th, ordered on the 10th."""
    models.take(captured(1, 1000, "2026-03-02 12:00", order_id=None))
    assert models.rows(DAYS) == []
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"), minutes=on("2026-03-09 12:00"))
    assert models.rows(DAYS) == []
    models.take(order(), minutes=on("2026-03-10 12:00"))
    assert models.rows(DAYS) == [(day("2026-03-02"), "gbp", 1000, 1)]


def test_a_payment_that_is_linked_to_no_known_order_any_more_counts_no_more(models: Models):
    models.take(order()).take(captured(1, 1000, "2026-03-02 12:00", order_id=None))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    models.take(PaymentLinked(order_id="elsewhere", payment_id="pi_1"))
    assert models.rows(DAYS) == []


def test_what_the_bank_takes_back_leaves_on_that_day(models: Models):
    """The day of the capture is over, and stays as it is."""
    models.take(order()).take(captured(1, 1000, "2026-03-02 12:00"))
    models.take(charge(0, state=ChargeState.FAILED), minutes=on("2026-03-20 12:00"))
    assert models.rows(DAYS) == [
        (day("2026-03-02"), "gbp", 1000, 1),
        (day("2026-03-20"), "gbp", -1000, -1),
    ]


def test_each_of_several_captures_is_of_its_own_day(models: Models):
    """300 of a hold are taken on 2 March, 800 in all on the 5th; the 9th repeats it."""
    reports = [
        (charge(300, minutes=on("2026-03-02 12:00")), "2026-03-02 12:00"),
        (charge(800, minutes=on("2026-03-05 12:00")), "2026-03-05 12:00"),
        (charge(800), "2026-03-09 12:00"),
    ]
    for arrival in permutations(reports):
        models.forget()
        models.take(order(800))
        for fact, time in arrival:
            models.take(msgspec.structs.replace(fact, created_at=at(0)), minutes=on(time))
        assert models.rows(DAYS) == [
            (day("2026-03-02"), "gbp", 300, 1),
            (day("2026-03-05"), "gbp", 500, 0),
        ]
        assert models.one("orders", "paid_at") == at(on("2026-03-05 12:00"))


def test_a_capture_that_only_an_update_tells_is_of_the_day_on_which_it_was_told(models: Models):
    """The reports say no more than when the hold was made, as Stripe's charges do."""
    models.take(order(800)).take(charge(0, state=ChargeState.AUTHORIZED))
    models.take(charge(300), minutes=on("2026-03-02 12:00"))
    models.take(charge(800), minutes=on("2026-03-05 12:00"))
    assert models.rows(DAYS) == [
        (day("2026-03-02"), "gbp", 300, 1),
        (day("2026-03-05"), "gbp", 500, 0),
    ]


def test_payments_of_which_no_charge_is_known_are_taken_in_parts_too(models: Models):
    reports = [
        (receiving(PaymentState.AUTHORIZED, 300), "2026-03-02 12:00"),
        (receiving(PaymentState.SUCCEEDED, 800), "2026-03-05 12:00"),
        (receiving(PaymentState.SUCCEEDED, 800), "2026-03-09 12:00"),
    ]
    for arrival in permutations(reports):
        models.forget()
        models.take(order(800))
        for fact, time in arrival:
            models.take(fact, minutes=on(time))
        assert models.rows(DAYS) == [
            (day("2026-03-02"), "gbp", 300, 1),
            (day("2026-03-05"), "gbp", 500, 0),
        ]


def test_what_a_charge_and_its_payment_both_tell_is_the_same_money(models: Models):
    """The payment tells of a part on the 2nd, its charge of the whole on the 5th only."""
    models.take(order(800)).take(charge(0, state=ChargeState.AUTHORIZED))
    models.take(receiving(PaymentState.AUTHORIZED, 300), minutes=on("2026-03-02 12:00"))
    models.take(charge(800, minutes=on("2026-03-05 12:00")), minutes=on("2026-03-05 12:00"))
    models.take(receiving(PaymentState.SUCCEEDED, 800), minutes=on("2026-03-05 12:01"))
    assert models.rows(DAYS) == [
        (day("2026-03-02"), "gbp", 300, 1),
        (day("2026-03-05"), "gbp", 500, 0),
    ]


def receiving(state: PaymentState, received_minor: int) -> PaymentFact:
    return PaymentFact(
        state=state,
        payment_id="pi_1",
        amount_minor=800,
        received_minor=received_minor,
        currency="gbp",
        created_at=at(0),
        charge_id="ch_1",
        order_id="A1",
    )


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """In London clocks went an hour ahead on 29 March 2026 at 01:00, so that day had 23 hours.

    23:30 UTC is half past eleven on the 28th, but half past midnight of the next day on the 29th.
    """
    with reporting_in(models, "Europe/London"):
        models.take(order())
        models.take(captured(1, 100, "2026-03-28 23:30"))
        models.take(captured(2, 200, "2026-03-29 00:30"))
        models.take(captured(3, 300, "2026-03-29 22:30"))
        models.take(captured(4, 400, "2026-03-29 23:30"))
    assert models.rows(DAYS) == [
        (day("2026-03-28"), "gbp", 100, 1),
        (day("2026-03-29"), "gbp", 500, 2),
        (day("2026-03-30"), "gbp", 400, 1),
    ]


def test_a_capture_leads_back_to_its_order(models: Models):
    models.take(order()).take(captured(1, 1000, "2026-03-02 12:00"))
    columns = ("payment_id", "order_id", "amount_minor")
    assert models.one("captures", *columns) == ("pi_1", "A1", 1000)
