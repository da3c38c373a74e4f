"""Each role sees and does what it may, and reads what it may not; forged forms do nothing."""

import pytest
from playwright.sync_api import Route, expect

from ledger.domain.access import Role
from tests.console.browser.conftest import Entering
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import World

MENUS = {
    Role.ANALYST: "Home Books Figures Exports Issues Projections Settings",
    Role.ACCOUNTANT: "Home Books Figures Exports Issues Projections Settings",
    Role.OPS: "Home Orders Stock Checkouts Customers Wishlists Payments Refunds Disputes"
    " Subscriptions Invoices Payouts Figures Exports Issues Projections Settings",
    Role.AUDITOR: "Home Orders Stock Checkouts Customers Wishlists Payments Refunds Disputes"
    " Subscriptions Invoices Payouts Books Figures Exports Issues Events Projections Settings",
}
MENUS[Role.ADMIN] = MENUS[Role.AUDITOR]


@pytest.mark.parametrize("role", MENUS)
def test_the_menu_holds_what_the_role_may_see(enter: Entering, role: Role) -> None:
    page = enter(role).look("/console")
    links = page.get_by_role("navigation", name="Console").locator(".side-link")
    names = links.evaluate_all("all => all.map(each => each.childNodes[1].textContent.trim())")
    assert " ".join(names) == MENUS[role]


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (Role.ANALYST, "/console/stock"),
        (Role.ANALYST, "/console/orders"),
        (Role.ANALYST, "/console/customers"),
        (Role.ANALYST, "/console/events"),
        (Role.OPS, "/console/events"),
    ],
)
def test_what_a_role_may_not_see_is_said_in_words(enter: Entering, role: Role, path: str) -> None:
    someone = enter(role)
    someone.expects(403)
    page = someone.look(path)
    expect(page.get_by_role("heading", name="Not for this role")).to_be_visible()
    expect(page.get_by_text(f"The role {role} may not")).to_be_visible()


def test_an_auditor_sees_no_actions(enter: Entering, world: World) -> None:
    """Where an operator has forms, an auditor has none but those to look and to sign out."""
    auditor, order_id = enter(Role.AUDITOR), world.paid_order()
    page = auditor.look(f"/console/orders/{order_id}")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    for path in (f"orders/{order_id}", "stock", "stock/TEAPOT", "issues", "payments"):
        auditor.look(f"/console/{path}")
        expect(page.locator("main form[method=post]")).to_have_count(0)


def test_an_analyst_sees_no_actions(enter: Entering, world: World) -> None:
    analyst = enter(Role.ANALYST)
    issue_id = world.one("/issues", state="open")["issue_id"]
    page = analyst.look(f"/console/issues/{issue_id}")
    expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    expect(page.locator("main form[method=post]")).to_have_count(0)


# ── Forgery ─────────────────────────────────────────────────────────────────────────────────────


def test_a_form_without_its_proof_does_nothing(ops: Visitor, world: World) -> None:
    order_id = world.order()
    ops.expects(403)
    page = ops.look(f"/console/orders/{order_id}")
    for proof in page.locator("[name=csrf]").all():
        proof.evaluate("(field) => field.value = 'ImZvcmdlZCI.AAAA'")
    ops.act("Cancel", "Cancel", reason="forged")
    expect(page.get_by_role("heading", name="Nothing was done")).to_be_visible()
    assert world.client.get(f"/orders/{order_id}")["state"] == "pending"


def test_another_site_cannot_use_the_session(ops: Visitor, world: World) -> None:
    """Even one that stole the form's proof: the browser sends no cookie along."""
    order_id = world.order()
    page = ops.look(f"/console/orders/{order_id}")
    proof = page.locator("[name=csrf]").first.get_attribute("value")
    form = f"""<!doctype html><title>A prize</title><link rel="icon" href="data:,">
      <form method="post" action="{world.url}/console/orders/{order_id}/cancel">
      <input name="csrf" value="{proof}"><input name="reason" value="forged">
      <button>Take it</button></form>"""

    def elsewhere(route: Route) -> None:
        route.fulfill(body=form, content_type="text/html")

    page.route("http://elsewhere.example/", elsewhere)
    ops.look("http://elsewhere.example/")
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert world.client.get(f"/orders/{order_id}")["state"] == "pending"
