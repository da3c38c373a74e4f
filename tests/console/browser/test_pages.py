"""Every page opens without a fault that a developer, or somebody who cannot see it, would find."""

import pytest
from playwright.sync_api import expect

from tests.console.browser.accessibility import findings
from tests.console.browser.places import PLACES, Place
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import World


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.path)
def test_every_page_is_well_made(admin: Visitor, world: World, place: Place) -> None:
    """Nothing in red (see `enter`), one main heading, and no serious finding of axe-core's."""
    page = admin.look(place.address(world))
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert findings(page) == []


def test_nothing_of_a_chart_is_cut_off_or_covers_what_stands_below(admin: Visitor) -> None:
    page = admin.look("/console?window=7")
    begin = "texts => texts.map(each => each.getBBox().x)"
    assert min(page.locator(".chart text").evaluate_all(begin)) >= 0
    for tile in page.locator(".tile").all():
        line = tile.locator(".sparkline").bounding_box()
        below = tile.locator("summary").bounding_box()
        assert line is not None
        assert below is not None
        assert line["y"] + line["height"] < below["y"]


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
