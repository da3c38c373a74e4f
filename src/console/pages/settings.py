"""Settings: access tokens, what is known of Stripe, the zone; and the page of the first steps."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from starlette.responses import Response

from console.api import Problem, part
from console.forms import Refusal, number, sent
from console.page import PageRequest, done, view
from console.steps import first_steps

SETTINGS: Final = "/console/settings"
TOKENS: Final = f"{SETTINGS}/tokens"
ROLES: Final = {
    "analyst": "sees figures, books and issues, takes exports, runs the checks",
    "accountant": "the same; classifies transactions, closes and reopens months",
    "ops": "works with orders, stock and issues; sees payments and figures",
    "auditor": "sees everything and proves; changes nothing",
    "admin": "everything",
    "migration": "brings the orders of the past",
    "customer": "places and sees own orders; needs the customer's id",
}
MOST: Final = 200


async def settings(request: PageRequest) -> Response:
    """How the service is set: the zone, Stripe's key and webhooks, and what was pulled."""
    status = await request.api.get("/status")
    return request.page(
        "settings.html", stripe=status["stripe"], head=status["head"], last=await _last(request)
    )


async def tokens(
    request: PageRequest, refusal: Refusal | None = None, issued: dict[str, Any] | None = None
) -> Response:
    """Every token that was issued, and forms to issue one and to revoke one."""
    found = await request.api.get("/tokens", limit=MOST, cursor=request.query.get("cursor"))
    items: list[dict[str, Any]] = found["items"]
    return request.form_page(
        "tokens.html",
        refusal,
        found=found | {"items": items[::-1], "empty": None},
        roles=ROLES,
        issued=issued,
    )


async def issue(request: PageRequest) -> Response:
    """Issue a token, and show it this once."""
    fields = await request.form()
    days = fields.get("days", "").strip()
    body = {
        "role": fields.get("role", ""),
        "name": fields.get("name", "").strip(),
        "customer_id": fields.get("customer_id", "").strip() or None,
        "days": number(days) if days else None,
        "reason": fields.get("reason", "").strip() or None,
    }
    issued, refusal = await sent(request.api.post("/tokens", body), "issue", fields)
    if refusal:
        return await tokens(request, refusal)
    return await tokens(request, issued=issued | {"name": body["name"]})


async def revoke(request: PageRequest) -> Response:
    """Make a token worthless, for good."""
    fields, token_id = await request.form(), request.path_params["id"]
    body = {"reason": fields.get("reason", "").strip()}
    _, refusal = await sent(
        request.api.post(f"/tokens/{part(token_id)}/revoke", body), token_id, fields
    )
    if refusal:
        return await tokens(request, refusal)
    return done(request, TOKENS, "The token is revoked.")


async def _last(request: PageRequest) -> dict[str, Any] | None:
    """The last event of Stripe's, for who may see the log."""
    if not request.may("see_evidence"):
        return None
    found: list[dict[str, Any]] = []
    with suppress(Problem):  # before the first event nothing has an actor
        found = (await request.api.get("/audit", actor="stripe", limit=1))["items"]
    return found[0] if found else None


async def start(request: PageRequest) -> Response:
    """What is done of the first steps, and how to do the rest."""
    return request.page("start.html", steps=await first_steps(request))


routes = [
    view(SETTINGS, settings),
    view(TOKENS, tokens, takes=("cursor",)),
    view(TOKENS, issue, methods=("POST",)),
    view(f"{TOKENS}/{{id}}/revoke", revoke, methods=("POST",)),
    view("/console/start", start),
]
