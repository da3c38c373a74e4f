"""Payments without an order: the order that a rule finds for each, and linking some or all."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from console.api import Problem, part
from console.bulk import Deed, outcomes_of, report_page
from console.forms import Refusal, answer_or_why, number, sent
from console.page import PageRequest, view

PAGE: Final = "/console/payments/links"
KINDS: Final = {
    "metadata": "Metadata: a key of the payment names the order",
    "description": "Description: its text names the order",
    "email-and-amount": "E-mail and amount, placed within an hour",
}
SHOWN: Final = 100
CHOSEN: Final = "payment."
"""How the name of a box begins that chooses a payment; its value is the order."""
ASKED: Final = ("kind", "word", "cursor")
SEEN: Final = ("position", "after", "upto", "sha256")
"""By what the API knows which page was previewed."""


async def links(request: PageRequest) -> Response:
    """The form of a rule and, where the address says one, what it finds."""
    if not request.may("manage_order"):
        raise Problem(403, {"title": "Your role may not link payments."})
    return await _page(request, request.query)


async def link(request: PageRequest) -> Response:
    """Link what was previewed; where that changed since, the preview comes again."""
    fields = await request.form()
    page = {name: fields.get(name, "") for name in SEEN}
    body = {
        "rule": _rule(fields),
        "page": page | {"position": number(page["position"])},
        "reason": fields.get("reason", "").strip(),
    }
    report, refusal = await sent(
        request.api.post("/payments/links", body, key=fields.get("key")), "link", fields
    )
    if refusal:
        return await _page(request, fields, refusal)
    await request.wait_for(report["position"], "/payments", limit=1)
    return request.page(
        "links_done.html", report=report, asked={name: fields.get(name, "") for name in ASKED}
    )


async def link_chosen(request: PageRequest) -> Response:
    """Link those that were chosen, each to the order that stood beside it, and report on each."""
    fields = await request.form()
    chosen = {
        name.removeprefix(CHOSEN): order
        for name, order in fields.items()
        if name.startswith(CHOSEN)
    }
    asked = [
        Deed(name, f"/orders/{part(order)}/payments", {"payment_id": name})
        for name, order in chosen.items()
    ]
    because = f" (by {_rule(fields)})" if fields.get("kind") else ""
    report = await outcomes_of(request, asked, fields, "/payments", because=because)
    rule = {name: fields[name] for name in ("kind", "word") if fields.get(name)}
    fields["query"] = urlencode(rule)
    return report_page(
        request,
        report,
        fields,
        title="Payments linked",
        noun="payment",
        back=("payments without an order", PAGE),
    )


async def _page(
    request: PageRequest, given: dict[str, str], refusal: Refusal | None = None
) -> Response:
    asked = {name: given.get(name, "").strip() for name in ASKED}
    preview: dict[str, Any] | None = None
    wrong: Problem | None = None
    if asked["kind"]:
        body = {"rule": _rule(asked), "limit": SHOWN, "cursor": asked["cursor"] or None}
        preview, wrong = await answer_or_why(request.api.post("/payments/links/preview", body))
    return request.form_page(
        "links.html",
        refusal,
        wrong.status if wrong else 200,
        kinds=KINDS,
        asked=asked,
        preview=preview,
        wrong=wrong,
    )


def _rule(said: dict[str, str]) -> str:
    """The rule as the API takes it."""
    kind, word = said.get("kind", "").strip(), said.get("word", "").strip()
    return f"{kind}:{word}" if word else kind


routes = [
    view(PAGE, links, takes=ASKED),
    view(PAGE, link, methods=("POST",)),
    view(f"{PAGE}/chosen", link_chosen, methods=("POST",)),
]
