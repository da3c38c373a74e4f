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
from console.window import DECISIVE, WINDOW, currency_of, or_refusal, window_of

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


async def attention(request: PageRequest) -> Attention:
    """What the role of who looks may know of it."""
    checks, unlinked, orders, refunds, disputes = await gather(
        _checks(request),
        _every(request, "see_issues", "/issues", check="unlinked_payments", state="open"),
        _every(request, "see_order", "/orders", unallocated=True),
        _every(request, "see_order", "/orders", to_refund=True),
        _every(request, "see_records", "/disputes", state="open"),
    )
    lists = [
        ("Orders paid without goods", orders, "/console/orders?unallocated=true"),
        ("Orders to refund", refunds, "/console/orders?to_refund=true"),
        ("Open disputes", disputes, "/console/disputes?state=open"),
    ]
    found = [Waiting(label, len(rows), address) for label, rows, address in lists if rows]
    due = sorted(disputes, key=lambda row: row["due_at"] or "9999")
    return Attention([*_issues(checks, unlinked), *found], due[:DUE_SOON])


def _issues(checks: list[dict[str, Any]], unlinked: list[dict[str, Any]]) -> list[Waiting]:
    """Open issues by severity, and how many payments belong to no order, by the issues of them."""
    severities = Counter[str]()
    for check in checks:
        severities[check["severity"]] += check["open"]
    many = sum(issue["evidence"].get("payments_count", 1) for issue in unlinked)
    listed = "/console/issues?state=open"
    found = [
        Waiting("Open issues", severities[name], f"{listed}&severity={name}", name)
        for name in ("high", "medium", "low")
    ]
    payments = Waiting("Payments without an order", many, f"{listed}&check=unlinked_payments")
    return [each for each in (*found, payments) if each.many]


async def _checks(request: PageRequest) -> list[dict[str, Any]]:
    return (await request.api.get("/checks"))["items"] if request.may("see_issues") else []


async def _every(
    request: PageRequest, permission: str, path: str, **filters: Any
) -> list[dict[str, Any]]:
    """All rows of a list that should be short; at most a thousand of them."""
    rows: list[dict[str, Any]] = []
    cursor = None
    for _ in range(MAX_PAGES if request.may(permission) else 0):
        page = await request.api.get(path, limit=MOST, cursor=cursor, **filters)
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return rows


class Shelf(NamedTuple):
    """What the page shows: tiles, and titles of charts with their figures of one unit."""

    tiles: tuple[str, ...]
    charts: tuple[tuple[str, tuple[str, ...]], ...]


BY_ORDERS: Final = Shelf(
    (
        "revenue",
        "net_revenue",
        "gross_volume",
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
    ),
    (
        ("Revenue and net revenue of orders", ("revenue", "net_revenue")),
        ("Orders", ("orders",)),
        ("Refunds of orders", ("refunded_amount",)),
    ),
)
BY_PAYMENTS: Final = Shelf(
    (
        "gross_volume",
        "net_volume",
        "fees",
        "payments_succeeded",
        "customers_created",
        "spend_per_customer",
        "refunded_volume",
        "disputed_volume",
        "disputes_opened",
        "payment_success_pct",
        "mrr",
        "active_subscriptions",
    ),
    (
        ("Gross and net volume", ("gross_volume", "net_volume")),
        ("Payments succeeded", ("payments_succeeded",)),
        ("Refunds", ("refunded_volume",)),
    ),
)
"""Where no payment is of an order: figures of orders would be zero beside what Stripe shows."""
BEFORE_FEES: Final = Shelf(
    tuple(
        "net_volume_before_fees" if name == "net_volume" else name
        for name in BY_PAYMENTS.tiles
        if name != "fees"
    ),
    (("Gross and net volume", ("gross_volume", "net_volume_before_fees")), *BY_PAYMENTS.charts[1:]),
)
"""The same where no balance transaction is known: fees are not nothing."""
HAS_ORDERS: Final = "captured_payments_to_date"
HAS_FEES: Final = "transactions_to_date"
WISHED: Final = ("wishlisted_users", "purchased_users")
MORE_IS_WORSE: Final = frozenset(
    {
        "refunded_amount",
        "refund_rate_value_pct",
        "disputed_amount",
        "refunded_volume",
        "disputed_volume",
        "disputes_opened",
        "fees",
    }
)
SHELVES: Final = (BY_ORDERS, BY_PAYMENTS, BEFORE_FEES)
ASKED: Final = ",".join(
    {
        *(name for shelf in SHELVES for name in shelf.tiles),
        *WISHED,
        *DECISIVE,
        HAS_ORDERS,
        HAS_FEES,
    }
)
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
    """All figures of the page, in one currency; None where the shop has sold nothing.

    `by_orders` says whether any payment in the currency is of an order.
    """

    answer: dict[str, Any]
    currency: str | None
    by_orders: bool
    tiles: list[Tile]
    charts: list[Markup]
    funnel: Markup
    products: list[dict[str, Any]]


async def home(request: PageRequest) -> Response:
    """The figures of a window beside those of the one before, and what waits for a person."""
    if not request.may("see_figures"):
        return request.page("home.html", board=None, refused=None, needs=None, status=None)
    (board, refused), needs, status = await gather(
        or_refusal(_board(request)), attention(request), _status(request)
    )
    return request.page(
        "home.html",
        refused.status if refused else 200,
        board=board,
        refused=refused,
        needs=needs,
        status=status,
    )


async def _board(request: PageRequest) -> Board:
    window = window_of(request.query)
    answer, daily, contract = await gather(
        request.api.get("/kpi", figures=ASKED, compare="previous", **window),
        request.api.get("/kpi/daily", figures=ASKED, **window),
        request.api.get("/kpi/definitions"),
    )
    figures = {each["id"]: each for each in contract["figures"]}
    currency = currency_of(request.query, answer["currencies"])
    products = await request.api.get(
        "/kpi/products", currency=currency, limit=BEST_SELLERS, **window
    )
    days, sold = daily["by_day"], currency is not None
    shelf = _shelf(answer["currencies"].get(currency))
    return Board(
        answer,
        currency,
        shelf is BY_ORDERS,
        [_tile(figures[name], answer, days, currency) for name in shelf.tiles if sold],
        [_chart(title, names, figures, days, currency) for title, names in shelf.charts if sold],
        _funnel(figures, answer),
        products["items"],
    )


def _shelf(figures: dict[str, Any] | None) -> Shelf:
    """By what is known in the currency; where nothing was sold at all, by orders: they may come."""
    if figures is None or figures[HAS_ORDERS]["value"]:
        return BY_ORDERS
    return BY_PAYMENTS if figures[HAS_FEES]["value"] else BEFORE_FEES


def _tile(figure: Definition, answer: dict[str, Any], days: Days, currency: str | None) -> Tile:
    name = figure["id"]
    figures = answer["currencies"][currency] if figure["has_currency"] else answer["shop"]
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


async def _status(request: PageRequest) -> dict[str, Any] | None:
    """How far the read models are, which of them do not follow, and what the last proof found."""
    if not request.may("see_status"):
        return None
    answer = await request.api.get("/status")
    projections = answer["projections"]
    return {
        "head": answer["head"],
        "lag_events": max((each["lag_events"] for each in projections), default=0),
        "last_proof": answer["last_proof"],
        "stopped": [each for each in projections if each["state"] != "following"],
    }


routes = [view("/console", home, takes=WINDOW)]
