"""Home: the figures of a window, what needs attention, and how fresh all of it is."""

from __future__ import annotations

from asyncio import gather
from collections import Counter
from typing import Any, Final, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from console.charts import funnel
from console.figure_charts import Days, Definition, chart, spark, uncounted
from console.page import PageRequest, view
from console.window import DECISIVE, currency_of, or_refusal, window_of

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


async def attention(visit: PageRequest) -> Attention:
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


async def _checks(visit: PageRequest) -> list[dict[str, Any]]:
    return (await visit.api.get("/checks"))["items"] if visit.may("see_issues") else []


async def _every(
    visit: PageRequest, surface: str, path: str, **filters: Any
) -> list[dict[str, Any]]:
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


TILES: Final = (
    "revenue",
    "net_revenue",
    "orders",
    "aov",
    "refunded_amount",
    "refund_rate_value_pct",
    "disputed_amount",
    "unique_customers",
    "repeat_rate_pct",
    "payment_success_pct",
    "mrr",
    "active_subscriptions",
)
CHARTS: Final = (
    ("Revenue and net revenue", ("revenue", "net_revenue")),
    ("Orders", ("orders",)),
    ("Refunds", ("refunded_amount",)),
)
WISHED: Final = ("wishlisted_users", "purchased_users")
MORE_IS_WORSE: Final = frozenset({"refunded_amount", "refund_rate_value_pct", "disputed_amount"})
ASKED: Final = ",".join({*TILES, *WISHED, *DECISIVE})
BEST_SELLERS: Final = 8


class Tile(NamedTuple):
    """A figure of the window beside that of the one before; `trend` is up (well) or down.

    `uncounted` is of how many things it leaves something out that is not known.
    """

    figure: Definition
    value: Any
    previous: Any
    change_pct: float | None
    trend: str
    sparkline: Markup
    uncounted: int


class Board(NamedTuple):
    """All figures of the page, in one currency; None where the shop has sold nothing."""

    answer: dict[str, Any]
    currency: str | None
    tiles: list[Tile]
    charts: list[Markup]
    funnel: Markup
    products: list[dict[str, Any]]


async def home(visit: PageRequest) -> Response:
    """The figures of a window beside those of the one before, and what waits for a person."""
    if not visit.may("see_figures"):
        return visit.page("home.html", board=None, refused=None, needs=None, status=None)
    (board, refused), needs, status = await gather(
        or_refusal(_board(visit)), attention(visit), _status(visit)
    )
    return visit.page(
        "home.html",
        refused.status if refused else 200,
        board=board,
        refused=refused,
        needs=needs,
        status=status,
    )


async def _board(visit: PageRequest) -> Board:
    window = window_of(visit.query)
    answer, daily, contract = await gather(
        visit.api.get("/kpi", figures=ASKED, compare="previous", **window),
        visit.api.get("/kpi/daily", figures=ASKED, **window),
        visit.api.get("/kpi/definitions"),
    )
    figures = {each["id"]: each for each in contract["figures"]}
    currency = currency_of(visit.query, answer["currencies"])
    products = await visit.api.get("/kpi/products", currency=currency, limit=BEST_SELLERS, **window)
    days, sold = daily["by_day"], currency is not None
    return Board(
        answer,
        currency,
        [_tile(figures[name], answer, days, currency) for name in TILES if sold],
        [_chart(title, names, figures, days, currency) for title, names in CHARTS if sold],
        _funnel(figures, answer),
        products["items"],
    )


def _tile(figure: Definition, answer: dict[str, Any], days: Days, currency: str | None) -> Tile:
    name = figure["id"]
    figures = answer["currencies"][currency]
    found = figures[name]
    change = found["change_pct"]
    trend = "" if not change else "up" if (change > 0) is (name not in MORE_IS_WORSE) else "down"
    return Tile(
        figure,
        **found,
        trend=trend,
        sparkline=spark(days, figure, currency),
        uncounted=uncounted(figure, figures),
    )


def _chart(
    title: str,
    names: tuple[str, ...],
    figures: dict[str, Definition],
    days: Days,
    currency: str | None,
) -> Markup:
    return chart(f"{title} by day", days, [figures[name] for name in names], currency)


def _funnel(figures: dict[str, Definition], answer: dict[str, Any]) -> Markup:
    steps = [(figures[name]["label"], answer["shop"][name]["value"]) for name in WISHED]
    return funnel("funnel", "From wishlist to purchase", steps)


async def _status(visit: PageRequest) -> dict[str, Any] | None:
    """How far the read models are, and which of them do not follow."""
    if not visit.may("see_status"):
        return None
    answer = await visit.api.get("/status")
    projections = answer["projections"]
    return {
        "head": answer["head"],
        "lag_events": max((each["lag_events"] for each in projections), default=0),
        "stopped": [each for each in projections if each["state"] != "following"],
    }


routes = [view("/console", home)]
