"""Addresses of the console: what a page's may say, and what is shown where there is no page."""

import re
from html import unescape

import pytest
from starlette.routing import Route

from console.http import routes
from console.page import PageRequest
from console.record_types import KINDS
from ledger.domain.access import Role
from ledger.errors import NotCaughtUp
from tests.console.service import Service, words

LISTS = [kind.path for kind in KINDS.values()] + ["orders", "stock", "issues", "events", "exports"]
PAGES = ["/console", *(f"/console/{each}" for each in LISTS)]
HTML, PROBLEM = "text/html", "application/problem+json"


def _looked_at() -> list[str]:
    """Every page, with something in the place of its ids."""
    pages = [each for each in routes if "GET" in (each.methods or ())]
    named = [re.sub(r"\{(\w+):int\}", "1", each.path) for each in pages]
    named = [each.replace("exports/{name}", "exports/orders") for each in named]
    return [
        re.sub(r"\{\w+\}", "x", each)
        for each in dict.fromkeys(named)
        if "/static/" not in each and not each.endswith("/sign-in")
    ]


@pytest.mark.parametrize("path", _looked_at())
def test_a_word_that_a_page_does_not_know_is_refused(service: Service, path: str) -> None:
    """As the API does: the page would show everything, as if nothing had been asked for."""
    service.enter(Role.ADMIN)
    answer = service.look(f"{path}?sate=paid")
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith(HTML)
    assert "This page knows no word sate in its address. It knows " in words(answer.text)


@pytest.mark.parametrize("path", [each for each in PAGES if each != "/console"])
def test_a_word_that_stands_twice_is_refused(service: Service, path: str) -> None:
    """As the API does: of two values one would be passed over."""
    answer = service.look(f"{path}?sort=a&sort=b")
    assert answer.status_code == 422
    assert "This address says sort more than once." in words(answer.text)


def test_the_refusal_names_the_words_that_there_are(service: Service) -> None:
    told = words(service.look("/console/orders?sate=paid&from=2026-01-01&x=1").text)
    assert "This page knows no words sate, x in its address. It knows state, " in told
    assert (
        "to_refund, currency, customer_id, email, from, to, days_of, sort, cursor, columns." in told
    )


@pytest.mark.parametrize("path", PAGES)
def test_a_page_knows_every_word_of_its_own_forms_and_links(service: Service, path: str) -> None:
    service.enter(Role.ADMIN)
    page = service.look(path).text
    for form in re.findall(r'<form[^>]*method="get".*?</form>', page, re.DOTALL):
        action = re.findall(r'action="([^"]+)"', form)[0]
        empty = dict.fromkeys(re.findall(r' name="(\w+)"', form), "")
        assert service.client.get(unescape(action), params=empty).status_code == 200
    for address in set(re.findall(r'href="([^"]*\?[^"]+)"', page)):
        if "/static/" not in address:
            answer = service.client.get(path + address if address[0] == "?" else unescape(address))
            assert answer.status_code == 200, address


def test_what_belongs_to_a_record_is_a_filter_of_its_list() -> None:
    filters = {kind.path: kind.filters for kind in KINDS.values()}
    for kind in KINDS.values():
        for each in kind.related:
            if each.path in filters:
                assert each.column in filters[each.path], (kind.noun, each.path)


@pytest.mark.parametrize("role", [None, Role.OPS])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/nope", 404),
        ("GET", "/console/orders/x/y/z", 404),
        ("POST", "/console/nope", 404),
        ("GET", "/console/exports/nope/form", 404),
        ("GET", "/console/orders/x/cancel", 405),
        ("DELETE", "/console/orders", 405),
        ("GET", "/console/static/nope.css", 404),
    ],
)
def test_where_the_console_has_no_page_it_says_so_on_one(
    service: Service, role: Role | None, method: str, path: str, status: int
) -> None:
    if role is None:
        service.client.cookies.clear()
    answer = service.client.request(method, path, follow_redirects=False)
    if role is None and "exports" in path:
        assert answer.status_code == 303  # a page, to which one must sign in
        return
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(HTML)
    assert '<a href="/console"' in answer.text
    assert ("Sign out" in answer.text) == (role is not None)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("GET", "/consoles", 404), ("POST", "/kpi", 405)],
)
def test_the_apis_own_addresses_stay_problem_documents(
    service: Service, method: str, path: str, status: int
) -> None:
    answer = service.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (RuntimeError("secret"), 500, "Something broke; the log of the service says more."),
        (NotCaughtUp("It takes a while."), 503, "It takes a while."),
    ],
)
def test_what_breaks_in_a_page_is_told_on_one(
    service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, told: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(PageRequest, "check_words", fail)
    answer = service.look("/console/orders")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(HTML)
    assert told in words(answer.text)
    assert "secret" not in answer.text


def test_the_routes_are_all_looked_at() -> None:
    assert all(isinstance(each, Route) for each in routes)
    assert len(_looked_at()) > 30
