"""Lists in the browser: sorted by their heads, of days, refused in place, on a phone."""

import re
from itertools import islice
from typing import Literal

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
    visitor.filter(state="fulfilled")
    expect(page).to_have_url(re.compile("state=fulfilled"))
    page.get_by_role("link", name="Next page").click()
    expect(page).to_have_url(re.compile("cursor="))
    expect(page.locator("th[aria-sort]")).to_have_text("Total")
    assert "sort=total_minor" in page.url
    assert "state=fulfilled" in page.url


def test_what_a_filter_cannot_be_is_told_where_the_rows_would_be(enter: Entering) -> None:
    visitor = enter(Role.ADMIN)
    visitor.expects(422)
    page = visitor.look("/console/orders")
    visitor.filter(currency="euro")
    expect(page.locator("#list [role=alert]")).to_be_visible()
    expect(page.locator("#list table")).to_have_count(0)
    visitor.filter(currency="gbp")
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
    listed = islice(world.client.everything("/audit"), 600)
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
        ("/console/orders", 7),
        ("/console/payments", 5),
        ("/console/customers", 4),
        ("/console/stock?sort=-available", 3),  # a low one has its level as well
        ("/console/issues", 5),
        ("/console/events?kind=order.placed", 5),
        ("/console/projections", 3),
        ("/console/figures", 3),
    ],
)
def test_a_phone_shows_a_row_as_a_card(enter: Entering, path: str, shown: int) -> None:
    """What tells a row, without a sideways scroll, and only what it has; a wide screen has all."""
    page = enter(Role.ADMIN, viewport=PHONE).look(path)
    table = page.locator("table.list").first
    row = table.locator("tbody tr").first
    assert row.locator("th:visible, td:visible").count() == shown
    assert row.locator("th").bounding_box() is not None
    assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
    expect(table.locator("thead")).to_be_hidden()
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(table.locator("thead")).to_be_visible()
    assert row.locator("th:visible, td:visible").count() == row.locator("th, td").count()


@pytest.mark.parametrize("scripted", [True, False])
def test_columns_are_chosen_and_stand_in_the_address(enter: Entering, scripted: bool) -> None:
    visitor = enter(Role.ADMIN, java_script_enabled=scripted)
    page = visitor.look("/console/orders")
    heads = page.locator("#list thead th")
    expect(heads.filter(has_text="Refunded")).to_have_count(0)
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("menuitemcheckbox", name="Refunded").click()
    expect(heads.filter(has_text="Refunded")).to_have_count(1)
    visitor.look(page.url)
    expect(heads.filter(has_text="Refunded")).to_have_count(1)


@pytest.mark.parametrize("scripted", [True, False])
def test_a_chip_says_what_a_list_is_narrowed_to_and_takes_it_back(
    enter: Entering, scripted: bool
) -> None:
    visitor = enter(Role.ADMIN, java_script_enabled=scripted)
    page = visitor.look("/console/orders?state=fulfilled&currency=gbp")
    expect(page.locator(".chip")).to_have_text(["Shipped", "GBP"])
    page.get_by_role("link", name="Without Shipped").click()
    expect(page.locator(".chip")).to_have_text(["GBP"])
    assert "state=" not in page.url


@pytest.mark.parametrize("scripted", [True, False])
def test_a_filter_is_saved_under_a_name_and_opened_again(enter: Entering, scripted: bool) -> None:
    visitor, name = enter(Role.ADMIN, java_script_enabled=scripted), f"Sent {int(scripted)}"
    page = visitor.look("/console/orders")
    visitor.filter(state="fulfilled", currency="gbp")
    expect(page.locator("#chips .chip")).to_have_text(["Shipped", "GBP"])
    visitor.rests()
    page.locator("#chips summary", has_text="Save").click()
    page.get_by_label("Name of this filter").fill(name)
    page.get_by_role("button", name="Save it").click()
    visitor.is_told(f"Saved as “{name}”.")
    expect(page.locator(".chip").filter(has_text="Shipped")).to_be_visible()
    visitor.look("/console/orders")
    page.get_by_role("navigation", name="Saved filters").get_by_role("link", name=name).click()
    expect(page.locator("#chips .chip")).to_have_text(["Shipped", "GBP"])
    page.get_by_role("button", name=f"Remove the saved filter {name}").click()
    visitor.is_told(f"“{name}” is removed.")
    expect(page.locator("#chips .chip")).to_have_text(["Shipped", "GBP"])
    expect(page.get_by_role("link", name=name)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_box_that_is_chosen_is_filled_but_for_its_check_mark(
    enter: Entering, scheme: Literal["light", "dark"]
) -> None:
    page = enter(Role.ADMIN, color_scheme=scheme).look("/console/orders")
    box = page.locator("#list tbody input[type=checkbox]").first
    box.check()
    mark = "it => getComputedStyle(it, '::before')"
    assert box.evaluate(f"{mark}.maskImage").startswith("url(")
    fill = box.evaluate("it => getComputedStyle(it).backgroundColor")
    assert box.evaluate(f"{mark}.backgroundColor") != fill


@pytest.mark.parametrize("scripted", [True, False])
def test_long_names_of_filters_and_long_values_do_not_widen_a_page(
    enter: Entering, scripted: bool
) -> None:
    """Of sixty wide letters and of three hundred characters, on the narrowest phone."""
    visitor = enter(Role.OPS, viewport={"width": 320, "height": 800}, java_script_enabled=scripted)
    page = visitor.look(f"/console/orders?email={'x' * 300}")
    page.locator("summary", has_text="Save").click()
    page.get_by_label("Name of this filter").fill("W" * 60)
    page.get_by_role("button", name="Save it").click()
    remove = page.get_by_role("button", name="Remove the saved filter")
    expect(remove).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    remove.click()
    expect(remove).to_have_count(0)
