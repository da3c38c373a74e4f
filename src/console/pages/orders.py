"""Orders: a list with filters, and a search that finds one by what people have at hand."""

from __future__ import annotations

from asyncio import gather
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from console.api import Problem, part
from console.lists import listed
from console.page import SEE_OTHER, PageRequest, view
from console.record_types import KINDS

LIST: Final = "/console/orders"
STATES: Final = {
    "state": ("pending", "paid", "fulfilled", "canceled", "expired"),
    "payment_state": ("unpaid", "partially_paid", "paid", "overpaid"),
    "refund_state": ("none", "partial", "full"),
    "dispute_state": (
        "none",
        "open",
        "under_review",
        "inquiry",
        "lost",
        "won",
        "closed",
        "inquiry_closed",
    ),
    "unallocated": ("true", "false"),
    "to_refund": ("true", "false"),
}
MAX_DIGITS: Final = 19
TEXTS: Final = ("currency", "customer_id", "email")


async def orders(visit: PageRequest) -> Response:
    """The orders that fit the filters, or the page of what a search names."""
    sought = visit.query.get("q", "").strip()
    if found := sought and await _search(visit, sought):
        return RedirectResponse(found, SEE_OTHER)
    asked = {name: visit.query.get(name, "").strip() for name in (*STATES, *TEXTS)}
    found = await listed(visit, "/orders", asked)
    return visit.page(
        "orders.html", found.status, asked=asked, choices=STATES, sought=sought, list=found
    )


routes = [view(LIST, orders)]


# ── Search ──────────────────────────────────────────────────────────────────────────────────────


async def _search(visit: PageRequest, text: str) -> str | None:
    """Where to go for what a person has at hand, in this order.

    An order's id, an e-mail address, a payment, a customer who ordered; an object of any other kind
    by its id; an event by its position or by Stripe's id of it. Our own ids and addresses are found
    in capitals and in small letters too; Stripe's ids tell one from the other.
    """
    for each in dict.fromkeys((text, text.lower(), text.upper())):
        if await _one(visit, f"/orders/{part(each)}"):
            return f"{LIST}/{part(each)}"
        if found := await _among(visit, "email", each):
            return found
    return (
        await _paid_by(visit, text)
        or await _among(visit, "customer_id", text)
        or await _record(visit, text)
        or await _event(visit, text)
    )


async def _record(visit: PageRequest, text: str) -> str | None:
    """The page of a product, an issue, or an object of Stripe's."""
    lists = [("see_records", kind.path) for kind in KINDS.values()]
    lists += [("see_records", "stock"), ("see_issues", "issues")]
    paths = [path for surface, path in lists if visit.may(surface)]
    found = await gather(*(_one(visit, f"/{path}/{part(text)}") for path in paths))
    there = (path for path, one in zip(paths, found, strict=True) if one)
    return next((f"/console/{path}/{part(text)}" for path in there), None)


async def _event(visit: PageRequest, text: str) -> str | None:
    """The page of an event, by its position or the id that Stripe gave it."""
    if not visit.may("see_evidence"):
        return None
    if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS:
        page = await visit.api.get("/events", cursor=max(int(text) - 1, 0), limit=1)
        return f"/console/events/{text}" if page["items"] and int(text) else None
    if not text.startswith("evt_"):
        return None
    page = await visit.api.get("/audit", object=f"stripe/{text}", limit=1)
    return f"/console/events/{page['items'][0]['position']}" if page["items"] else None


async def _among(visit: PageRequest, column: str, text: str) -> str | None:
    """The one order that has this in a column, or the list of several."""
    found = (await visit.api.get("/orders", **{column: text}, limit=2))["items"]
    if len(found) == 1:
        return f"{LIST}/{part(found[0]['order_id'])}"
    return f"{LIST}?{urlencode({column: text})}" if found else None


async def _paid_by(visit: PageRequest, text: str) -> str | None:
    if not visit.may("see_records"):
        return None
    payment = await _one(visit, f"/payments/{part(text)}")
    order_id: str | None = payment["order_id"] if payment else None
    return f"{LIST}/{part(order_id)}" if order_id else None


async def _one(visit: PageRequest, path: str) -> dict[str, Any] | None:
    """One thing, if there is such a one."""
    try:
        return await visit.api.get(path)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None
