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
    visitor = enter(Role.ADMIN, viewport=PHONE)
    wide = {}
    for place in PLACES:
        page = visitor.look(place.address(world))
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[place.path] = width
    assert wide == {}
