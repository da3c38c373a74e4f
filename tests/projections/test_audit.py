"""Audit: one line an event, with who, what, when, from where and why."""

from ledger.domain.events import CATALOGUE, Metadata, OrderCanceled, StripeEventReceived
from ledger.domain.facts import StripeEventRecorded, StripeEventUnreadable
from projections.audit import projection
from tests.projections.models import Models, at, charge

NOTE = StripeEventRecorded(
    event_id="evt_1", type="charge.succeeded", outcome="projected", livemode=False
)


def test_an_action_says_who_from_where_and_why(models: Models):
    meta = Metadata(
        actor="ops:olga",
        actor_name="Olga",
        address="203.0.113.7",
        user_agent="curl",
        request_id="r1",
        reason="changed my mind",
        correlation="order/A1",
        causation="stripe/evt_1",
    )
    models.take(OrderCanceled(order_id="A1"), meta=meta)
    columns = ("kind", "actor", "actor_name", "address", "user_agent", "request_id", "reason")
    expected = ("order.canceled", "ops:olga", "Olga", "203.0.113.7", "curl", "r1")
    assert models.one("audit", *columns) == (*expected, "changed my mind")
    columns = ("position", "object_kind", "object_id", "effective_at", "outcome", "correlation")
    assert models.one("audit", *columns) == (1, "test", "1", at(1), "done", "order/A1")


def test_an_event_of_stripes_is_one_line_whatever_it_says(models: Models):
    models.take(NOTE, charge())
    expected = ("charge.succeeded", "stripe", "projected")
    assert models.one("audit", "kind", "actor", "outcome") == expected


def test_what_could_not_be_read_is_listed_with_its_cause(models: Models):
    problem = StripeEventUnreadable(event_id="evt_1", type="charge.succeeded", cause="no amount")
    models.take(NOTE, problem)
    assert models.one("unreadable_events", "position", "cause") == (1, "no amount")


def test_no_event_is_left_out():
    assert {*CATALOGUE.values(), StripeEventRecorded} - {StripeEventReceived} <= {
        *projection.handlers
    }
