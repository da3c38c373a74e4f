"""Stock: the levels of all products, and one product with its movements, prices and counts."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from console.api import Problem, if_there, part
from console.forms import Refusal, number, prices, sent
from console.lists import LISTED, listed
from console.page import SEE_OTHER, PageRequest, done, told_of, view
from console.pages.records import timeline
from ledger.domain.money import format_money

LIST: Final = "/console/stock"
LOW_UNITS: Final = 5
PAGE_OF_EVENTS: Final = 25

TOLD: Final = {
    "receive": "The units are counted in.",
    "adjust": "The count is corrected.",
    "listing": "The product is listed so.",
}
"""What can be done to a product, and what is said when it was."""


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


async def levels(request: PageRequest) -> Response:
    """Products and their levels, or the page of the one that is looked for."""
    sought = request.query.get("q", "").strip()
    if sought and await _is_listed(request, sought):
        return RedirectResponse(_page(sought), SEE_OTHER)
    return await _list(request, sought=sought)


async def product(request: PageRequest) -> Response:
    """One product as it is now."""
    return await _show(request)


async def history(request: PageRequest) -> Response:
    """Every event of a product, with what it changed."""
    sku = _sku(request)
    found = await timeline(request, "/stock", sku, limit=PAGE_OF_EVENTS)
    return request.page("sku_history.html", found.status, sku=sku, list=found)


async def _list(
    request: PageRequest, *, sought: str = "", refusal: Refusal | None = None
) -> Response:
    preorder = request.query.get("preorder", "")
    found = await listed(request, "/stock", {"preorder": preorder}, totals=True)
    return request.form_page(
        "stock.html",
        refusal,
        found.status,
        items=[row | {"level": _level(row["available"])} for row in found.items],
        list=found,
        preorder=preorder,
        sought=sought,
        low=LOW_UNITS,
    )


async def _show(request: PageRequest, refusal: Refusal | None = None) -> Response:
    path = f"/stock/{part(_sku(request))}"
    item, moves = await asyncio.gather(
        request.api.get(path),
        listed(request, f"{path}/movements", {}, of="/stock/{id}/movements"),
    )
    return request.form_page(
        "sku.html",
        refusal,
        moves.status,
        item=item,
        level=_level(item["available"]),
        prices=", ".join(format_money(minor, each) for each, minor in item["prices"].items()),
        moves=moves,
    )


def _level(available: int) -> str | None:
    """What a person should know of a level; below zero is what pre-orders took ahead."""
    if available < 0:
        return "negative"
    if available == 0:
        return "sold_out"
    return "low" if available <= LOW_UNITS else None


async def _is_listed(request: PageRequest, sku: str) -> bool:
    return await if_there(request.api.get(f"/stock/{part(sku)}")) is not None


# ── Doing ───────────────────────────────────────────────────────────────────────────────────────


async def change(request: PageRequest, action: str) -> Response:
    """Count in, correct or list a product again; the API's refusal is shown at the form."""
    fields = await request.form()
    answer, refusal = await sent(_ask(request, action, _sku(request), fields), action, fields)
    if refusal:
        return await _show(request, refusal)
    return await _done(request, action, answer)


async def add(request: PageRequest) -> Response:
    """List a product that was none before."""
    fields = await request.form()
    answer, refusal = await sent(_add(request, fields), "listing", fields)
    if refusal:
        return await _list(request, refusal=refusal)
    return await _done(request, "listing", answer)


async def _add(request: PageRequest, fields: dict[str, str]) -> Any:
    sku = fields.get("sku", "").strip()
    if not sku:
        raise Problem(422, {"title": "A product needs a SKU."})
    if await _is_listed(request, sku):
        raise Problem(409, {"title": f"{sku} is listed already; change it on its page."})
    return await _ask(request, "listing", sku, fields)


async def _ask(request: PageRequest, action: str, sku: str, fields: dict[str, str]) -> Any:
    key, name = fields.get("key"), part(sku)
    if action == "listing":
        return await request.api.put(f"/products/{name}", _listing(fields), key=key)
    amount = "quantity" if action == "receive" else "change"
    body = {amount: number(fields.get(amount, "")), "reason": fields.get("reason", "")}
    return await request.api.post(f"/stock/{name}/{action}", body, key=key)


def _listing(fields: dict[str, str]) -> dict[str, Any]:
    return {
        "name": fields.get("name", "").strip(),
        "prices": prices(fields.get("prices", "")),
        "preorder": "preorder" in fields,
    }


async def _done(request: PageRequest, action: str, answer: dict[str, Any]) -> Response:
    await request.wait_for(answer["position"], f"/stock/{part(answer['sku'])}")
    return done(request, _page(answer["sku"]), told_of(answer, TOLD[action]))


def _sku(request: PageRequest) -> str:
    return request.path_params["sku"]


def _page(sku: str) -> str:
    return f"{LIST}/{part(sku)}"


ONE: Final = f"{LIST}/{{sku}}"
routes = [
    view(LIST, levels, takes=("q", "preorder", *LISTED)),
    view(LIST, add, methods=("POST",)),
    view(ONE, product, takes=LISTED),
    view(f"{ONE}/history", history, takes=LISTED),
    *(view(f"{ONE}/{each}", partial(change, action=each), methods=("POST",)) for each in TOLD),
]
