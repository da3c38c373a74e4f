"""Records: lists of customers, payments and other objects of Stripe's, and each with its past."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from console.api import Problem, part
from console.forms import Refusal, sent
from console.glossary import plural
from console.lists import IN_TABLES, LISTED, Listed, Offer, listed, shown_of
from console.page import PageRequest, done, view
from console.record_types import KINDS, LINKS, MEMBER, Kind, Related

PAGE_OF_EVENTS: Final = 50

Rows = list[dict[str, Any]]
PAYMENT: Final = KINDS["payment"]
TITLES: Final = {"payout_members": "What payouts paid out", "wishlists": "Wishlists"}
BESIDE: Final = (
    ("Payouts", "/console/payouts"),
    ("What they paid out", "/console/payout_members"),
    ("Balance transactions", "/console/transactions"),
)
"""Lists that stand beside each other."""


async def records(request: PageRequest, kind: Kind) -> Response:
    """Those of a kind that fit the filters, the newest first unless sorted otherwise."""
    asked = {name: request.query.get(name, "").strip() for name in kind.filters}
    found = await listed(request, f"/{kind.path}", asked, totals=True)
    columns = shown_of(request.query, kind.columns, kind.usual)
    return request.page(
        "records.html",
        found.status,
        kind=kind,
        title=TITLES.get(kind.path) or plural(kind.noun).capitalize(),
        siblings=BESIDE if kind.path in {path.rpartition("/")[2] for _, path in BESIDE} else (),
        columns=columns,
        choices=found.choices(kind.columns, columns),
        links=LINKS,
        asked=asked,
        list=found,
    )


async def record(request: PageRequest, kind: Kind, refusal: Refusal | None = None) -> Response:
    """One of a kind, what belongs to it, and every event that touched it.

    None of its own may have come, only events that name it: then that is said, and shown.
    """
    name, unknown = _name(request), None
    try:
        row = await request.api.get(f"/{kind.path}/{part(name)}")
    except Problem as problem:
        if problem.status != 404:
            raise
        row, unknown = {kind.key: name}, problem
    name = row[kind.key]  # of a connected account's more than the address may say
    events, related = await asyncio.gather(
        history(request, f"/{kind.path}", name, limit=PAGE_OF_EVENTS),
        _belonging(request, kind, name, row),
    )
    if unknown and events.refusal and events.refusal.status == 404:  # nothing names it either
        raise unknown
    return request.form_page(
        "record.html",
        refusal,
        kind=kind,
        name=name,
        title=plural(kind.noun).capitalize(),
        is_known=unknown is None,
        row={column: value for column, value in row.items() if not isinstance(value, list)},
        links=LINKS,
        parts={part: rows for part, rows in row.items() if isinstance(rows, list)},
        related=related,
        with_page={"orders", MEMBER.path, *(each.path for each in KINDS.values())},
        history=events,
    )


async def link(request: PageRequest) -> Response:
    """Say that a payment belongs to an order; the API's refusal is shown at the form."""
    fields, name = await request.form(), _name(request)
    order_id = fields.get("order_id", "").strip()
    path, body = f"/orders/{part(order_id)}/payments", {"payment_id": name}
    answer, refusal = await sent(
        request.api.post(path, body, key=fields.get("key")), "link", fields
    )
    if refusal:
        return await record(request, PAYMENT, refusal)
    await request.wait_for(answer["position"], f"/payments/{part(name)}")
    return done(
        request, f"/console/payments/{part(name)}", f"The payment belongs to order {order_id}."
    )


async def timeline(request: PageRequest, path: str, name: str, **more: Any) -> Listed:
    """The events of one of a list, and what each changed; raises `Problem` where there are none."""
    asked, of = {"changes": "true"}, f"{path}/{{id}}/history"
    return await listed(request, f"{path}/{part(name)}/history", asked, of=of, **more)


async def history(request: PageRequest, path: str, name: str, **more: Any) -> Listed:
    """The events of one of a list, or why they are not shown; also where there are none."""
    try:
        return await timeline(request, path, name, **more)
    except Problem as problem:
        if problem.status != 404:
            raise
        return Listed([], None, Offer(), request.query, problem)


async def _belonging(
    request: PageRequest, kind: Kind, name: str, row: dict[str, Any]
) -> list[tuple[Related, Rows]]:
    """What belongs to one, list by list: those that are open to the role and not empty."""
    lists = [each for each in kind.related if request.may(each.permission)]
    found = await asyncio.gather(*(_rows(request, each, name, row) for each in lists))
    return [(each, rows) for each, rows in zip(lists, found, strict=True) if rows]


async def _rows(request: PageRequest, related: Related, name: str, row: dict[str, Any]) -> Rows:
    """The first rows of another list that name this one, or a charge of it."""
    charges: Rows = row.get("charges", []) if related.by_charge else []
    asked = [{related.column: name}, *({"charge_id": each["charge_id"]} for each in charges)]
    pages = await asyncio.gather(*(request.api.get(f"/{related.path}", **each) for each in asked))
    rows: dict[str, Any] = {row[related.key]: row for page in pages for row in page["items"]}
    return list(rows.values())


def _name(request: PageRequest) -> str:
    return request.path_params["id"]


def _list_of(kind: Kind) -> Route:
    return view(
        f"/console/{kind.path}", partial(records, kind=kind), takes=(*kind.filters, *IN_TABLES)
    )


def _routes(kind: Kind) -> list[Route]:
    one = view(f"/console/{kind.path}/{{id}}", partial(record, kind=kind), takes=LISTED)
    return [_list_of(kind), one]


routes = [
    *(route for kind in KINDS.values() for route in _routes(kind)),
    _list_of(MEMBER),
    view("/console/payments/{id}/link", link, methods=("POST",)),
]
