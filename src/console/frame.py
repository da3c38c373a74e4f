"""The frame around every page: its menu, what waits beside its words, how fresh all of it is."""

from __future__ import annotations

import time
from asyncio import gather
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from console.api import Api, Problem

FRESH_SECONDS: Final = 10.0
"""How old the counts of a menu may be; what is done on a page counts at once."""


class Entry(NamedTuple):
    """A line of the menu; `needs` is the permission that its page asks for."""

    label: str
    address: str
    icon: str
    needs: str
    key: str = ""


MENU: Final[Mapping[str, tuple[Entry, ...]]] = {
    "": (Entry("Home", "/console", "home", "see_figures", "h"),),
    "Shop": (
        Entry("Orders", "/console/orders", "shopping-bag", "see_order", "o"),
        Entry("Stock", "/console/stock", "box", "see_records", "s"),
        Entry("Checkouts", "/console/checkouts", "shopping-cart", "see_records", "k"),
        Entry("Customers", "/console/customers", "users", "see_records", "c"),
        Entry("Wishlists", "/console/wishlists", "heart", "see_wishlist", "w"),
    ),
    "Money": (
        Entry("Payments", "/console/payments", "credit-card", "see_records", "p"),
        Entry("Refunds", "/console/refunds", "receipt-refund", "see_records", "r"),
        Entry("Disputes", "/console/disputes", "gavel", "see_records", "d"),
        Entry("Subscriptions", "/console/subscriptions", "repeat", "see_records", "u"),
        Entry("Invoices", "/console/invoices", "file-invoice", "see_records", "i"),
        Entry("Payouts", "/console/payouts", "building-bank", "see_records", "y"),
        Entry("Books", "/console/books", "book", "see_books", "b"),
    ),
    "Reports": (
        Entry("Figures", "/console/figures", "chart-line", "see_figures", "f"),
        Entry("Exports", "/console/exports", "download", "export", "x"),
    ),
    "Trust": (
        Entry("Issues", "/console/issues", "alert-triangle", "see_issues", "a"),
        Entry("Events", "/console/events", "list-details", "see_evidence", "e"),
        Entry("Projections", "/console/projections", "stack-2", "see_status", "j"),
    ),
}
"""The menu by its groups; `key` follows `g` on the keyboard."""
SETTINGS: Final = Entry("Settings", "/console/settings", "settings", "see_status", "t")
MOST_USED: Final = ("/console", "/console/orders", "/console/payments", "/console/issues")
"""What the bar at the bottom of a phone has."""


RECENT: Final = timedelta(days=60)
"""Failures of what is older do not count: the log does not say which of them were dealt with."""


class Counted(NamedTuple):
    """A count of what waits: the list that is counted, and whether it calls for action.

    Where it is only of what is `recent`, older rows are left out.
    """

    address: str
    needs: str
    path: str
    filters: Mapping[str, str]
    is_urgent: bool
    recent: bool = False


COUNTED: Final = (
    Counted("/console/orders", "see_order", "/orders", {"to_ship": "true"}, False),
    Counted("/console/refunds", "see_records", "/refunds", {"state": "failed"}, True, recent=True),
    Counted("/console/disputes", "see_records", "/disputes", {"state": "open"}, True),
    Counted("/console/payouts", "see_records", "/payouts", {"state": "failed"}, True, recent=True),
    Counted("/console/issues", "see_issues", "/issues", {"state": "open"}, True),
)


def recently() -> str:
    """The day since when something is of `RECENT`."""
    return f"{datetime.now(UTC) - RECENT:%Y-%m-%d}"


class Count(NamedTuple):
    """How many wait, and whether that calls for action."""

    many: int
    is_urgent: bool


class Standing(NamedTuple):
    """How far the read models are: the last event, how many are to come, and how many stopped."""

    head: int
    lag_events: int
    stopped: int
    mode: str | None


class Frame(NamedTuple):
    """What the frame shows beside the menu; None where the role may not see it."""

    standing: Standing | None
    counts: Mapping[str, Count]


EMPTY: Final = Frame(None, {})


async def frame_of(api: Api, state: Any, role: str, may: Callable[[str], bool]) -> Frame:
    """The frame for a role, as it was seconds ago at most."""
    if not hasattr(state, "console_frames"):
        none: dict[str, tuple[float, Frame]] = {}
        state.console_frames = none
    frames: dict[str, tuple[float, Frame]] = state.console_frames
    made_at, frame = frames.get(role, (float("-inf"), EMPTY))
    now = time.monotonic()
    if now > made_at + FRESH_SECONDS:
        try:
            frame = await _made(api, may)
        except Problem:
            return EMPTY  # the page itself tells what is wrong
        frames[role] = now, frame
    return frame


def forget(state: Any) -> None:
    """Count again, since something was done."""
    if hasattr(state, "console_frames"):
        state.console_frames.clear()


async def _made(api: Api, may: Callable[[str], bool]) -> Frame:
    counted = [each for each in COUNTED if may(each.needs)]
    status, found = await gather(
        _status(api, may),
        gather(*(api.get(each.path, limit=1, totals=True, **_filters(each)) for each in counted)),
    )
    counts = {
        each.address: Count(answer["totals"]["count"], each.is_urgent)
        for each, answer in zip(counted, found, strict=True)
    }
    return Frame(status, {address: count for address, count in counts.items() if count.many})


def _filters(counted: Counted) -> dict[str, str]:
    return {**counted.filters, **({"created_after": recently()} if counted.recent else {})}


async def _status(api: Api, may: Callable[[str], bool]) -> Standing | None:
    if not may("see_status"):
        return None
    answer = await api.get("/status")
    following = [each for each in answer["projections"] if each["state"] == "following"]
    return Standing(
        answer["head"],
        max((each["lag_events"] for each in following), default=0),
        len(answer["projections"]) - len(following),
        answer["stripe"]["mode"],
    )
