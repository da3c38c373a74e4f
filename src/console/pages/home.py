"""Home: the figures of a window, what needs attention, and how fresh all of it is."""

from __future__ import annotations

from asyncio import gather
from typing import Any, Final, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from console.attention import attention
from console.charts import funnel
from console.figure_charts import Days, Definition, chart, spark, uncounted
from console.page import Visit, view
from console.window import DECISIVE, currency_of, or_refusal, window_of

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


async def home(visit: Visit) -> Response:
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


async def _board(visit: Visit) -> Board:
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


async def _status(visit: Visit) -> dict[str, Any] | None:
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
