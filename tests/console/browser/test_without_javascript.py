"""Without JavaScript: the same reads, and an action."""

import pytest
from playwright.sync_api import expect

from ledger.domain.access import Role
from tests.console.browser.conftest import Entering
from tests.console.browser.places import PLACES, Place
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import World

SMOOTHED = {
    "/console?window=90",
    "/console/orders",
    "/console/orders/{}",
    "/console/payments",
    "/console/issues",
    "/console/events",
    "/console/figures",
    "/console/exports",
}
"""Pages that scripts make smoother, one of each sort."""
READ = [place for place in PLACES if place.path in SMOOTHED]


@pytest.fixture
def plain(enter: Entering) -> Visitor:
    return enter(Role.ADMIN, java_script_enabled=False)


@pytest.mark.parametrize("place", READ, ids=lambda place: place.path)
def test_pages_show_the_same(plain: Visitor, admin: Visitor, world: World, place: Place) -> None:
    """Under the same heading, as many rows."""
    address = place.address(world)
    heading = admin.look(address).get_by_role("heading", level=1).inner_text()
    rows = admin.page.locator("main table").first.locator("tr").count()
    page = plain.look(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.locator("main table").first.locator("tr")).to_have_count(rows)


def test_filters_and_pages_are_links_and_buttons(plain: Visitor) -> None:
    page = plain.look("/console/orders")
    plain.filter(state="fulfilled")
    page.get_by_role("link", name="Next page").click()
    assert "state=fulfilled" in page.url
    assert "cursor=" in page.url
    expect(page.locator("#list tbody td.at-state").first).to_contain_text("Shipped")


def test_an_order_as_it_was(plain: Visitor, world: World) -> None:
    page = plain.look(f"/console/orders/{world.sent_order()}")
    slider = page.get_by_label("As of its event")
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#badges")).to_contain_text("Waiting")
    page.get_by_role("link", name="One later").click()
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("#badges")).to_contain_text("Shipped")


def test_an_order_is_fulfilled(plain: Visitor, world: World) -> None:
    order_id = world.paid_order()
    plain.look(f"/console/orders/{order_id}")
    plain.act("Fulfil", "Fulfil", reason="picked up")
    plain.is_told("The order is fulfilled.")
    assert world.client.get(f"/orders/{order_id}")["state"] == "fulfilled"


def test_a_category_of_products_is_taken_back_and_named(plain: Visitor) -> None:
    path = "/console/books/categories"
    page = plain.look(path)
    row = page.locator("main tbody tr")
    expect(row).to_contain_text("STAMPS")
    plain.act("Take back", "Take it back", reason="not any more")
    plain.is_told("The category is taken back.")
    expect(row).to_contain_text("none of its own")
    plain.act("Name a category", "Name it", sku="STAMPS", category="stamps", reason="ours")
    plain.is_told("The category is named.")
    expect(row.get_by_text("stamps", exact=True)).to_be_visible()
