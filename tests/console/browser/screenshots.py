"""`make screenshots`: every page in the demo's world, on one sheet to look at; eight for the docs.

All pictures go to build/screenshots, four of each page: wide and on a phone, light and dark. The
sheets there, index.html and one PNG for each look, are what one looks at, page by page.
"""

import re
import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from ledger.domain.access import Role
from tests.console.browser.places import PLACES, Place
from tests.console.browser.visitor import Visitor, chromium, visitor
from tests.console.browser.world import World, open_world
from tests.support.servers import running

ROOT: Final = Path(__file__).parents[3]
DOCS: Final = ROOT / "docs" / "images"
BUILD: Final = ROOT / "build" / "screenshots"
MOST_BYTES: Final = 200_000
Scheme = Literal["light", "dark"]


class Look(NamedTuple):
    """How a page is looked at: the window and the colours."""

    name: str
    width: int
    height: int
    scheme: Scheme


LOOKS: Final = (
    Look("wide-light", 1440, 900, "light"),
    Look("wide-dark", 1440, 900, "dark"),
    Look("phone-light", 390, 844, "light"),
    Look("phone-dark", 390, 844, "dark"),
)
WIDE, WIDE_DARK, PHONE, _ = LOOKS

_HOME: Final = Place("/console")
_REFUNDED: Final = (("refund_state", "partial"),)
_ORDER: Final = Place("/console/orders/{}", "/orders", "order_id", _REFUNDED)
_PAST: Final = Place("/console/orders/{}/as-of?step=6", "/orders", "order_id", _REFUNDED)
BEST: Final = {
    "console-home": (_HOME, WIDE),
    "console-home-dark": (_HOME, WIDE_DARK),
    "console-orders": (Place("/console/orders"), WIDE),
    "console-order": (_ORDER, WIDE),
    "console-order-past": (_PAST, WIDE),
    "console-figures": (Place("/console/figures/revenue?window=90"), WIDE),
    "console-issues": (Place("/console/issues"), WIDE),
    "console-phone": (Place("/console/orders"), PHONE),
}
"""The pictures of docs/images."""
ALSO: Final = (
    Place("/console/nowhere"),
    Place("/console/orders?state=canceled&currency=kwd&from=2020-01-01&to=2020-01-02"),
    Place("/console/orders?currency=euro"),
)
"""Pages beside those that are tried: what is not there, nothing that fits, and a refusal."""


def main() -> int:
    """Take all of them; answers the exit code."""
    program = chromium()
    if program is None:
        sys.stderr.write("There is no Chromium on PATH; install one, or name yours in CHROMIUM.\n")
        return 1
    BUILD.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(exist_ok=True)
    with (
        running(None) as server,
        open_world(server) as world,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program) as browser,
    ):
        someone = visitor(browser, world.url)
        someone.expects(404, 422)
        someone.look("/console/sign-in")
        _take(someone, BUILD / "sign-in", LOOKS)
        someone.enter(world.tokens[Role.ADMIN])
        someone.is_in()
        for place in (*PLACES, *ALSO):
            someone.look(place.address(world))
            _take(someone, BUILD / _name(place), LOOKS)
        for name, (place, look) in BEST.items():
            _best(someone, world, name, place, look)
        _sheets(browser)
        assert someone.wrong == []
    sys.stdout.write(f"All pages: {BUILD.relative_to(ROOT)}/index.html\n")
    return 0


def _name(place: Place) -> str:
    path = place.path.removeprefix("/console").replace("{}", "one")
    return re.sub(r"\W+", "-", path).strip("-") or "home"


def _take(someone: Visitor, file: Path, looks: tuple[Look, ...]) -> None:
    """The page that is open, in each look."""
    for look in looks:
        _as(someone, look)
        shown = file.with_name(f"{file.name}.{look.name}.png")
        someone.page.screenshot(path=shown, scale="css", animations="disabled")


def _as(someone: Visitor, look: Look) -> None:
    someone.page.emulate_media(color_scheme=look.scheme)
    someone.page.set_viewport_size({"width": look.width, "height": look.height})
    someone.rests()
    someone.page.wait_for_load_state("networkidle")
    someone.page.wait_for_timeout(100)  # charts are drawn again in other colours


def _best(someone: Visitor, world: World, name: str, place: Place, look: Look) -> None:
    _as(someone, look)
    someone.look(place.address(world))
    _as(someone, look)
    file = DOCS / f"{name}.png"
    someone.page.screenshot(path=file, scale="css", animations="disabled")
    assert file.stat().st_size < MOST_BYTES, f"{file.name} is too large"
    sys.stdout.write(f"docs/images/{file.name}  {file.stat().st_size // 1000} kB\n")


def _sheets(browser: Browser) -> None:
    """All pictures of a look on one page, and all pages in one file."""
    page = browser.new_page(viewport={"width": 2400, "height": 1000})
    sections: list[str] = []
    for look in LOOKS:
        wide = 480 if look.width > look.height else 200
        files = sorted(BUILD.glob(f"*.{look.name}.png"))
        cells = [
            f'<figure><img src="{file.name}" width="{wide}"><figcaption>{file.name}</figcaption>'
            for file in files
        ]
        sections.append(f"<h1>{look.name}</h1><main>{''.join(cells)}</main>")
        sheet = BUILD / "sheet.html"
        sheet.write_text(_STYLE + sections[-1], encoding="utf-8")
        page.goto(sheet.as_uri())
        page.screenshot(path=BUILD / f"sheet-{look.name}.png", full_page=True)
        sheet.unlink()
    (BUILD / "index.html").write_text(_STYLE + "".join(sections), encoding="utf-8")


_STYLE: Final = """<!doctype html><meta charset="utf-8"><title>Every page</title><style>
body { font: 12px sans-serif; background: #999; margin: 8px }
main { display: flex; flex-wrap: wrap; gap: 8px } figure { margin: 0 } img { display: block }
</style>"""


if __name__ == "__main__":
    sys.exit(main())
