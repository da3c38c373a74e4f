"""Orders: a list with filters, and a search that finds one by what people have at hand."""

from __future__ import annotations

from asyncio import gather
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from console.api import Problem, part
from console.lists import LISTED, listed
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


async def orders(request: PageRequest) -> Response:
    """The orders that fit the filters, or the page of what a search names."""
    sought = request.query.get("q", "").strip()
    if found := sought and await _search(request, sought):
        return RedirectResponse(found, SEE_OTHER)
    asked = {name: request.query.get(name, "").strip() for name in (*STATES, *TEXTS)}
    found = await listed(request, "/orders", asked)
    return request.page(
        "orders.html", found.status, asked=asked, choices=STATES, sought=sought, list=found
    )


routes = [view(LIST, orders, takes=("q", *STATES, *TEXTS, *LISTED))]


# ── Search ──────────────────────────────────────────────────────────────────────────────────────


async def _search(request: PageRequest, text: str) -> str | None:
    """Where to go for what a person has at hand, in this order.

    An order's id, an e-mail address, a payment, a customer who ordered; an object of any other kind
    by its id; an event by its position or by Stripe's id of it. Our own ids and addresses are found
    in capitals and in small letters too; Stripe's ids tell one from the other.
    """
    for each in dict.fromkeys((text, text.lower(), text.upper())):
        if await _one(request, f"/orders/{part(each)}"):
            return f"{LIST}/{part(each)}"
        if found := await _among(request, "email", each):
            return found
    return (
        await _paid_by(request, text)
        or await _among(request, "customer_id", text)
        or await _record(request, text)
        or await _event(request, text)
    )


async def _record(request: PageRequest, text: str) -> str | None:
    """The page of a product, an issue, or an object of Stripe's."""
    lists = [("see_records", kind.path) for kind in KINDS.values()]
    lists += [("see_records", "stock"), ("see_issues", "issues")]
    paths = [path for permission, path in lists if request.may(permission)]
    found = await gather(*(_one(request, f"/{path}/{part(text)}") for path in paths))
    there = (path for path, one in zip(paths, found, strict=True) if one)
    return next((f"/console/{path}/{part(text)}" for path in there), None)


async def _event(request: PageRequest, text: str) -> str | None:
    """The page of an event, by its position or the id that Stripe gave it."""
    if not request.may("see_evidence"):
        return None
    if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS:
        page = await request.api.get("/events", cursor=max(int(text) - 1, 0), limit=1)
        return f"/console/events/{text}" if page["items"] and int(text) else None
    if not text.startswith("evt_"):
        return None
    page = await request.api.get("/audit", object=f"stripe/{text}", limit=1)
    return f"/console/events/{page['items'][0]['position']}" if page["items"] else None


async def _among(request: PageRequest, column: str, text: str) -> str | None:
    """The one order that has this in a column, or the list of several."""
    found = (await request.api.get("/orders", **{column: text}, limit=2))["items"]
    if len(found) == 1:
        return f"{LIST}/{part(found[0]['order_id'])}"
    return f"{LIST}?{urlencode({column: text})}" if found else None


async def _paid_by(request: PageRequest, text: str) -> str | None:
    if not request.may("see_records"):
        return None
    payment = await _one(request, f"/payments/{part(text)}")
    order_id: str | None = payment["order_id"] if payment else None
    return f"{LIST}/{part(order_id)}" if order_id else None


async def _one(request: PageRequest, path: str) -> dict[str, Any] | None:
    """One thing, if there is such a one."""
    try:
        return await request.api.get(path)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None
