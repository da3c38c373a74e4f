"""Signing in and out in a real browser: by token only, for as long as the token lives."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from ledger.domain.access import Role
from ledger.tokens import NewToken, issue, revoke
from tests.console.browser.conftest import Entering
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import META, World


@pytest.fixture
def stranger(enter: Entering) -> Visitor:
    return enter()


def new_token(world: World, lifetime: timedelta | None = None) -> NewToken:
    issued = issue(world.log, Role.OPS, "Sam", META, lifetime=lifetime)
    world.seen(issued.position)
    return issued


def test_a_page_is_shown_once_its_reader_signed_in(stranger: Visitor, world: World) -> None:
    page = stranger.look("/console/stock?preorder=false")
    expect(page).to_have_url(
        f"{world.url}/console/sign-in?next=%2Fconsole%2Fstock%3Fpreorder%3Dfalse"
    )
    stranger.enter(world.tokens[Role.OPS])
    expect(page).to_have_url(f"{world.url}/console/stock?preorder=false")
    expect(page.locator(".who-is-in")).to_have_accessible_name(
        "Who is signed in: Olga Petrova (ops)"
    )


def test_nobody_is_sent_to_another_site(stranger: Visitor, world: World) -> None:
    page = stranger.look("/console/sign-in?next=https://example.com/")
    stranger.enter(world.tokens[Role.OPS])
    expect(page).to_have_url(f"{world.url}/console")


def test_the_session_is_a_cookie_that_no_script_and_no_other_site_can_use(
    stranger: Visitor, world: World
) -> None:
    stranger.look("/console/sign-in")
    stranger.enter(world.tokens[Role.OPS])
    stranger.is_in()
    (cookie,) = stranger.context.cookies()
    assert cookie.get("httpOnly") is True
    assert cookie.get("sameSite") == "Strict"
    assert cookie.get("path") == "/console"
    assert world.tokens[Role.OPS] not in str(cookie)
    assert stranger.page.evaluate("document.cookie") == ""


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("lgr_nothing", "no access token that was issued here"),
        ("two words", "no access token that was issued here"),
        ("schlüssel", "no access token that was issued here"),
    ],
)
def test_what_is_no_token_opens_nothing(stranger: Visitor, token: str, why: str) -> None:
    stranger.expects(401)
    page = stranger.look("/console/sign-in")
    stranger.enter(token)
    expect(page.get_by_role("alert")).to_contain_text(why)
    assert stranger.context.cookies() == []


def test_an_expired_token_opens_nothing(stranger: Visitor, world: World) -> None:
    expired = new_token(world, timedelta(microseconds=1))
    stranger.expects(401)
    page = stranger.look("/console/sign-in")
    stranger.enter(expired.token)
    expect(page.get_by_role("alert")).to_contain_text("expired")


def test_a_token_that_is_revoked_ends_its_sessions(stranger: Visitor, world: World) -> None:
    """Within a second; and it opens nothing any more."""
    given = new_token(world)
    page = stranger.look("/console/sign-in")
    stranger.enter(given.token)
    stranger.is_in()
    revoke(world.log, given.token_id, META)
    page.wait_for_timeout(1_000)
    stranger.look("/console/orders")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    stranger.expects(401)
    stranger.enter(given.token)
    expect(page.get_by_role("alert")).to_contain_text("revoked")


def test_who_signed_out_has_to_sign_in_again(stranger: Visitor, world: World) -> None:
    page = stranger.look("/console/sign-in?next=/console/orders")
    stranger.enter(world.tokens[Role.OPS])
    stranger.sign_out()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert stranger.context.cookies() == []
    stranger.look("/console/orders")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
