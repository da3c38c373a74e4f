"""Saved filters: of one person and one list, under a name, until they are removed."""

import pytest
from httpx2 import Response
from markupsafe import escape

from ledger.domain.access import Role
from ledger.saved_filters import MOST
from tests.console.service import Service, hidden, words
from tests.console.test_lists import LISTS

ORDERS = "/console/orders"


def send(service: Service, path: str, page: str, **fields: str) -> Response:
    """Send a form of a list's page; answers the page that comes then."""
    looked = service.look(page)
    return service.client.post(path, data=hidden(looked) | {"page": page} | fields)


def save(service: Service, name: str, page: str = ORDERS, query: str = "state=paid") -> str:
    return send(service, "/console/saved", page, query=query, name=name).text


def saved(service: Service, page: str = ORDERS) -> list[str]:
    """The names of those that the page offers."""
    shown = service.look(page).text.partition('id="saved"')[2].partition("</nav>")[0]
    return words(shown.partition(">")[2]).split()


def remove(service: Service, name: str, page: str = ORDERS) -> str:
    return send(service, "/console/saved/remove", page, query="state=paid", name=name).text


@pytest.fixture
def shop(service: Service) -> Service:
    for name in saved(service):
        remove(service, name)
    return service


def test_what_a_list_is_narrowed_to_is_saved_opened_and_removed(shop: Service) -> None:
    shop.order()
    page = save(shop, "  To   pack ", query="state=pending&sort=total_minor&columns=order_id")
    assert "Saved as “To pack”." in page
    address = "/console/orders?state=pending&amp;sort=total_minor&amp;columns=order_id"
    assert f'href="{address}" aria-current="true"' in page
    assert f'href="{address}">' in shop.look(ORDERS).text
    assert "“To pack” is removed." in remove(shop, "To pack")
    assert saved(shop) == []


def test_another_filter_takes_the_place_of_one_of_its_name(shop: Service) -> None:
    save(shop, "mine", query="state=paid")
    save(shop, "mine", query="state=expired")
    assert saved(shop) == ["mine"]
    assert "?state=expired" in shop.look(ORDERS).text


def test_no_other_person_and_no_other_list_has_it(shop: Service) -> None:
    save(shop, "mine")
    assert saved(shop, "/console/payments") == []
    shop.enter(Role.ADMIN)
    assert saved(shop) == []
    shop.enter(Role.OPS)
    assert saved(shop) == ["mine"], "it is there when the person comes again"


@pytest.mark.parametrize("path", [*LISTS, "events", "payout_members"])
def test_every_list_offers_those_that_were_saved_of_it(shop: Service, path: str) -> None:
    shop.enter(Role.ADMIN)
    page = f"/console/{path}"
    save(shop, "mine", page, "from=2026-01-01")
    assert saved(shop, page) == ["mine"]
    remove(shop, "mine", page)
    assert saved(shop, page) == []


def test_what_cannot_be_saved_is_refused(shop: Service) -> None:
    for fields, told in (
        ({"name": " "}, "A name has 1 to 60 characters."),
        ({"name": "x" * 61}, "A name has 1 to 60 characters."),
        ({"query": "told=x&cursor=y"}, "A filter has 1 to 2000 characters."),
        ({"query": "email=" + "x" * 2000}, "A filter has 1 to 2000 characters."),
        ({"page": "https://other.example"}, "Only filters of the console&#39;s lists are saved."),
        ({"page": "/console/orders/A1"}, "Only filters of the console&#39;s lists are saved."),
    ):
        form = hidden(shop.look(ORDERS)) | {"page": ORDERS, "query": "state=paid", "name": "mine"}
        answer = shop.client.post("/console/saved", data=form | fields)
        assert (answer.status_code, told in answer.text) == (422, True), fields
    assert saved(shop) == []


@pytest.mark.parametrize(
    "name",
    [
        "A & B",
        "<b>bold</b>",
        "\"quoted\" 'too'",
        "münchen 👩‍👧 東京",
        "50 % + ?x=1#2",
        "a/b\\c",
        "W" * 60,
    ],
)
def test_a_name_may_have_any_character(shop: Service, name: str) -> None:
    assert f"Saved as “{escape(name)}”." in save(shop, name)
    assert f"Remove the saved filter {escape(name)}" in shop.look(ORDERS).text
    remove(shop, name)
    assert saved(shop) == []


def test_what_is_no_character_is_left_out_of_a_name(shop: Service) -> None:
    assert "Saved as “to pack”." in save(shop, "to\x00 p\x07ack\n")
    remove(shop, "to\x00 pack")
    assert saved(shop) == []


def test_a_filter_of_what_is_not_there_any_more_can_be_removed(shop: Service) -> None:
    """A column that is gone is left out; a word that is gone is told, and the filter stays."""
    shop.order()
    assert "<th" in save(shop, "gone", query="columns=order_id,gone")
    usual = shop.look(ORDERS).text.count('<th scope="col"')
    assert shop.look(f"{ORDERS}?columns=gone").text.count('<th scope="col"') == usual
    assert "knows no word gone" in save(shop, "gone", query="gone=1")
    assert saved(shop) == ["gone"]
    remove(shop, "gone")
    assert saved(shop) == []


def test_one_that_another_window_removed_is_gone(shop: Service) -> None:
    save(shop, "mine")
    fields = hidden(shop.look(ORDERS)) | {"page": ORDERS, "query": "", "name": "mine"}
    for _ in range(2):
        assert shop.client.post("/console/saved/remove", data=fields).status_code == 200
    assert saved(shop) == []


def test_a_list_has_not_more_than_a_page_has_room_for(shop: Service) -> None:
    for number in range(MOST):
        save(shop, f"n{number}")
    assert "at most 20 saved filters; remove one first." in save(shop, "more")
    assert len(saved(shop)) == MOST
    assert "Saved as “n1”." in save(shop, "n1", query="state=expired")
