"""One order: where it stands and stood, its timeline, why it is so, and what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from console.api import Problem, new_key, part
from console.forms import IN_PLACE, Refusal, refused
from console.order_actions import ACTIONS, UNITS, Action, left_to_refund
from console.page import PageRequest, done, view
from console.pages.records import timeline as events_of

SHOWN_EVENTS: Final = 200
UNLINK: Final = "unlink"
Events = list[dict[str, Any]]


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


async def order(visit: PageRequest) -> Response:
    """An order as it is now."""
    return await _show(visit)


async def as_of(visit: PageRequest) -> Response:
    """An order as it was known after one of its events, which `step` counts from 1.

    There may be none yet: Stripe may tell of a payment before the order is placed.
    """
    path = _path(visit)
    events = await _events(visit)
    step = _step(visit.query.get("step", ""), len(events))
    return visit.page(
        "order_as_of.html",
        order_id=_order_id(visit),
        order=await _known(visit, path, events[step - 1]["position"]),
        events=events,
        step=step,
    )


async def timeline(visit: PageRequest) -> Response:
    """Every event of an order, with what it changed."""
    found, now = await asyncio.gather(
        events_of(visit, "/orders", _order_id(visit), limit=SHOWN_EVENTS),
        _known(visit, _path(visit)),
    )
    return visit.page(
        "order_timeline.html",
        found.status,
        order_id=_order_id(visit),
        currency=now and now["currency"],
        list=found,
    )


async def explain(visit: PageRequest) -> Response:
    """Each column of an order with the events that made it so."""
    found = await visit.api.get(f"{_path(visit)}/explain")
    currency = found["fields"]["currency"]["value"]
    return visit.page(
        "order_explain.html",
        order_id=_order_id(visit),
        currency=currency,
        fields=found["fields"],
    )


async def _show(visit: PageRequest, refusal: Refusal | None = None) -> Response:
    path, past = _path(visit), visit.may("see_order_history")
    found, events = await asyncio.gather(visit.api.get(path), _events(visit) if past else _none())
    return visit.page(
        "order.html",
        refusal.problem.status if refusal else 200,
        order=found,
        order_id=found["order_id"],
        events=events,
        step=len(events),
        left=left_to_refund(found),
        actions=[(each, each.refuses(found)) for each in ACTIONS if visit.may(each.surface)],
        refusal=refusal,
        units=UNITS,
        key=new_key(),
    )


async def _events(visit: PageRequest) -> Events:
    return (await visit.api.get(f"{_path(visit)}/history", limit=SHOWN_EVENTS))["items"]


async def _none() -> Events:
    return []


async def _known(
    visit: PageRequest, path: str, position: int | None = None
) -> dict[str, Any] | None:
    """The order now or as of a position, if there was one."""
    try:
        return await visit.api.get(path, as_of=position)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


def _step(text: str, last: int) -> int:
    """Which of the events is meant; the last one where it is none of them."""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else last
    return min(max(wanted, 1), last)


# ── Doing ───────────────────────────────────────────────────────────────────────────────────────


async def act(visit: PageRequest, action: Action) -> Response:
    """Ask the API for what a form says; its refusal is shown at the form."""
    fields, path = await visit.form(), _path(visit)

    async def ask() -> Any:
        body = action.body(await visit.api.get(path), fields)
        return await visit.api.post(f"{path}/{action.name}", body, key=fields.get("key"))

    return await _done(visit, action.name, action.told, fields, ask())


async def unlink(visit: PageRequest) -> Response:
    """Take back that a payment is for the order; a refusal is shown where one of an action is."""
    fields = await visit.form()
    payment = f"{_path(visit)}/payments/{part(visit.request.path_params['payment_id'])}"

    async def ask() -> Any:
        reason = fields.get("reason", "").strip()
        if not reason:
            raise Problem(422, {"title": "A reason is needed.", "detail": "Say why; it is kept."})
        return await visit.api.delete(payment, reason=reason, key=fields.get("key"))

    return await _done(visit, UNLINK, "The payment is unlinked.", fields, ask())


async def _done(
    visit: PageRequest, name: str, told: str, fields: dict[str, str], asked: Awaitable[Any]
) -> Response:
    path = _path(visit)
    try:
        answer = await asked
    except Problem as problem:
        if problem.status not in IN_PLACE:
            raise
        currency = left_to_refund(await visit.api.get(path)).currency
        return await _show(visit, refused(name, problem, fields, currency))
    with suppress(Problem):  # it is done, also where the page cannot show it yet
        await visit.api.get(path, after=answer["position"])
    return done(visit, f"/console{path}", told)


def _order_id(visit: PageRequest) -> str:
    return visit.request.path_params["id"]


def _path(visit: PageRequest) -> str:
    """Of the API; the console's is the same below `/console`."""
    return f"/orders/{part(_order_id(visit))}"


PAGE: Final = "/console/orders/{id}"
routes = [
    view(PAGE, order),
    view(f"{PAGE}/as-of", as_of),
    view(f"{PAGE}/timeline", timeline),
    view(f"{PAGE}/explain", explain),
    *(
        view(f"{PAGE}/{each.name}", partial(act, action=each), methods=("POST",))
        for each in ACTIONS
    ),
    view(f"{PAGE}/payments/{{payment_id}}/{UNLINK}", unlink, methods=("POST",)),
]
