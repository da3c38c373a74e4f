"""`make screenshots`: every page in the demo's world, on one sheet to look at; eight for the docs.

All pictures go to build/screenshots, four of each page: wide and on a phone, light and dark, each
as tall as its page. The sheets there, index.html and one PNG for each look, are what one looks at,
page by page.
"""

import re
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from ledger.domain.access import Role
from tests.console.browser.places import PLACES, Place
from tests.console.browser.visitor import Visitor, chromium, visitor
from tests.console.browser.world import World, open_empty, open_world
from tests.support.servers import running

ROOT: Final = Path(__file__).parents[3]
DOCS: Final = ROOT / "docs" / "images"
BUILD: Final = ROOT / "build" / "screenshots"
MOST_BYTES: Final = 250_000
TALLEST: Final = 2_400
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
    Place("/console/payments/links?kind=description&word=Ticket+{order}"),
    Place("/console/books?period=2020-01"),
)
"""Pages beside those that are tried: what is not there, nothing that fits, and a refusal."""
OF_AN_EMPTY_LEDGER: Final = (
    Place("/console"),
    Place("/console/orders"),
    Place("/console/issues"),
    Place("/console/books"),
)
"""Pages that say what to do first."""


class Taken(NamedTuple):
    """A page of which pictures were taken: how their names begin, its title and its address."""

    name: str
    title: str
    address: str


def main() -> int:
    """Take all of them; answers the exit code."""
    program = chromium()
    if program is None:
        sys.stderr.write("There is no Chromium on PATH; install one, or name yours in CHROMIUM.\n")
        return 1
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    DOCS.mkdir(exist_ok=True)
    with (
        running(None) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program) as browser,
    ):
        taken: list[Taken] = []
        with open_world(server) as world, _looking(browser, world) as visitor_:
            for order_id in (world.order(), world.order()):
                world.pay(None, description=f"Ticket {order_id}")
            for place in (*PLACES, *ALSO):
                taken.append(_take(visitor_, place.address(world), len(taken)))
            for name, (place, look) in BEST.items():
                _best(visitor_, world, name, place, look)
            visitor_.sign_out()
            taken.append(_take(visitor_, "/console/sign-in", len(taken)))
        with open_empty(server) as world, _looking(browser, world) as visitor_:
            for place in OF_AN_EMPTY_LEDGER:
                taken.append(_take(visitor_, place.path, len(taken), "empty"))
        _sheets(browser, taken)
    sys.stdout.write(f"All pages: {BUILD.relative_to(ROOT)}/index.html\n")
    return 0


@contextmanager
def _looking(browser: Browser, world: World) -> Generator[Visitor]:
    """An administrator who signed in; at the end, nothing may have been wrong."""
    found = visitor(browser, world.url, locale="en-GB")
    found.expects(404, 422)
    found.look("/console/sign-in")
    found.enter(world.tokens[Role.ADMIN])
    found.is_in()
    yield found
    assert found.wrong == []
    found.context.close()


def _take(visitor_: Visitor, address: str, number: int, of: str = "") -> Taken:
    """A page in each look."""
    page = visitor_.look(address)
    words = re.sub(r"\W+", "-", f"{of}{address}".replace("/console", "", 1)).strip("-")
    taken = Taken(f"{number + 1:02}-{words[:40] or 'home'}", page.title(), address)
    for look in LOOKS:
        _as(visitor_, look)
        tall = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
        _as(visitor_, look._replace(height=max(tall, look.height)))
        page.screenshot(path=_file(taken, look), scale="css", animations="disabled")
    return taken


def _file(taken: Taken, look: Look) -> Path:
    return BUILD / f"{taken.name}.{look.name}.png"


def _as(visitor_: Visitor, look: Look) -> None:
    visitor_.page.emulate_media(color_scheme=look.scheme)
    visitor_.page.set_viewport_size({"width": look.width, "height": look.height})
    visitor_.rests()
    visitor_.page.wait_for_load_state("networkidle")
    visitor_.page.wait_for_timeout(100)  # charts are drawn again in other colours


def _best(visitor_: Visitor, world: World, name: str, place: Place, look: Look) -> None:
    _as(visitor_, look)
    visitor_.look(place.address(world))
    _as(visitor_, look)
    file = DOCS / f"{name}.png"
    visitor_.page.screenshot(path=file, scale="css", animations="disabled")
    assert file.stat().st_size < MOST_BYTES, f"{file.name} is too large"
    sys.stdout.write(f"docs/images/{file.name}  {file.stat().st_size // 1000} kB\n")


def _sheets(browser: Browser, taken: Sequence[Taken]) -> None:
    """A grid of the pictures of each look as one picture, and all of them on one page."""
    page = browser.new_page(viewport={"width": 2400, "height": 1000})
    sections = [_section(look, taken) for look in LOOKS]
    index = BUILD / "index.html"
    for look, section in zip(LOOKS, sections, strict=True):
        index.write_text(_STYLE + section, encoding="utf-8")
        page.goto(index.as_uri())
        page.screenshot(path=BUILD / f"sheet-{look.name}.png", full_page=True)
    index.write_text(_STYLE + "".join(sections), encoding="utf-8")
    page.close()


def _section(look: Look, taken: Sequence[Taken]) -> str:
    cells = [
        f'<a href="{_file(each, look).name}"><b>{escape(each.title)}</b>'
        f"<small>{escape(each.address)}</small>"
        f'<img src="{_file(each, look).name}" alt=""></a>'
        for each in taken
    ]
    shape = "wide" if look.width > look.height else "tall"
    return f'<h1>{look.name}</h1><main class="{shape}">{"".join(cells)}</main>'


_STYLE: Final = """<!doctype html><meta charset="utf-8"><title>Every page</title><style>
body { font: 13px/18px sans-serif; background: #ccc; margin: 16px }
main { display: grid; gap: 16px } .wide { grid-template-columns: repeat(5, 1fr) }
.tall { grid-template-columns: repeat(9, 1fr) }
a { color: #000; text-decoration: none; min-width: 0 } img { width: 100%; object-fit: cover;
object-position: top; border: 1px solid #999; box-sizing: border-box; display: block }
.wide img { aspect-ratio: 16 / 12 } .tall img { aspect-ratio: 390 / 844 }
b, small { display: block; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
</style>"""


if __name__ == "__main__":
    sys.exit(main())
