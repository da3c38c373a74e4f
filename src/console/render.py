"""How pages are written: templates, and how money, times, states and figures look on them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.changes import is_of_rows, rows_changed
from console import session
from console.static import address_of
from ledger.domain.money import format_money
from ledger.domain.text import visible_text

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "referrer-policy": "same-origin",  # without it browsers would not say where our forms come from
    "vary": "cookie, hx-request",
}

_TAGS: Final = re.compile(r"""(<(?:"[^"]*"|'[^']*'|[^>"'])*>)""")
_KINDS: Final = {
    "good": {
        "valid",
        "equal",
        "rebuilt",
        "captured",
        "completed",
        "paid",
        "fulfilled",
        "succeeded",
        "won",
        "following",
        "active",
        "resolved",
        "proven",
    },
    "bad": {
        "canceled",
        "expired",
        "failed",
        "lost",
        "stopped",
        "ahead",
        "unallocated",
        "unreadable",
        "refuted",
        "high",
        "uncollectible",
        "refused",
        "differs",
        "no_present_secret_fits",
        "sold_out",
        "negative",
    },
    "wait": {
        "pending",
        "partial",
        "partially_paid",
        "overpaid",
        "open",
        "processing",
        "under_review",
        "changed",
        "unbuilt",
        "medium",
        "past_due",
        "requires_action",
        "authorized",
        "trialing",
        "inquiry",
        "in_transit",
        "running",
        "low",
    },
}


def page(request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    """A page, or only its main part where htmx asks for that."""
    is_part = "hx-request" in request.headers and "hx-boosted" not in request.headers
    text = _environment.get_template(template).render(
        **context,
        layout="part.html" if is_part else "base.html",
        path=request.url.path,
        query=dict(request.query_params),
        more=partial(_more, request),
        csrf=session.csrf_of(request),
    )
    return HTMLResponse(readable(text), status, headers=HEADERS)


def readable(html: str) -> str:
    """A page in which no text reverses or hides what stands beside it: such characters are shown.

    What stands in tags stays as it is: forms send back what they were given.
    """
    if visible_text(html) == html:
        return html
    parts = _TAGS.split(html)
    return "".join(each if n % 2 else visible_text(each) for n, each in enumerate(parts))


def money(amount_minor: int | None, currency: str | None) -> str:
    """An amount for people, `12.50 GBP`; a dash for none."""
    if amount_minor is None or currency is None:
        return "–"
    amount, _, code = format_money(amount_minor, currency).partition(" ")
    return f"{_grouped(amount)} {code.upper()}".replace("-", "−")


def amount(amount_minor: int | None, currency: str | None) -> str:
    """An amount without its currency, where that stands beside it."""
    return money(amount_minor, currency).partition(" ")[0]


def when(text: str | None, zone: str = "UTC") -> Markup:
    """A time in the reporting zone, to the second, with the exact one in UTC beside it."""
    if not text:
        return Markup("–")
    moment = datetime.fromisoformat(text)
    local = moment.astimezone(ZoneInfo(zone))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        text, text, f"{local:%d %b %Y %H:%M:%S}"
    )


def day(text: str | None) -> str:
    """A date, `25 Nov 2026`."""
    return "–" if not text else f"{date.fromisoformat(text):%d %b %Y}"


def badge(state: str | None) -> Markup:
    """A state as a small label; its colour says whether it is well."""
    if not state:
        return Markup("–")
    kind = next((kind for kind, states in _KINDS.items() if state in states), "plain")
    return Markup('<span class="badge badge-{}">{}</span>').format(kind, state.replace("_", " "))


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return "–" if value is None else f"{value:,}".replace("-", "−")


def figure(value: Any, unit: str, currency: str | None) -> str:
    """A figure of the contract in its unit."""
    if value is None:
        return "–"
    match unit:
        case "money":
            return money(value, currency)
        case "percent":
            return f"{value:.2f} %".replace("-", "−")
        case _:
            return count(value)


def words(name: str) -> str:
    """A column's or state's name as a person reads it."""
    return re.sub(r" minor$", "", name.replace("_", " "))


def without_room(columns: Sequence[str]) -> list[str]:
    """The columns of a list for which a phone has no room: all but its key, state, amount and who.

    What has no state has a category.

    Of several amounts the first one stays, of who it is about the name before other words.
    """
    amounts = [each for each in columns if each.endswith("_minor")]
    people = [each for each in WHO if each in columns[1:]]
    kept = {columns[0], "state", "category", "currency", *amounts[:1], *people[:1]}
    return [each for each in columns if each not in kept]


WHO: Final = ("name", "email", "customer_id")
"""Columns that say of whom a row is, the one first that people go by."""


def link_to(kind: str, name: str | None) -> Markup:
    """An object's id as a link to its page, where it has one."""
    if not name:
        return Markup("–")
    pages: Mapping[str, str] = PAGES
    if kind not in pages:
        return escape(name)
    return Markup('<a href="/console/{}/{}">{}</a>').format(pages[kind], quote(name, safe=""), name)


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
}
"""Kinds of objects that have a page of their own, by the name of the list that they stand in."""


def _more(request: Request, cursor: str) -> str:
    """The query of the page that follows: what this one was asked for, from the cursor on."""
    asked = {name: value for name, value in request.query_params.items() if value}
    asked.pop("told", None)
    return urlencode(asked | {"cursor": cursor})


def _grouped(amount: str) -> str:
    units, point, rest = amount.partition(".")
    return f"{int(units):,}{point}{rest}" if int(units) else amount


_environment = Environment(
    loader=PackageLoader("console"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_filters = (
    money,
    amount,
    when,
    day,
    badge,
    count,
    figure,
    words,
    is_of_rows,
    rows_changed,
    without_room,
)
_environment.filters.update({each.__name__: each for each in _filters})  # pyright: ignore[reportUnknownMemberType] - jinja2's own type
_environment.globals.update(link_to=link_to, static=address_of)  # pyright: ignore[reportUnknownMemberType] - jinja2's own type
