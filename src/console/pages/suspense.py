"""Classifying by a rule what stands in suspense: what it finds, and then what became of each."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from console.forms import Refusal, answer_or_why, number, sent
from console.glossary import words
from console.page import PageRequest, view

PAGE: Final = "/console/books/suspense"
RULE: Final = ("kind", "description", "currency")
SEEN: Final = ("position", "sha256")
"""By what the API knows which page was previewed."""


async def suspense(request: PageRequest) -> Response:
    """What stands in suspense, and the form of a rule; where one is said, what it finds."""
    return await _page(request, request.query)


async def classify(request: PageRequest) -> Response:
    """Classify what was previewed; where that changed since, the preview comes again."""
    fields = await request.form()
    seen = {"position": number(fields.get("position", "")), "sha256": fields.get("sha256", "")}
    body = _rule(fields) | {
        "page": seen,
        "account": fields.get("account", "").strip(),
        "new_account": "new_account" in fields,
        "reason": fields.get("reason", "").strip(),
    }
    report, refusal = await sent(
        request.api.post("/books/classifications", body, key=fields.get("key")), "classify", fields
    )
    if refusal:
        return await _page(request, fields, refusal)
    await request.wait_for(report["position"], "/books/accounts")
    return request.page("suspense_done.html", report=report, fields=fields)


async def _page(
    request: PageRequest, given: dict[str, str], refusal: Refusal | None = None
) -> Response:
    asked = {name: given.get(name, "").strip() for name in RULE}
    looked = request.api.post("/books/classifications/preview", _rule(asked))
    preview, wrong = await answer_or_why(looked)
    return request.form_page(
        "suspense.html",
        refusal,
        wrong.status if wrong else 200,
        asked=asked,
        preview=preview,
        is_rule=any(asked.values()),
        nothing=_nothing(preview) if preview else "",
        wrong=wrong,
    )


def _nothing(preview: dict[str, Any]) -> str:
    """What is said of a rule that finds nothing."""
    said = "Nothing that stands in suspense is like that."
    if not preview["kind_occurs"]:
        said = "No transaction is of this kind."
    kinds = ", ".join(map(words, preview["kinds"]))
    return f"{said} What stands there is of {kinds}." if kinds else said


def _rule(said: dict[str, str]) -> dict[str, Any]:
    """The rule as the API takes it."""
    return {name: said.get(name, "").strip() or None for name in RULE}


routes = [view(PAGE, suspense, takes=RULE), view(PAGE, classify, methods=("POST",))]
