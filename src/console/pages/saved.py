"""Saving what a list is narrowed to under a name, and removing that."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from console.api import Problem
from console.notice import with_notice
from console.page import SEE_OTHER, PageRequest, view
from console.saved import owner_of, query_of, store_of
from ledger.errors import InvalidCommand
from ledger.saved_filters import SavedFilter

LIST: Final = re.compile(r"/console/[a-z_]+")
"""Addresses of lists; what there is not is not found when it is opened."""


async def save(request: PageRequest) -> Response:
    """Keep a filter, and show the list by it."""
    fields = await request.form()
    page, name = _page(fields), _name(fields)
    query = query_of(dict(parse_qsl(fields.get("query", ""))))
    saved = SavedFilter(name, query)
    try:
        await run_in_threadpool(store_of(request.http).save, owner_of(request.http), page, saved)
    except InvalidCommand as error:
        raise Problem(422, {"title": "The filter was not saved.", "detail": f"{error}"}) from None
    return _back(request, page, query, f"Saved as “{name}”.")


async def remove(request: PageRequest) -> Response:
    """Forget a filter, and show the list as it was."""
    fields = await request.form()
    page, name = _page(fields), _name(fields)
    await run_in_threadpool(store_of(request.http).remove, owner_of(request.http), page, name)
    query = query_of(dict(parse_qsl(fields.get("query", ""))))
    return _back(request, page, query, f"“{name}” is removed.")


def _page(fields: dict[str, str]) -> str:
    page = fields.get("page", "")
    if not LIST.fullmatch(page):
        raise Problem(422, {"title": "Only filters of the console's lists are saved."})
    return page


def _name(fields: dict[str, str]) -> str:
    """As it is shown: what is no character of a text is left out."""
    name = "".join(
        each for each in fields.get("name", "") if category(each) != "Cc" or each.isspace()
    )
    return " ".join(name.split())


def _back(request: PageRequest, page: str, query: str, told: str) -> Response:
    address = with_notice(request.http, page, told)
    return RedirectResponse(f"{address}&{query}" if query else address, SEE_OTHER)


routes = [
    view("/console/saved", save, methods=("POST",)),
    view("/console/saved/remove", remove, methods=("POST",)),
]
