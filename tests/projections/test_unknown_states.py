"""States that this version does not know, and appeals: what the read models make of them."""

from itertools import permutations
from typing import Any

import pytest

from tests.projections.models import Models
from tests.webhooks.examples import (
    TOLD,
    Json,
    charge,
    dispute,
    event,
    intent,
    refund,
    session,
    transaction,
)

DAY = 24 * 60 * 60


def told(number: int, type_: str, obj: Json) -> Json:
    """The event of a day, counted from the first."""
    return event(type_, obj, id=f"evt_{number}", created=TOLD + number * DAY)


def course(type_: str, *objs: Json) -> list[Json]:
    """What an object went through, an event a day."""
    return [told(number, type_, obj) for number, obj in enumerate(objs)]


OUT, BACK = transaction(), transaction(id="txn_10", amount=1000, fee=-1500)
APPEALED = course(
    "charge.dispute.updated",
    dispute(balance_transactions=[OUT]),
    dispute(balance_transactions=[OUT], status="lost"),
    dispute(balance_transactions=[OUT], status="appeal_needs_response"),
    dispute(balance_transactions=[OUT], status="appeal_under_review"),
    dispute(balance_transactions=[OUT, BACK], status="won"),
)


@pytest.mark.parametrize(
    ("days", "state", "disputed_minor"),
    [
        (2, "lost", 1000),
        (3, "open", 1000),
        (4, "under_review", 1000),
        (5, "won", 0),
    ],
)
def test_an_appeal_opens_a_decided_dispute_again(
    models: Models, days: int, state: str, disputed_minor: int
):
    """In every order of arrival."""
    for events in permutations(APPEALED[:days]):
        models.forget()
        models.hear(told(0, "charge.succeeded", charge()) | {"id": "evt_c"}, *events)
        found = models.one("disputes", "state", "state_known", "disputed_minor")
        assert found == (state, True, disputed_minor)
        assert models.one("payments", "dispute_state", "disputed_minor") == (state, disputed_minor)


COURSES = {
    "after it was lost": (
        course("charge.dispute.updated", dispute(status="lost"), dispute(status="levitating")),
        ("levitating", False),
    ),
    "before it was won": (
        course("charge.dispute.updated", dispute(status="levitating"), dispute(status="won")),
        ("won", True),
    ),
    "an inquiry's, before it was opened": (
        course("charge.dispute.updated", dispute(status="warning_levitating"), dispute()),
        ("open", True),
    ),
    "an inquiry's, before it was closed": (
        course(
            "charge.dispute.updated",
            dispute(status="warning_levitating"),
            dispute(status="warning_closed"),
        ),
        ("inquiry_closed", True),
    ),
    "between two others": (
        course(
            "charge.dispute.updated",
            dispute(status="lost"),
            dispute(status="levitating"),
            dispute(status="floating"),
            dispute(status="lost"),
        ),
        ("lost", True),
    ),
}


@pytest.mark.parametrize(("events", "state"), COURSES.values(), ids=COURSES)
def test_an_unknown_state_of_a_dispute_stands_where_stripes_clock_puts_it(
    models: Models, events: list[Json], state: tuple[str, bool]
):
    for arrival in permutations(events):
        models.forget()
        assert models.hear(*arrival).one("disputes", "state", "state_known") == state


@pytest.mark.parametrize(
    ("table", "type_", "objs", "state"),
    [
        ("refunds", "refund.updated", [{"status": "pending"}, {}], "levitating"),
        ("refunds", "refund.updated", [{}, {"status": "failed"}], "failed"),
        ("payments", "payment_intent.updated", [{"status": "requires_capture"}, {}], "levitating"),
        ("payments", "payment_intent.updated", [{}, {"status": "canceled"}], "canceled"),
    ],
)
def test_a_final_state_stays_and_others_give_way(
    models: Models, table: str, type_: str, objs: list[Json], state: str
):
    made = refund if table == "refunds" else intent
    unknown: Json = {"status": "levitating", "amount_received": 0}
    events = course(type_, *(made(**(unknown | obj)) for obj in objs), made(**unknown))
    for arrival in permutations(events):
        models.forget()
        assert models.hear(*arrival).one(table, "state", "state_known") == (
            state,
            state != "levitating",
        )


def test_a_refund_of_an_unknown_state_is_open_until_it_went_back(models: Models):
    """It is neither nothing nor the whole: it waits, and what went back stays gone."""
    models.hear(told(0, "charge.succeeded", charge(payment_intent=None)))
    sums = ("refunded_minor", "refund_pending_minor", "net_minor")
    states = ["levitating", "succeeded", "floating"]
    seen: list[Any] = []
    for number, status in enumerate(states, 1):
        thing = refund(status=status, payment_intent=None)
        seen.append(models.hear(told(number, "refund.updated", thing)).one("payments", *sums))
    assert seen == [(0, 400, 1000), (400, 0, 600), (400, 0, 600)]


def test_a_charge_of_an_unknown_state_has_its_money(models: Models):
    thing = charge(status="levitating", payment_intent=None, amount_refunded=300)
    models.hear(told(0, "charge.updated", thing))
    columns = ("state", "received_minor", "refunded_minor")
    assert models.one("payments", *columns) == ("succeeded", 1000, 300)
    assert models.one("charges", "state", "state_known") == ("levitating", False)


def test_a_person_is_told_of_the_unknown_state_first(models: Models):
    models.hear(
        told(0, "charge.succeeded", charge()),
        told(1, "charge.dispute.created", dispute()),
        told(2, "charge.dispute.updated", dispute(id="dp_2", status="levitating")),
    )
    assert models.one("payments", "dispute_state") == "levitating"


def test_what_is_not_understood_is_listed_once_an_object(models: Models):
    models.hear(
        told(0, "charge.dispute.updated", dispute(status="levitating")),
        told(1, "charge.dispute.updated", dispute(status="levitating", evidence_details=5)),
        told(2, "charge.dispute.updated", dispute(status="levitating", id="dp_2")),
        told(3, "checkout.session.completed", session(payment_status="floating")),
    )
    found = models.rows("select kind, part, word, subject_id from not_understood order by 1, 2, 4")
    assert found == [
        ("checkout", "payment_status", "floating", "cs_1"),
        ("dispute", "evidence_details", "", "dp_1"),
        ("dispute", "status", "levitating", "dp_1"),
        ("dispute", "status", "levitating", "dp_2"),
    ]
