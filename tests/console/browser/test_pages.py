"""Every page opens without a fault that a developer, or a user who cannot see it, would find."""

from collections.abc import Iterator
from datetime import date
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, StorageState, expect

from ledger.domain.access import Role
from tests.console.browser.accessibility import findings
from tests.console.browser.places import PLACES, Place
from tests.console.browser.visitor import Visitor, visitor
from tests.console.browser.words import names_of_programs
from tests.console.browser.world import World


@pytest.fixture(scope="module")
def window(browser: Browser, world: World, sessions: dict[Role, StorageState]) -> Iterator[Visitor]:
    """An administrator's, for one page after the other: axe-core is slow in a new one."""
    opened = visitor(browser, world.url, storage_state=sessions[Role.ADMIN])
    yield opened
    opened.context.close()


@pytest.fixture
def looker(window: Visitor) -> Iterator[Visitor]:
    """In that window, and nothing may be seen wrong in it."""
    window.page.emulate_media(color_scheme="light")
    window.wrong.clear()
    yield window
    assert window.wrong == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.path)
def test_every_page_is_well_made(looker: Visitor, world: World, place: Place) -> None:
    """Nothing in red, one main heading, nothing serious of axe-core's, and words."""
    page = looker.look(place.address(world))
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert findings(page) == []
    assert names_of_programs(page) == []


def test_a_name_of_a_program_is_noticed(admin: Visitor) -> None:
    """A check of the check."""
    page = admin.look("/console/stock")
    page.evaluate("document.querySelector('main').append('unallocated_minor', ' ')")
    page.evaluate("document.querySelector('main').append(document.createElement('p'))")
    page.evaluate("document.querySelector('main > p:last-child').append('12 gbp')")
    assert [each.partition(":")[0] for each in names_of_programs(page)] == [
        "a bare snake_case word",
        "an amount with a code in small letters",
    ]


def test_nothing_of_a_chart_is_cut_off_or_covers_what_stands_below(admin: Visitor) -> None:
    page = admin.look("/console?window=7")
    texts = page.locator(".chart text")
    expect(texts.first).to_be_visible()
    left = "texts => Math.min(...texts.map(each => each.getBoundingClientRect().left))"
    chart = page.locator(".chart").bounding_box()
    below = page.locator(".as-table > summary").bounding_box()
    assert chart is not None
    assert below is not None
    assert texts.evaluate_all(left) >= chart["x"]
    assert chart["y"] + chart["height"] <= below["y"]


def test_a_chart_tells_the_values_of_a_day_and_leads_to_them(admin: Visitor) -> None:
    page = admin.look("/console?window=7")
    expect(page.locator(".chart svg")).to_be_visible()
    box = page.locator(".chart svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator(".chart-tip")
    expect(tip).to_contain_text("Previous period")
    expect(tip).to_contain_text("£")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/console/figures/revenue?*from=*")


@pytest.mark.parametrize("path", ["/console?figure=orders", "/console/figures/revenue?cursor="])
def test_a_drag_over_a_chart_narrows_the_days_of_its_page(admin: Visitor, path: str) -> None:
    """From the day where it began to that where it ended, whichever is earlier."""
    page = admin.look(f"{path}&window=30&currency=gbp")
    box = page.locator(".chart svg").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.75, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, middle, steps=5)
    expect(page.locator(".brush")).to_be_visible()
    page.mouse.up()
    page.wait_for_url("**from=*to=*")
    asked = dict(parse_qsl(urlsplit(page.url).query))
    kept = {"currency": "gbp"} | ({"figure": "orders"} if "figure=" in path else {})
    assert asked.keys() - {"from", "to"} == kept.keys()
    assert 5 <= (date.fromisoformat(asked["to"]) - date.fromisoformat(asked["from"])).days <= 15
    expect(page.locator("tbody th[data-day]").first).to_have_attribute("data-day", asked["from"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_kept(admin: Visitor, theme: str) -> None:
    other = "light" if theme == "dark" else "dark"
    page = admin.look("/console/stock")
    page.emulate_media(color_scheme=other)
    page.get_by_role("button", name=f"{theme.capitalize()} theme").first.click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    admin.look("/console/orders")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)


def test_axe_finds_what_is_wrong(admin: Visitor) -> None:
    """A check of the check: an input without a label, and pale grey on white."""
    page = admin.look("/console/stock")
    page.evaluate(
        """() => {
            const main = document.querySelector("main");
            main.append(document.createElement("input"));
            const pale = document.createElement("p");
            pale.textContent = "pale";
            pale.style.color = "#bbb";
            main.append(pale);
        }"""
    )
    rules = {finding.partition(":")[0] for finding in findings(page)}
    assert {"label", "color-contrast"} <= rules


def test_what_a_developer_would_see_in_red_is_noticed(admin: Visitor) -> None:
    """The same for `enter`: a style that the policy forbids, and a file that is not there."""
    page = admin.look("/console/stock")
    with (
        page.expect_response("**/nothing.svg"),
        page.expect_console_message(lambda said: said.text.startswith("CSP: ")),
    ):
        page.evaluate(
            """() => document.body.insertAdjacentHTML("beforeend",
                '<p style="color: red">red</p><img src="/console/static/nothing.svg" alt="">')"""
        )
    kinds = {wrong.split()[1].strip(":") for wrong in admin.wrong}
    assert {"CSP", "404"} <= kinds
    page.close()  # a browser may say it twice, and the second time later
    admin.wrong.clear()
