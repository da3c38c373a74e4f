"""Which days and which currency a page of figures is about, as its address says."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from console.api import Problem

T = TypeVar("T")
LENGTHS: Final = (7, 30, 90)
WINDOW: Final = ("window", "from", "to", "currency")
"""What the address of a page of figures may say."""
DEFAULT: Final = "30"
DECISIVE: Final = ("orders", "payments_succeeded")
REFUSALS: Final = frozenset({"invalid_window", "projection_stopped"})
"""What the API may answer instead of figures that a page tells in their place."""


def window_of(query: Mapping[str, str]) -> dict[str, str]:
    """The days, as calls of the API name them: dates where there are any, else a length."""
    first, last = query.get("from", ""), query.get("to", "")
    if first or last:
        return {"from_": first, "to": last}
    return {"window": query.get("window") or DEFAULT}


def currency_of(
    query: Mapping[str, str], currencies: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """The currency that is asked for if it has figures, else the one in which most is sold.

    That is the one with the most orders, then payments: revenues of two currencies do not compare.
    `currencies` are those of `GET /kpi`, and hold `DECISIVE`.
    """
    asked = query.get("currency")
    if asked in currencies:
        return asked
    return max(
        currencies,
        key=lambda name: [currencies[name][figure]["value"] for figure in DECISIVE],
        default=None,
    )


async def or_refusal(made: Awaitable[T]) -> tuple[T | None, Problem | None]:
    """What is made of the API's answers, or why it gives none for these days."""
    try:
        return await made, None
    except Problem as problem:
        if problem.code not in REFUSALS:
            raise
        return None, problem
