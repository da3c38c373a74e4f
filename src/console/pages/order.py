"""One order: where it stands and stood, its timeline, why it is so, and what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from console.api import Problem, if_there, part
from console.forms import IN_PLACE, Refusal
from console.lists import LISTED
from console.order_actions import ACTIONS, UNITS, Action, left_to_refund, overpaid
from console.page import SEE_OTHER, PageRequest, done, told_of, view
from console.pages.records import timeline as events_of
from console.wording import in_words

SHOWN_EVENTS: Final = 200
AT_ONCE: Final = 25
"""Up to so many events are shown with what each changed; of more, that comes after the page."""
UNLINK: Final = "unlink"
WITHDRAW: Final = "withdraw"
Events = list[dict[str, Any]]


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


async def order(request: PageRequest) -> Response:
    """An order as it is now; of one that was not placed here, the events that name it."""
    try:
        return await _show(request)
    except Problem as problem:
        if problem.status != 404 or not await _is_named(request):
            raise
    return RedirectResponse(f"/console{_path(request)}/timeline", SEE_OTHER)


async def as_of(request: PageRequest) -> Response:
    """An order as it was known after one of its events, which `step` counts from 1.

    There may be none yet: Stripe may tell of a payment before the order is placed.
    """
    path = _path(request)
    events, now = await asyncio.gather(_events(request), if_there(request.api.get(path)))
    step = _step(request.query.get("step", ""), len(events))
    is_now, order = step == len(events), now
    if not is_now:
        order = await if_there(request.api.get(path, as_of=events[step - 1]["position"]))
    return request.page(
        "order.html",
        order_id=_order_id(request),
        order=order,
        now=None if is_now else now,
        events=events,
        step=step,
        actions=[],
        refusal=None,
    )


async def timeline(request: PageRequest) -> Response:
    """Every event of an order, with what it changed."""
    found, now = await asyncio.gather(
        events_of(request, "/orders", _order_id(request), limit=SHOWN_EVENTS),
        if_there(request.api.get(_path(request))),
    )
    return request.page(
        "order_timeline.html",
        found.status,
        order_id=_order_id(request),
        is_placed=now is not None,
        currency=now and now["currency"],
        list=found,
    )


async def explain(request: PageRequest) -> Response:
    """Each column of an order with the events that made it so."""
    found = await request.api.get(f"{_path(request)}/explain")
    currency = found["fields"]["currency"]["value"]
    return request.page(
        "order_explain.html",
        order_id=_order_id(request),
        currency=currency,
        fields=found["fields"],
        explained=found,
    )


async def _show(request: PageRequest, refusal: Refusal | None = None) -> Response:
    path, past = _path(request), request.may("see_order_history")
    found, events = await asyncio.gather(
        request.api.get(path), _with_changes(request) if past else _none()
    )
    return request.form_page(
        "order.html",
        refusal,
        order=found,
        now=None,
        order_id=found["order_id"],
        events=events,
        step=len(events),
        left=left_to_refund(found),
        overpaid=overpaid(found),
        actions=[(each, each.refuses(found)) for each in ACTIONS if request.may(each.permission)],
        units=UNITS,
    )


async def _events(request: PageRequest) -> Events:
    return (await request.api.get(f"{_path(request)}/history", limit=SHOWN_EVENTS))["items"]


async def _with_changes(request: PageRequest) -> Events:
    """The same, each with what it changed, where that does not keep the page waiting."""
    events = await _events(request)
    if len(events) > AT_ONCE:
        return events
    history = f"{_path(request)}/history"
    return (await request.api.get(history, limit=SHOWN_EVENTS, changes=True))["items"]


async def _is_named(request: PageRequest) -> bool:
    """Whether there is any event that names the order, for whom may see it."""
    return request.may("see_order_history") and bool(await if_there(_events(request)))


async def _none() -> Events:
    return []


def _step(text: str, last: int) -> int:
    """Which of the events is meant; the last one where it is none of them."""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else last
    return min(max(wanted, 1), last)


# ── Doing ───────────────────────────────────────────────────────────────────────────────────────


async def act(request: PageRequest, action: Action) -> Response:
    """Ask the API for what a form says; its refusal is shown at the form."""
    fields, path = await request.form(), _path(request)

    async def ask() -> Any:
        body = action.body(await request.api.get(path), fields)
        return await request.api.post(f"{path}/{action.name}", body, key=fields.get("key"))

    return await _done(request, action.name, action.told, fields, ask())


async def unlink(request: PageRequest) -> Response:
    """Take back that a payment is for the order; a refusal is shown where one of an action is."""
    fields = await request.form()
    payment = f"{_path(request)}/payments/{part(request.path_params['payment_id'])}"

    async def ask() -> Any:
        reason = fields.get("reason", "").strip()
        if not reason:
            raise Problem(422, {"title": "A reason is needed.", "detail": "Say why; it is kept."})
        return await request.api.delete(payment, reason=reason, key=fields.get("key"))

    return await _done(request, UNLINK, "The payment is unlinked.", fields, ask())


async def withdraw(request: PageRequest) -> Response:
    """Take back a request for a refund; a refusal is shown where one of an action is."""
    fields = await request.form()
    asked = f"{_path(request)}/refunds/{part(request.path_params['request_id'])}/{WITHDRAW}"
    body = {"reason": fields.get("reason", "")}
    answer = request.api.post(asked, body, key=fields.get("key"))
    return await _done(request, WITHDRAW, "The request is withdrawn.", fields, answer)


async def _done(
    request: PageRequest, name: str, told: str, fields: dict[str, str], asked: Awaitable[Any]
) -> Response:
    path = _path(request)
    try:
        answer = await asked
    except Problem as problem:
        if problem.status not in IN_PLACE:
            raise
        currency = left_to_refund(await request.api.get(path)).currency
        return await _show(request, Refusal(name, in_words(problem, currency), fields))
    await request.wait_for(answer["position"], path)
    return done(request, f"/console{path}", told_of(answer, told))


def _order_id(request: PageRequest) -> str:
    return request.path_params["id"]


def _path(request: PageRequest) -> str:
    """Of the API; the console's is the same below `/console`."""
    return f"/orders/{part(_order_id(request))}"


PAGE: Final = "/console/orders/{id}"
routes = [
    view(PAGE, order),
    view(f"{PAGE}/as-of", as_of, takes=("step",)),
    view(f"{PAGE}/timeline", timeline, takes=LISTED),
    view(f"{PAGE}/explain", explain),
    *(
        view(f"{PAGE}/{each.name}", partial(act, action=each), methods=("POST",))
        for each in ACTIONS
    ),
    view(f"{PAGE}/payments/{{payment_id}}/{UNLINK}", unlink, methods=("POST",)),
    view(f"{PAGE}/refunds/{{request_id}}/{WITHDRAW}", withdraw, methods=("POST",)),
]
