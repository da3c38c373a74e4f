"""Orders: a list with filters, and a search that finds one by what people have at hand."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from console.api import Problem, part
from console.visit import SEE_OTHER, Visit, view

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
}
TEXTS: Final = ("currency", "customer_id", "email")
_NOTHING: Final[dict[str, Any]] = {"items": [], "next": None}


async def orders(visit: Visit) -> Response:
    """The newest orders that fit the filters, or the page of what a search names."""
    sought = visit.query.get("q", "").strip()
    if found := sought and await _search(visit, sought):
        return RedirectResponse(found, SEE_OTHER)
    asked = {name: visit.query.get(name, "").strip() for name in (*STATES, *TEXTS)}
    asked["currency"] = asked["currency"].lower()
    answer = _NOTHING if sought else await _list(visit, asked)
    return visit.page("orders.html", asked=asked, choices=STATES, sought=sought, **answer)


routes = [view(LIST, orders)]


async def _list(visit: Visit, asked: dict[str, str]) -> dict[str, Any]:
    return await visit.api.get("/orders", **asked, cursor=visit.query.get("cursor"))


# ── Search ──────────────────────────────────────────────────────────────────────────────────────


async def _search(visit: Visit, text: str) -> str | None:
    """Where to go for an order's id, an e-mail address, a payment or a customer, in this order."""
    if await _one(visit, f"/orders/{part(text)}"):
        return f"{LIST}/{part(text)}"
    return (
        await _among(visit, "email", text)
        or await _paid_by(visit, text)
        or await _among(visit, "customer_id", text)
    )


async def _among(visit: Visit, column: str, text: str) -> str | None:
    """The one order that has this in a column, or the list of several."""
    found = (await visit.api.get("/orders", **{column: text}, limit=2))["items"]
    if len(found) == 1:
        return f"{LIST}/{part(found[0]['order_id'])}"
    return f"{LIST}?{urlencode({column: text})}" if found else None


async def _paid_by(visit: Visit, text: str) -> str | None:
    if not visit.may("see_records"):
        return None
    payment = await _one(visit, f"/payments/{part(text)}")
    order_id: str | None = payment["order_id"] if payment else None
    return f"{LIST}/{part(order_id)}" if order_id else None


async def _one(visit: Visit, path: str) -> dict[str, Any] | None:
    """One thing, if there is such a one."""
    try:
        return await visit.api.get(path)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None
