"""`make screenshots`: the pictures of the console in docs/images, taken in the demo's world."""

import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import sync_playwright

from ledger.domain.access import Role
from tests.console.browser.places import Place
from tests.console.browser.visitor import WIDTH, Visitor, chromium, visitor
from tests.console.browser.world import World, open_world
from tests.support.servers import running

FOLDER: Final = Path(__file__).parents[3] / "docs" / "images"
MOST_BYTES: Final = 300_000


class Shot(NamedTuple):
    """A picture of the top of a page."""

    name: str
    place: Place
    height: int
    scheme: Literal["light", "dark"] = "light"


_HOME: Final = Place("/console?window=90")
SHOTS: Final = (
    Shot("console-home", _HOME, 1280),
    Shot("console-home-dark", _HOME, 1280, "dark"),
    Shot("console-orders", Place("/console/orders"), 720),
    Shot(
        "console-order",
        Place("/console/orders/{}", "/orders", "order_id", (("refund_state", "partial"),)),
        1600,
    ),
    Shot("console-stock", Place("/console/stock"), 620),
    Shot("console-figures", Place("/console/figures/revenue?window=90"), 900),
    Shot("console-events", Place("/console/events?actor=stripe"), 720),
    Shot("console-issues", Place("/console/issues"), 720),
    Shot("console-projections", Place("/console/projections"), 720),
)


def main() -> int:
    """Take all of them; answers the exit code."""
    program = chromium()
    if program is None:
        sys.stderr.write("There is no Chromium on PATH; install one, or name yours in CHROMIUM.\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    with (
        running(None) as server,
        open_world(server) as world,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program) as browser,
    ):
        someone = visitor(browser, world.url)
        someone.look("/console/sign-in")
        someone.enter(world.tokens[Role.ADMIN])
        someone.page.get_by_role("button", name="Sign out").wait_for()
        for shot in SHOTS:
            _take(someone, world, shot)
    return 0


def _take(someone: Visitor, world: World, shot: Shot) -> None:
    page, file = someone.page, FOLDER / f"{shot.name}.png"
    page.emulate_media(color_scheme=shot.scheme)
    page.set_viewport_size({"width": WIDTH, "height": shot.height})
    someone.look(shot.place.address(world))
    page.screenshot(path=file, scale="css", animations="disabled")
    assert someone.wrong == []
    assert file.stat().st_size < MOST_BYTES, f"{file.name} is too large"
    sys.stdout.write(f"docs/images/{file.name}  {file.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    sys.exit(main())
