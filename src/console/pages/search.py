"""Search: what people have at hand leads to the one thing that it names, or to all that fit."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from console import glossary, render
from console.api import Problem
from console.forms import answer_or_why
from console.page import SEE_OTHER, PageRequest, view

EACH: Final = 8
"""How many of a kind are shown."""
ICONS: Final = {
    "customer": "users",
    "dispute": "gavel",
    "event": "list-details",
    "invoice": "file-invoice",
    "issue": "alert-triangle",
    "order": "shopping-bag",
    "payment": "credit-card",
    "payout": "building-bank",
    "refund": "receipt-refund",
    "sku": "box",
    "subscription": "repeat",
    "wish": "heart",
}

Hit = dict[str, Any]


async def search(request: PageRequest) -> Response:
    """What a text names, by kind; the page of it where that is one thing.

    A `#` before a number, as orders are often written, is not part of it.
    """
    sought = request.query.get("q", "").strip().removeprefix("#").lstrip()
    groups, wrong = await _found(request, sought) if sought else ([], None)
    hits = [hit for group in groups for hit in group["hits"]]
    if (one := _one(sought, hits)) and not render.is_part(request.http):
        return RedirectResponse(one["page"], SEE_OTHER)
    return request.page(
        "search.html",
        wrong.status if wrong else 200,
        sought=sought,
        groups=groups,
        wrong=wrong,
        icons=ICONS,
    )


async def _found(request: PageRequest, sought: str) -> tuple[list[dict[str, Any]], Problem | None]:
    """Groups of hits that have a page, or why the API cannot look for it."""
    answer, wrong = await answer_or_why(request.api.get("/search", q=sought, limit=EACH))
    if wrong:
        return [], wrong
    groups = [group | {"hits": _with_pages(group)} for group in answer["groups"]]
    return [group for group in groups if group["hits"]], None


def _with_pages(group: dict[str, Any]) -> list[Hit]:
    """The hits of a kind, each with the page that it leads to and what is said of it."""
    kind: str = group["kind"]
    path = "events" if kind == "event" else render.PAGES.get(kind)
    if path is None:
        return []
    return [
        hit | {"page": f"/console/{path}/{quote(hit['id'], safe='')}", "said": _said(kind, hit)}
        for hit in group["hits"]
    ]


def _said(kind: str, hit: Hit) -> str:
    """What stands beside its id: its name, or of whom it is."""
    if kind == "event":
        return glossary.event(hit["name"])
    return hit["name"] or hit["email"] or ""


def _one(sought: str, hits: list[Hit]) -> Hit | None:
    """The one thing that was found, or that bears just this name."""
    exact = [hit for hit in hits if hit["id"].lower() == sought.lower()]
    found = exact if len(exact) == 1 else hits
    return found[0] if len(found) == 1 else None


routes = [view("/console/search", search, takes=("q",))]
