"""What needs attention: counts of what waits for a person, each with the list that it is in."""

from __future__ import annotations

from asyncio import gather
from collections import Counter
from typing import Any, Final, NamedTuple

from console.page import Visit

MOST: Final = 200
MAX_PAGES: Final = 5
DUE_SOON: Final = 5


class Waiting(NamedTuple):
    """How many of something wait, and the page that lists them; `severity` is an issue's."""

    label: str
    many: int
    address: str
    severity: str | None = None


class Attention(NamedTuple):
    """What waits, and the open disputes that are due first."""

    waiting: list[Waiting]
    disputes: list[dict[str, Any]]


async def attention(visit: Visit) -> Attention:
    """What the role of who looks may know of it."""
    checks, orders, refunds, disputes = await gather(
        _checks(visit),
        _every(visit, "see_order", "/orders", unallocated=True),
        _every(visit, "see_order", "/orders", to_refund=True),
        _every(visit, "see_records", "/disputes", state="open"),
    )
    lists = [
        ("Orders paid without goods", orders, "/console/orders?unallocated=true"),
        ("Orders to refund", refunds, "/console/orders?to_refund=true"),
        ("Open disputes", disputes, "/console/disputes?state=open"),
    ]
    found = [Waiting(label, len(rows), address) for label, rows, address in lists if rows]
    due = sorted(disputes, key=lambda row: row["due_at"] or "9999")
    return Attention([*_issues(checks), *found], due[:DUE_SOON])


def _issues(checks: list[dict[str, Any]]) -> list[Waiting]:
    """Open issues by severity, and payments that belong to no order."""
    severities, unlinked = Counter[str](), 0
    for check in checks:
        severities[check["severity"]] += check["open"]
        unlinked += check["open"] if check["name"] == "unlinked_payments" else 0
    listed = "/console/issues?state=open"
    found = [
        Waiting("Open issues", severities[name], f"{listed}&severity={name}", name)
        for name in ("high", "medium", "low")
    ]
    payments = Waiting("Payments without an order", unlinked, f"{listed}&check=unlinked_payments")
    return [each for each in (*found, payments) if each.many]


async def _checks(visit: Visit) -> list[dict[str, Any]]:
    return (await visit.api.get("/checks"))["items"] if visit.may("see_issues") else []


async def _every(visit: Visit, surface: str, path: str, **filters: Any) -> list[dict[str, Any]]:
    """All rows of a list that should be short; at most a thousand of them."""
    rows: list[dict[str, Any]] = []
    cursor = None
    for _ in range(MAX_PAGES if visit.may(surface) else 0):
        page = await visit.api.get(path, limit=MOST, cursor=cursor, **filters)
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return rows
