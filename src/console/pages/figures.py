"""Figures: the contract about every number, and of each its days, its facts and its snapshots."""

from __future__ import annotations

import re
from asyncio import gather
from itertools import groupby
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from console.api import Problem, part
from console.charts import Definition, Drawn, chart, uncounted
from console.page import PageRequest, view
from console.window import DECISIVE, WINDOW, currency_of, or_refusal, window_of
from console.writing import prose, sentence, within

LINKED: Final = {
    "order_id": ("order", "see_order"),
    "payment_id": ("payment", "see_records"),
    "dispute_id": ("dispute", "see_records"),
    "refund_id": ("refund", "see_records"),
    "customer_id": ("customer", "see_records"),
    "subscription_id": ("subscription", "see_records"),
    "sku": ("sku", "see_records"),
    "transaction_id": ("entry", "see_books"),
}
"""Columns of facts that name an object with a page, and what it takes to see that."""


NO_CURRENCY: Final = "Nothing has an amount in any currency yet."
NOTHING_RECORDED: Final = "What was recorded of these days does not have this figure."
"""Why there are no facts, and no snapshots."""


class Shown(NamedTuple):
    """One figure in one currency: its window, days, facts and snapshots."""

    answer: dict[str, Any]
    currency: str | None
    value: dict[str, Any]
    chart: Drawn | None
    facts: dict[str, Any]
    snapshots: list[dict[str, Any]]
    no_snapshots: str
    uncounted: int


async def contract(request: PageRequest) -> Response:
    """Every figure by its family, or those in which all words of a search occur."""
    answer = await request.api.get("/kpi/definitions")
    wanted = request.query.get("q", "").lower().split()
    found = [each for each in answer["figures"] if all(word in _text(each) for word in wanted)]
    families = [(title, [*each]) for title, each in groupby(found, lambda each: each["family"])]
    return request.page(
        "figures.html",
        contract=answer,
        families=families,
        found=len(found),
        said=_formulas(answer["figures"]),
    )


def _formulas(figures: list[dict[str, Any]]) -> dict[str, str]:
    """What each figure is, with the names of the others as pages call them."""
    labels = {each["id"]: within(each["label"]) for each in figures} | {"mrr": "MRR"}
    names = re.compile("|".join(rf"\b{name}\b" for name in labels if "_" in name or name == "mrr"))
    return {
        each["id"]: sentence(prose(names.sub(lambda found: labels[found[0]], each["formula"])))
        for each in figures
    }


async def figure(request: PageRequest) -> Response:
    """What a figure is, what it was in a window, and what it was made of."""
    asked: str = request.path_params["id"]
    answer = await request.api.get("/kpi/definitions")
    known = {each["id"]: each for each in answer["figures"]}
    if asked not in known:
        raise Problem(404, {"title": "There is no such figure.", "detail": asked})
    shown, refused = await or_refusal(_shown(request, known[asked]))
    return request.page(
        "figure.html",
        refused.status if refused else 200,
        definition=known[asked],
        known=known,
        said=_formulas(answer["figures"])[asked],
        shown=shown,
        refused=refused,
        linked={
            name: kind for name, (kind, permission) in LINKED.items() if request.may(permission)
        },
    )


async def _shown(request: PageRequest, definition: Definition) -> Shown:
    name, window = definition["id"], window_of(request.query)
    wanted = ",".join({name, *DECISIVE})
    answer, daily = await gather(
        request.api.get("/kpi", figures=wanted, compare="previous", **window),
        request.api.get("/kpi/daily", figures=name, **window),
    )
    earlier = answer["previous_window"]
    before = await request.api.get(
        "/kpi/daily", figures=name, from_=earlier["from"], to=earlier["to"]
    )
    chosen = currency_of(request.query, answer["currencies"])
    currency = chosen if definition["has_currency"] else None
    facts, (snapshots, no_snapshots) = await gather(
        _facts(request, definition, currency), _snapshots(request, name, currency)
    )
    values = (
        answer["currencies"].get(currency, {}) if definition["has_currency"] else answer["shop"]
    )
    value = values.get(name, {"value": None, "previous": None, "change_pct": None})
    drawn = None
    if currency is not None or not definition["has_currency"]:
        kept = urlencode({"currency": currency}) + "&" if currency else ""
        drawn = chart(
            f"{definition['label']} by day",
            definition,
            currency,
            daily["by_day"],
            before=before["by_day"],
            address=f"/console/figures/{part(name)}?{kept}",
        )
    left_out = uncounted(definition, values)
    return Shown(answer, currency, value, drawn, facts, snapshots, no_snapshots, left_out)


async def _facts(
    request: PageRequest, definition: Definition, currency: str | None
) -> dict[str, Any]:
    """A page of what was counted; a figure that is computed from others has none of its own."""
    if definition["parts"] or (definition["has_currency"] and currency is None):
        return dict.fromkeys(("next", "as_of_position"), None) | {"items": [], "empty": NO_CURRENCY}
    window, cursor = window_of(request.query), request.query.get("cursor")
    path = f"/kpi/{part(definition['id'])}/explain"
    return await request.api.get(path, currency=currency, cursor=cursor, **window)


async def _snapshots(
    request: PageRequest, name: str, currency: str | None
) -> tuple[list[dict[str, Any]], str]:
    """What was recorded of the figure, or why nothing; ratios are computed, not recorded."""
    answer = await request.api.get(
        "/kpi/snapshots",
        currency=currency,
        window_days=request.query.get("window_days"),
        as_of=request.query.get("as_of"),
        **window_of(request.query),
    )
    taken = [row for row in answer["items"] if row["currency"] == currency]
    told = [row | {"value": row["values"][name]} for row in taken if name in row["values"]]
    return told, answer["empty"] or NOTHING_RECORDED


def _text(definition: Definition) -> str:
    """What a search looks in."""
    return " ".join(definition[name] for name in ("id", "label", "family", "formula")).lower()


routes = [
    view("/console/figures", contract, takes=("q",)),
    view("/console/figures/{id}", figure, takes=(*WINDOW, "cursor", "window_days", "as_of")),
]
