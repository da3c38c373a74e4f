"""Lists in the browser: sorted by their heads, of days, refused in place, on a phone."""

import pytest
from playwright.sync_api import expect

from ledger.domain.access import Role
from tests.console.browser.conftest import Entering
from tests.console.browser.places import PLACES
from tests.console.browser.world import World

PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("scripted", [True, False])
def test_a_click_on_a_head_sorts_and_pages_and_filters_keep_it(
    enter: Entering, scripted: bool
) -> None:
    visitor = enter(Role.ADMIN, java_script_enabled=scripted)
    page = visitor.look("/console/orders")
    for way in ("descending", "ascending"):
        page.get_by_role("columnheader", name="Total").get_by_role("link").click()
        expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", way)
        expect(page.locator("th[aria-sort]")).to_have_text("Total")
    page.get_by_role("combobox", name="State", exact=True).select_option("fulfilled")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("th[aria-sort]")).to_have_text("Total")
    assert "sort=total_minor" in page.url
    assert "state=fulfilled" in page.url


def test_what_a_filter_cannot_be_is_told_where_the_rows_would_be(enter: Entering) -> None:
    visitor = enter(Role.ADMIN)
    visitor.expects(422)
    page = visitor.look("/console/orders")
    page.get_by_label("Currency").fill("euro")
    page.get_by_label("Currency").press("Enter")
    expect(page.locator("#list [role=alert]")).to_be_visible()
    expect(page.locator("#list table")).to_have_count(0)
    page.get_by_label("Currency").fill("gbp")
    page.get_by_label("Currency").press("Enter")
    expect(page.locator("#list table")).to_be_visible()


def test_no_page_is_wider_than_a_phone(enter: Entering, world: World) -> None:
    """Also with its parts unfolded, and with an export in the log whose reason is long."""
    visitor = enter(Role.ADMIN, viewport=PHONE)
    one = visitor.look("/console/exports").locator("article.export").first
    one.locator("[name=reason]").fill("because " * 20)
    visitor.download(one.get_by_role("button", name="Download"))
    world.seen(world.log.head())
    wide = {}
    for place in PLACES:
        page = visitor.look(place.address(world))
        page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[place.path] = width
    assert wide == {}
    page = visitor.look("/console/exports")
    expect(page.get_by_role("link", name="Manifest").first).to_be_visible()


def test_no_event_is_wider_than_a_phone(enter: Entering, world: World) -> None:
    """What an event says is shown as names and values, some of them long ids: one of each kind."""
    visitor = enter(Role.ADMIN, viewport=PHONE)
    listed = world.client.get("/audit", limit=200)["items"]
    kinds = {each["kind"]: each["position"] for each in listed}
    wide = {}
    for kind, position in kinds.items():
        page = visitor.look(f"/console/events/{position}")
        page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[kind] = width
    assert wide == {}
    assert len(kinds) > 10


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/console/orders", ["Order", "Customer", "State", "Total", "Currency"]),
        ("/console/payments", ["Payment", "State", "Received", "Email"]),
        ("/console/customers", ["Customer", "Name", "State"]),
        ("/console/stock", ["SKU", "Name", "Available", "Level"]),
        ("/console/issues", ["Issue", "State", "What is wrong"]),
        ("/console/events", ["Position", "Recorded", "Kind", "Objects"]),
        ("/console/projections", ["Projection", "State", "Lag, events", "What stopped it"]),
        ("/console/figures", ["Figure", "What it is", "Unit"]),
        ("/console/exports", ["When", "By", "Export", "Manifest"]),
    ],
)
def test_a_phone_shows_the_columns_that_tell_a_row(
    enter: Entering, world: World, path: str, shown: list[str]
) -> None:
    """All of them without a sideways scroll of the table; a wide screen has the other ones, too."""
    visitor = enter(Role.ADMIN, viewport=PHONE)
    if path == "/console/exports":
        one = visitor.look(path).locator("article.export").first
        one.locator("[name=reason]").fill("to look at the list")
        visitor.download(one.get_by_role("button", name="Download"))
        world.seen(world.log.head())
    page = visitor.look(path)
    table = page.locator("table.list").first
    assert table.locator("thead th:visible").all_inner_texts() == shown
    assert (
        table.evaluate("each => each.parentElement.scrollWidth - each.parentElement.clientWidth")
        == 0
    )
    page.set_viewport_size({"width": 1440, "height": 900})
    assert table.locator("thead th:visible").count() > len(shown)
