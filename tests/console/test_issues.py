"""Issues in the console: found by checks, shown with their evidence, decided by who may."""

import re

import pytest

from ledger.domain.access import Role
from simulator import SimulatedStripe
from tests.console.service import Service, words

LIST = "/console/issues"


@pytest.fixture(scope="module")
def path(shared_house: Service) -> str:
    """The page of the issue that A1 was paid twice."""
    service, stripe = shared_house, SimulatedStripe("issues")
    service.order(id="A1")
    for _ in range(2):
        payment, events = stripe.create_payment(2000, "gbp", order_id="A1")
        service.deliver([*events, *stripe.pay_by_card(payment)])
    service.enter(Role.OPS)
    service.send(service.look(LIST), "/console/checks/run")
    return f"{LIST}/paid_twice%3AA1"


@pytest.fixture
def world(service: Service, path: str) -> Service:
    return service


def test_the_worst_come_first_and_lead_to_their_pages(world: Service, path: str) -> None:
    page = world.look(LIST).text
    assert f'href="{path}"' in page
    assert 'href="/console/orders/A1"' in page
    assert re.search(r"<h2[^>]*>High</h2>", page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("severity=high&check=paid_twice", True),
        ("kind=order&reference=A1", True),
        ("severity=low", False),
        ("state=resolved", False),
    ],
)
def test_filters_stand_in_the_address(world: Service, path: str, query: str, found: bool) -> None:
    text = world.look(f"{LIST}?{query}").text
    assert (f'href="{path}"' in text) == found
    assert ("No issues with " in text) == (not found)


def test_checks_say_what_they_ask_and_how_many_are_open(world: Service) -> None:
    assert "Paid twice High Which orders hold the money of several payments" in world.see(LIST)


def test_a_run_is_told_and_only_who_may_is_offered_one(world: Service, path: str) -> None:
    answer = world.send(world.look(LIST), "/console/checks/run")
    assert answer.url.path == LIST
    assert re.search(r"\d+ checks ran: 0 issues opened", words(answer.text))
    world.enter(Role.AUDITOR)
    page = world.look(LIST)
    assert "Run all checks now" not in page.text
    assert world.send(page, "/console/checks/run").status_code == 403
    assert "Resolve it" not in world.see(path)


def test_an_issue_shows_the_row_that_proves_it(world: Service, path: str) -> None:
    text = world.see(path)
    assert "Held £40.00" in text
    assert "Order A1" in text
    assert "Issue opened" in text


def test_a_person_resolves_and_reopens_it_with_a_reason(world: Service, path: str) -> None:
    page = world.look(path)
    slip = world.send(page, f"{path}/resolve", reason="")
    assert (slip.status_code, 'role="alert"' in slip.text) == (422, True)
    resolved = world.send(page, f"{path}/resolve", reason="refunded by hand")
    assert "The issue is resolved." in words(resolved.text)
    assert "refunded by hand" in words(resolved.text)
    assert "Reopen it" in resolved.text
    assert f'href="{path}"' not in world.look(LIST).text
    reopened = world.send(resolved, f"{path}/reopen", reason="it was not")
    assert "The issue is open again." in words(reopened.text)
    assert "Resolve it" in reopened.text


def test_there_is_no_page_of_an_issue_that_nobody_found(world: Service) -> None:
    assert world.look(f"{LIST}/none").status_code == 404
