"""Search: finds one thing of any kind by what people have at hand, and goes to its page."""

from __future__ import annotations

from asyncio import gather
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from console.api import Problem, part
from console.page import SEE_OTHER, PageRequest, view
from console.record_types import KINDS

ORDERS: Final = "/console/orders"
MAX_DIGITS: Final = 19
NOT_THERE: Final = (404, 422)
"""There is none of this name, or there can be none."""


async def search(request: PageRequest) -> Response:
    """The page of what is named, or that there is no such thing."""
    sought = request.query.get("q", "").strip()
    if found := sought and await _search(request, sought):
        return RedirectResponse(found, SEE_OTHER)
    return request.page("search.html", sought=sought)


async def _search(request: PageRequest, text: str) -> str | None:
    """Where to go for what a person has at hand, in this order.

    An order's id, an e-mail address, a payment, a customer who ordered; an object of any other kind
    by its id; an event by its position or by Stripe's id of it. Our own ids and addresses are found
    in capitals and in small letters too; Stripe's ids tell one from the other.
    """
    spellings = (text, text.lower(), text.upper()) if request.may("see_order") else ()
    for each in dict.fromkeys(spellings):
        if await _one(request, f"/orders/{part(each)}"):
            return f"{ORDERS}/{part(each)}"
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
    if not request.may("see_order"):
        return None
    found = (await request.api.get("/orders", **{column: text}, limit=2))["items"]
    if len(found) == 1:
        return f"{ORDERS}/{part(found[0]['order_id'])}"
    return f"{ORDERS}?{urlencode({column: text})}" if found else None


async def _paid_by(request: PageRequest, text: str) -> str | None:
    if not request.may("see_records"):
        return None
    payment = await _one(request, f"/payments/{part(text)}")
    order_id: str | None = payment["order_id"] if payment else None
    return f"{ORDERS}/{part(order_id)}" if order_id else None


async def _one(request: PageRequest, path: str) -> dict[str, Any] | None:
    """One thing, if there is such a one."""
    try:
        return await request.api.get(path)
    except Problem as problem:
        if problem.status not in NOT_THERE:
            raise
        return None


routes = [view("/console/search", search, takes=("q",))]
