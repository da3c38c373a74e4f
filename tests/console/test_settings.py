"""Settings: tokens issued and revoked, what is known of Stripe, the first steps, the appearance."""

import re

import pytest

from ledger.domain.access import Role
from tests.console.service import Service, words

TOKENS = "/console/settings/tokens"


@pytest.fixture
def admin(service: Service) -> Service:
    service.enter(Role.ADMIN)
    return service


def issued(service: Service, **fields: str) -> str:
    """Issue a token; answers its text, which the page shows once."""
    given = {"role": "auditor", "name": "Aldo", "reason": "the year's end"} | fields
    page = service.send(service.look(TOKENS), TOKENS, **given)
    found = re.search(r'id="token">(lgr_\w+)<', page.text.replace("-", "_"))
    assert page.status_code == 200
    assert found, page.text
    shown = re.search(r'id="token">([^<]+)<', page.text)
    assert shown
    return shown[1]


def test_a_token_is_issued_and_shown_once(admin: Service) -> None:
    token = issued(admin, days="30")
    assert "Aldo" in admin.see(TOKENS)
    assert token not in admin.look(TOKENS).text
    me = admin.client.get("/me", headers={"authorization": f"Bearer {token}"}).json()
    assert (me["role"], me["name"]) == ("auditor", "Aldo")


def test_a_token_is_revoked_with_a_reason(admin: Service) -> None:
    token = issued(admin, name="Lost")
    row = admin.look(TOKENS).text.partition("Lost <small")[2]
    path = re.search(rf'action="({TOKENS}/\w+/revoke)"', row)
    assert path
    told = admin.send(admin.look(TOKENS), path[1], reason="the laptop was stolen")
    assert "The token is revoked." in words(told.text)
    assert "the laptop was stolen" in words(told.text)
    assert admin.client.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_what_is_no_token_is_refused_at_the_form(admin: Service) -> None:
    page = admin.send(admin.look(TOKENS), TOKENS, role="customer", name="Ada", days="x")
    assert page.status_code == 422
    assert "Not done." in words(page.text)
    assert 'value="Ada"' in page.text


def test_only_administrators_see_tokens(service: Service) -> None:
    service.enter(Role.AUDITOR)
    assert TOKENS not in service.look("/console/settings").text
    assert service.look(TOKENS).status_code == 403


def test_settings_say_what_is_known_of_stripe_without_a_secret(admin: Service) -> None:
    page = admin.look("/console/settings")
    text = words(page.text)
    assert "API key Not set" in text
    assert "Webhook signing secrets 1 set" in text
    assert "Reporting time zone UTC" in text
    assert "whsec_" not in page.text


def test_the_first_steps_follow_what_the_ledger_holds(admin: Service) -> None:
    assert "Connect Stripe ledger connect asks" in admin.see("/console/start")
    admin.order(id="FIRST")
    assert "Place the first order : done" in admin.see("/console/start")


def test_a_theme_and_a_narrow_menu_are_kept_for_a_browser(admin: Service) -> None:
    page = admin.look("/console/stock")
    back = admin.send(page, "/console/appearance", theme="dark", next="/console/stock")
    assert back.url.path == "/console/stock"
    assert 'data-bs-theme="dark"' in back.text
    narrow = admin.send(back, "/console/appearance", menu="narrow", next="https://example.com/")
    assert narrow.url.path == "/console"
    assert 'data-bs-theme="dark" class="is-narrow"' in narrow.text
    own = admin.send(narrow, "/console/appearance", theme="browser")
    assert "data-bs-theme" not in own.text


def test_a_form_of_another_site_changes_no_appearance(admin: Service) -> None:
    page = admin.client.post("/console/appearance", data={"theme": "dark", "csrf": "x"})
    assert "data-bs-theme" not in page.text
