"""Notices: what is shown as the console's own words is what the console wrote."""

import re

import pytest

from console import notice
from ledger.domain.access import Role
from tests.console.service import Service, hidden, words

FORGED = "Your account is locked; call 0800 1234"


def noticed(page: str) -> list[str]:
    """What a page says was just done."""
    return [words(text) for text in re.findall(r'<p role="status" class="told">(.*?)</p>', page)]


def told_after_cancel(service: Service) -> tuple[str, str]:
    """Cancel an order; answers its path, and the address to which the browser is sent."""
    path = f"/console/orders/{service.order()}"
    fields = hidden(service.look(path)) | {"reason": "changed her mind"}
    answer = service.client.post(f"{path}/cancel", data=fields, follow_redirects=False)
    assert answer.status_code == 303
    return path, answer.headers["location"]


def test_what_was_done_is_told_once_on_its_page(service: Service) -> None:
    _, address = told_after_cancel(service)
    assert noticed(service.client.get(address).text) == [
        "The order is canceled, its stock released."
    ]


@pytest.mark.parametrize("text", [FORGED, "", "QUJD", "%00", "ä", "A" * 200, "=" * 9])
def test_what_somebody_writes_into_the_address_is_not_told(service: Service, text: str) -> None:
    path = f"/console/orders/{service.order()}"
    page = service.client.get(path, params={"told": text}).text
    assert noticed(page) == []
    assert FORGED not in page


def test_a_notice_is_of_its_page_its_session_and_its_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = told_after_cancel(service)
    signed = address.partition("?")[2]
    other = f"/console/orders/{service.order()}?{signed}"
    assert noticed(service.client.get(other).text) == []
    monkeypatch.setattr(notice, "LIFETIME_SECONDS", 0)
    assert noticed(service.client.get(address).text) == []
    monkeypatch.undo()
    assert noticed(service.client.get(address).text) != []
    service.enter(Role.OPS)
    assert noticed(service.client.get(address).text) == []


@pytest.mark.parametrize("path", ["orders", "stock"])
def test_a_search_without_a_hit_does_not_repeat_it_as_a_sentence(
    service: Service, path: str
) -> None:
    page = service.client.get(f"/console/{path}", params={"q": FORGED}).text
    assert "0800" not in words(page)


@pytest.mark.parametrize(
    "path",
    ["orders", "payments", "stock", "issues", "figures", "proofs", "customers", "nothing"],
)
def test_a_page_that_is_not_there_does_not_repeat_its_address(service: Service, path: str) -> None:
    answer = service.client.get(f"/console/{path}/{FORGED}")
    assert answer.status_code in {403, 404}
    assert "0800" not in answer.text
