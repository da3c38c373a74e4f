"""What needs attention: a list of what to do, with how much is at stake and since when."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from console.frame import recently
from console.glossary import AMBER, RED, words
from console.page import PageRequest
from console.writing import money, what_and_why

MOST: Final = 3
"""How many of a kind stand in the list by themselves."""
OWN_LINES: Final = frozenset({"paid_unallocated", "unlinked_payments"})
"""Checks whose findings have a line of their own here."""
ICONS: Final = {
    "balance": "building-bank",
    "checkout": "shopping-cart",
    "order": "shopping-bag",
    "payment": "credit-card",
    "payout": "building-bank",
    "refund": "receipt-refund",
    "sku": "box",
}
AMOUNTS: Final = ("held_minor", "refunded_minor", "amount_minor", "difference_minor", "total_minor")
"""What of an issue's evidence says how much is at stake, the most telling first."""

Row = dict[str, Any]


class Group(NamedTuple):
    """What is said of all rows of a list that wait, in one line."""

    what: str
    why: str
    address: str
    do: str
    icon: str
    tone: str


UNALLOCATED: Final = Group(
    "Orders paid without goods", "Stock ran out before they were paid",
    "/console/orders?unallocated=true", "Reallocate", "package", RED,
)  # fmt: skip
FAILED: Final = Group(
    "Refunds failed", "The money is back with you; pay it another way",
    "/console/refunds?state=failed", "Look", "receipt-refund", RED,
)  # fmt: skip
PAYOUTS: Final = Group(
    "Payouts failed", "The bank sent them back; the money is in your balance at Stripe",
    "/console/payouts?state=failed", "Look", "building-bank", RED,
)  # fmt: skip
TO_REFUND: Final = Group(
    "Orders to refund", "Asked for, and not sent yet",
    "/console/orders?to_refund=true", "Refund", "receipt-refund", AMBER,
)  # fmt: skip


class ToDo(NamedTuple):
    """Something to do: what and why, how much is at stake, since when or by when, and where."""

    icon: str
    tone: str
    what: str
    why: str
    amount: str
    at: str | None
    do: str
    address: str


class Attention(NamedTuple):
    """What is to be done first, and how much more there is: links with counts."""

    items: list[ToDo]
    more: list[tuple[str, int, str]]


async def attention(request: PageRequest) -> Attention:
    """What the role of who looks may know of it."""
    since = recently()
    high, low, disputes, unallocated, refunds, failed, payouts, unlinked = await gather(
        _some(request, "see_issues", "/issues", state="open", severity="high"),
        _some(request, "see_issues", "/issues", state="open", severity="medium"),
        _some(request, "see_records", "/disputes", state="open", sort="created_at"),
        _some(request, "see_order", "/orders", unallocated=True),
        _some(request, "see_order", "/orders", to_refund=True),
        _some(request, "see_records", "/refunds", state="failed", created_after=since),
        _some(request, "see_records", "/payouts", state="failed", created_after=since),
        _some(request, "see_issues", "/issues", state="open", check="unlinked_payments"),
    )
    due = sorted(disputes["items"], key=lambda row: row["due_at"] or "9999")
    items = [*map(_dispute, due[:MOST])]
    items += _grouped(UNALLOCATED, unallocated)
    for group, rows in ((FAILED, failed), (PAYOUTS, payouts)):
        items += _grouped(
            group._replace(address=f"{group.address}&days_of=created&from={since}"), rows
        )
    items += _grouped(TO_REFUND, refunds)
    items += _unlinked(unlinked, request.may("manage_order"))
    for found, tone in ((high, RED), (low, AMBER)):
        rows = [row for row in found["items"] if row["check"] not in OWN_LINES]
        items += [_issue(row, tone) for row in rows[:MOST]]
    more = [
        ("high", high, "/console/issues?state=open&severity=high"),
        ("medium", low, "/console/issues?state=open&severity=medium"),
        ("disputed", disputes, "/console/disputes?state=open"),
    ]
    counted = [(name, _many(found), to) for name, found, to in more]
    return Attention(items, [each for each in counted if each[1]])


async def _some(request: PageRequest, permission: str, path: str, **filters: Any) -> Row:
    """The first rows of a list and the totals of all; none where the role may not see it."""
    if not request.may(permission):
        return {"items": [], "totals": None}
    return await request.api.get(path, limit=20, totals=True, **filters)


def _many(found: Row) -> int:
    return found["totals"]["count"] if found["totals"] else 0


def _dispute(row: Row) -> ToDo:
    return ToDo(
        "gavel", RED, f"Answer the dispute of {money(row['amount_minor'], row['currency'])}",
        f"Reason: {words(row['reason'] or 'none given')}",
        money(row["amount_minor"], row["currency"]), row["due_at"], "Answer",
        f"/console/disputes/{quote(row['dispute_id'], safe='')}",
    )  # fmt: skip


def _grouped(group: Group, found: Row) -> list[ToDo]:
    """One line for all of a list, and the sums of it."""
    many = _many(found)
    if not many:
        return []
    sums = found["totals"]["by_currency"]
    column = next((each for each in ("total_minor", "amount_minor") if each in _first(sums)), None)
    amounts = [money(each[column], code) for code, each in sums.items()] if column else []
    row = found["items"][0]
    at = row.get("placed_at") or row.get("created_at")
    amount = amounts[0] if len(amounts) == 1 else f"{len(amounts)} currencies" if amounts else ""
    what = f"{group.what}: {many}"
    return [ToDo(group.icon, group.tone, what, group.why, amount, at, group.do, group.address)]


def _first(sums: Mapping[str, Row]) -> Row:
    none: Row = {}
    return next(iter(sums.values()), none)


def _unlinked(found: Row, may_link: bool) -> list[ToDo]:
    """How many payments belong to no order, by the issues of them."""
    many = sum(issue["evidence"].get("payments_count", 1) for issue in found["items"])
    if not many:
        return []
    address = "/console/issues?state=open&check=unlinked_payments"
    if may_link:
        address = "/console/payments/links"
    at = found["items"][0]["opened_at"]
    return [
        ToDo(
            "link",
            AMBER,
            f"Payments of no order or subscription: {many}",
            "A rule may find the order of each",
            "",
            at,
            "Link",
            address,
        )
    ]


def _issue(row: Row, tone: str) -> ToDo:
    evidence: Row = row["evidence"]
    amount_minor = next((evidence[name] for name in AMOUNTS if evidence.get(name)), None)
    is_amount = isinstance(amount_minor, int) and evidence.get("currency")
    amount = money(amount_minor, evidence["currency"]) if is_amount else ""
    what, why = what_and_why(row["sentence"])
    address = f"/console/issues/{quote(row['issue_id'], safe='')}"
    return ToDo(
        ICONS.get(row["kind"], "alert-triangle"),
        tone,
        what,
        why,
        amount,
        row["opened_at"],
        "Review",
        address,
    )
