"""With the keyboard alone: everything is reached, in order, and one sees where one is."""

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser.visitor import Visitor
from tests.console.browser.world import World

FOCUSED = """() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    return {
        name: at.getAttribute("name") || at.textContent.trim(),
        isMarked: style.outlineStyle !== "none" || /[1-9][\\d.]*px/.test(style.boxShadow),
    };
}"""
MANY = 60


def stops(page: Page, until: str) -> list[dict[str, object]]:
    """Where the tab key leads, from where the focus is to the first place of this name."""
    found: list[dict[str, object]] = []
    while not found or found[-1]["name"] != until:
        assert len(found) < MANY, f"{until} is not reached from {found}"
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
    return found


def test_the_first_stop_skips_the_menu(ops: Visitor) -> None:
    page = ops.look("/console/orders")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert str(page.evaluate(FOCUSED)["name"]).startswith("Export")


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        ("/console/orders", ["q", "state", "payment_state", "email"]),
        ("/console/payments", ["state", "order_id", "currency"]),
        ("/console/issues", ["state", "severity", "check", "reference"]),
        ("/console/events", ["position", "object", "actor", "recorded_before"]),
        ("/console/orders/{}", ["q", "Link a payment", "step"]),
        ("/console/exports", ["window", "from", "to", "format", "reason"]),
    ],
)
def test_filters_are_reached_in_order_and_seen(
    admin: Visitor, world: World, path: str, filters: list[str]
) -> None:
    page = admin.look(path.format(world.one("/orders")["order_id"]))
    page.locator("details.in-place").evaluate_all("all => all.forEach(each => each.open = true)")
    reached = stops(page, until=filters[-1])
    names = [stop["name"] for stop in reached]
    positions = [names.index(name) for name in filters]
    assert positions == sorted(positions)
    assert [stop["name"] for stop in reached if not stop["isMarked"]] == []


def test_a_form_is_unfolded_filled_in_and_sent(ops: Visitor) -> None:
    page = ops.look("/console/stock/TEE-M")
    stops(page, until="Receive")
    page.keyboard.press("Enter")
    expect(page.locator("[name=quantity]")).to_be_focused()
    page.keyboard.type("3")
    stops(page, until="reason")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    ops.is_told("The units are counted in.")


def test_a_dialog_keeps_the_focus_and_gives_it_back(ops: Visitor) -> None:
    page = ops.look("/console/stock/TEE-M")
    ops.open("Receive")
    names = {stop["name"] for stop in (stops(page, until="Receive")[:-1])}
    assert names <= {"quantity", "reason", "Not now", "Receive"}
    page.keyboard.press("Tab")
    expect(page.locator("[name=quantity]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("details.dialog[open]")).to_have_count(0)
    expect(page.locator("summary", has_text="Receive")).to_be_focused()


def test_keys_lead_through_rows_to_lists_and_to_the_search(ops: Visitor) -> None:
    page = ops.look("/console/orders")
    for key in "jjk":
        page.keyboard.press(key)
    first = page.locator("#list tbody tr").first
    expect(first).to_have_class("is-here")
    order_id = first.locator("th a").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/orders/{order_id}")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/console/stock")
    page.keyboard.press("/")
    expect(page.get_by_label("Search everything")).to_be_focused()
    page.keyboard.type(order_id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/orders/{order_id}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_hits_of_the_search_are_reached_while_one_types(ops: Visitor) -> None:
    page = ops.look("/console/stock")
    page.keyboard.press("/")
    page.keyboard.type("ada@")
    hits = page.locator("#hits a")
    expect(hits.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(hits.first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/orders/*")
