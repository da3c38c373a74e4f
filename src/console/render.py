"""How pages are made: templates, what all of them know, and the headers that they are sent with."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.changes import is_of_rows, rows_changed
from console import appearance, frame, glossary, order_words, session, sparkline, timeline, writing
from console.static import GZIP, address_of, takes_gzip
from ledger.domain.text import visible_text

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " font-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",  # without it browsers would not say where our forms come from
    "vary": "cookie, hx-request, accept-encoding",
}
REFUSED: Final = 400
LARGE: Final = 2_000
"""Bytes from which on a page is worth compressing."""
QUICK: Final = 5
"""How hard to compress: a page is made for one look."""

_TAGS: Final = re.compile(r"""(<(?:"[^"]*"|'[^']*'|[^>"'])*>)""")


def page(request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    """A page, or only its main part where htmx asks for that."""
    text = _environment.get_template(template).render(
        **{"frame": frame.EMPTY, "zone": "UTC", "told": None, "may": _nothing} | context,
        layout="part.html" if is_part(request) else "base.html",
        path=request.url.path,
        query=dict(request.query_params),
        address=_address(request) if status < REFUSED else "/console",
        more=partial(_more, request),
        look=appearance.of(request),
        csrf=session.csrf_of(request),
    )
    return _sent(request, readable(text), status)


def is_part(request: Request) -> bool:
    """Whether only the main part of a page is asked for."""
    return "hx-request" in request.headers and "hx-boosted" not in request.headers


def _sent(request: Request, text: str, status: int) -> HTMLResponse:
    """The page, compressed for browsers that read that.

    No other site can have it fetched with the session's cookie, which is SameSite=Strict, and so
    measure how well it compresses.
    """
    content = text.encode()
    if len(content) < LARGE or not takes_gzip(request):
        return HTMLResponse(content, status, headers=HEADERS)
    headers = HEADERS | {"content-encoding": GZIP}
    return HTMLResponse(gzip.compress(content, QUICK), status, headers=headers)


def readable(html: str) -> str:
    """A page in which no text reverses or hides what stands beside it: such characters are shown.

    What stands in tags stays as it is: forms send back what they were given.
    """
    if visible_text(html) == html:
        return html
    parts = _TAGS.split(html)
    return "".join(each if n % 2 else visible_text(each) for n, each in enumerate(parts))


def link_to(kind: str, name: str | None, text: str | None = None) -> Markup:
    """An object's id as a link to its page, where it has one; ids of Stripe's are shortened."""
    if not name:
        return writing.DASH
    shown = text or short(name)
    pages: Mapping[str, str] = PAGES
    if kind not in pages:
        return escape(shown)
    title = Markup(' title="{}"').format(name) if shown != name else Markup("")
    return Markup('<a href="/console/{}/{}"{}>{}</a>').format(
        pages[kind], quote(name, safe=""), title, shown
    )


_STRIPES: Final = re.compile(r"[a-z]{2,6}_\w{16,}")


def short(name: str) -> str:
    """An id of Stripe's with its middle left out, `pi_3cmUm0…cKG54`; others as they are."""
    return f"{name[:9]}…{name[-5:]}" if _STRIPES.fullmatch(name) else name


PAGES: Final = {
    "order": "orders",
    "payment": "payments",
    "refund": "refunds",
    "dispute": "disputes",
    "customer": "customers",
    "sku": "stock",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "payout": "payouts",
    "transaction": "transactions",
    "entry": "books/entries",
    "checkout": "checkouts",
    "issue": "issues",
    "wish": "wishlists",
}
"""Kinds of objects that have a page of their own, by the name of the list that they stand in."""


def _nothing(_permission: str) -> bool:
    """What one may do of whom nothing is known."""
    return False


def _address(request: Request) -> str:
    """The address of the page, to come back to; of what a form made, that of the form's page."""
    path, query = request.url.path, request.url.query
    if request.method != "GET":
        return "/console"
    return f"{path}?{query}" if query else path


def _more(request: Request, cursor: str) -> str:
    """The query of the page that follows: what this one was asked for, from the cursor on."""
    asked = {name: value for name, value in request.query_params.items() if value}
    asked.pop("told", None)
    return urlencode(asked | {"cursor": cursor})


_environment = Environment(
    loader=PackageLoader("console"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_filters = {
    each.__name__: each
    for each in (
        writing.ago, writing.badge, writing.clock, writing.count, writing.dated, writing.day,
        writing.figure, writing.filled, writing.finding, writing.is_number, writing.marked,
        writing.moment, writing.money, writing.month, writing.named, writing.places,
        writing.prose, writing.reference, writing.sentence,
        writing.signed, writing.spoken, writing.when, writing.within, writing.without_currency,
        glossary.actor, glossary.label, glossary.plural, glossary.words, is_of_rows, rows_changed,
    )
}  # fmt: skip
_globals = {
    "known_kinds": frozenset(PAGES),
    "link_to": link_to,
    "static": address_of,
    "days_of": writing.days,
    "event_name": glossary.event,
    "initials": writing.initials,
    "menu": frame.MENU,
    "most_used": frame.MOST_USED,
    "order_badges": order_words.badges,
    "order_payment": order_words.payment,
    "order_stages": order_words.stages,
    "order_status": order_words.status,
    "settings_entry": frame.SETTINGS,
    "short": short,
    "sparkline": sparkline.draw,
    "share_bar": sparkline.share,
    "state_word": glossary.state,
    "told_events": timeline.told,
    "ticks_of": timeline.ticks,
    "zone_name": writing.zone_name,
}
_environment.filters.update(_filters)  # pyright: ignore[reportUnknownMemberType]
_environment.globals.update(_globals)  # pyright: ignore[reportUnknownMemberType]
