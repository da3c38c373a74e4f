"""Events in the console: the audit log searched, one event looked at, evidence asked for apart."""

import re
from typing import Any

import pytest

from ledger.domain.access import Role
from simulator import SimulatedStripe
from tests.console.service import Service, words

LIST = "/console/events"


@pytest.fixture(scope="module")
def position(shared_house: Service) -> int:
    """Where the event stands that says that the payment of A1 succeeded."""
    service, stripe = shared_house, SimulatedStripe("events")
    service.order(id="A1", customer_id="ada <b>")
    payment, events = stripe.create_payment(2000, "gbp", order_id="A1")
    service.deliver([*events, *stripe.pay_by_card(payment)])
    (found,) = api(service, "/audit", kind="payment_intent.succeeded")["items"]
    return found["position"]


@pytest.fixture
def world(service: Service, position: int) -> Service:
    service.enter(Role.AUDITOR)
    return service


def api(service: Service, path: str, **query: Any) -> Any:
    bearer = {"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    return service.client.get(path, params=query, headers=bearer).json()


def head(service: Service) -> int:
    return api(service, "/status")["head"]


# ── Searching ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=payment_intent.*", True),
        ("object=order/A1", True),
        ("actor=stripe&outcome=projected", True),
        ("actor=stripe&outcome=unreadable", False),
        ("recorded_after=2020-01-01T00:00&recorded_before=2020-01-02T00:00", False),
    ],
)
def test_a_search_stands_in_the_address(
    world: Service, position: int, query: str, found: bool
) -> None:
    text = world.look(f"{LIST}?{query}").text
    assert (f'href="/console/events/{position}"' in text) == found
    assert ("No lines of the audit log that fit" in text) == (not found)


def test_what_cannot_be_searched_for_is_told_at_the_form(world: Service) -> None:
    answer = world.look(f"{LIST}?object=A1")
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert 'value="A1"' in answer.text


def test_an_actor_who_did_nothing_is_told_with_those_who_did(world: Service) -> None:
    answer = world.look(f"{LIST}?actor=nobody")
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert "is none of" in answer.text


def test_a_position_leads_to_its_event(world: Service, position: int) -> None:
    assert world.look(f"{LIST}?position={position}").url.path == f"{LIST}/{position}"


def test_that_nothing_was_unreadable_is_said(world: Service) -> None:
    assert "Every event of Stripe's could be read" in world.see(f"{LIST}/unreadable")


def test_operators_may_not(world: Service) -> None:
    world.enter(Role.OPS)
    for path in (LIST, f"{LIST}/1", f"{LIST}/unreadable"):
        assert world.look(path).status_code == 403


# ── One event ───────────────────────────────────────────────────────────────────────────────────


def test_its_envelope_is_no_read_of_evidence(world: Service, position: int) -> None:
    before = head(world)
    page = world.look(f"{LIST}/{position}").text
    assert f'rel="prev" href="{LIST}/{position - 1}"' in page
    assert f'rel="next" href="{LIST}/{position + 1}"' in page
    assert "stripe.event_received.v1" in page
    assert "api_version" not in page
    assert head(world) == before


def test_what_it_changed_is_shown_object_by_object(world: Service, position: int) -> None:
    text = world.see(f"{LIST}/{position}/changes")
    assert "Order A1" in text
    assert re.search(r"Payment pi_\w+", text)
    (first,) = api(world, "/audit", kind="order.placed")["items"]
    assert "Total £20.00" in world.see(f"{LIST}/{first['position']}/changes")


def test_what_it_holds_is_shown_when_asked_for_and_that_is_on_record(
    world: Service, position: int
) -> None:
    before, path = head(world), f"{LIST}/{position}"
    text = words(world.send(world.look(path), f"{path}/held", reason="a complaint").text)
    assert "Leaf hash, computed again Equal" in text
    assert "Signature, checked just now Valid" in text
    assert '"api_version": ' in text
    assert head(world) == before + 1
    (read,) = api(world, "/audit", kind="evidence.read", after=before + 1)["items"]
    assert (read["position"], read["reason"], read["role"]) == (
        before + 1,
        "a complaint",
        "auditor",
    )


def test_what_the_shop_did_has_no_signature_and_is_escaped(world: Service) -> None:
    (placed,) = api(world, "/audit", kind="order.placed")["items"]
    path = f"{LIST}/{placed['position']}"
    page = world.send(world.look(path), f"{path}/held")
    assert "ada &lt;b&gt;" in page.text
    assert "ada <b>" not in page.text
    assert "Signature, checked" not in page.text


def test_the_log_has_no_event_beyond_its_ends(world: Service) -> None:
    assert world.look(f"{LIST}/0").status_code == 404
    assert world.look(f"{LIST}/99999").status_code == 404
