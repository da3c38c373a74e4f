"""Home: the figures of a window, what needs attention, and how fresh all of it is."""

from __future__ import annotations

from asyncio import gather
from typing import Any, Final, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from console.charts import Days, Definition, Drawn, chart, spark, uncounted
from console.page import PageRequest, view
from console.steps import first_steps
from console.todo import attention
from console.window import DECISIVE, WINDOW, currency_of, or_refusal, window_of

LAST_ORDERS: Final = 6
FIGURE: Final = "figure"
"""What the address calls the figure of the large chart."""


class Shelf(NamedTuple):
    """What the page shows: six figures large, and the others."""

    large: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The figures of the shelf."""
        return (*self.large, *self.others)


BY_ORDERS: Final = Shelf(
    ("revenue", "net_revenue", "orders", "refunded_amount", "mrr", "payment_success_pct"),
    (
        "gross_volume",
        "aov",
        "refund_rate_value_pct",
        "disputed_amount",
        "unique_customers",
        "repeat_rate_pct",
        "active_subscriptions",
    ),
)
BY_PAYMENTS: Final = Shelf(
    (
        "gross_volume", "net_volume", "payments_succeeded", "refunded_volume", "mrr",
        "payment_success_pct",
    ),
    (
        "fees",
        "customers_created",
        "spend_per_customer",
        "disputed_volume",
        "disputes_opened",
        "active_subscriptions",
    ),
)  # fmt: skip
"""Where no payment is of an order: figures of orders would be zero beside what Stripe shows."""
BEFORE_FEES: Final = Shelf(
    tuple("net_volume_before_fees" if name == "net_volume" else name for name in BY_PAYMENTS.large),
    tuple(name for name in BY_PAYMENTS.others if name != "fees"),
)
"""The same where no balance transaction is known: fees are not nothing."""
HAS_ORDERS: Final = "captured_payments_to_date"
HAS_FEES: Final = "transactions_to_date"
SHORT_NAMES: Final = {
    "revenue": "Revenue",
    "net_revenue": "Net",
    "refunded_amount": "Refunds",
    "refunded_volume": "Refunds",
    "mrr": "MRR",
    "payment_success_pct": "Success",
    "gross_volume": "Gross",
    "net_volume": "Net",
    "net_volume_before_fees": "Net",
    "payments_succeeded": "Payments",
}
"""What the switch of the large chart calls figures."""
WISHED: Final = ("wishlisted_users", "purchased_users")
TRIED: Final = ("payments_succeeded", "payments_failed")
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
        *(name for shelf in SHELVES for name in shelf.all),
        *WISHED,
        *TRIED,
        *DECISIVE,
        HAS_ORDERS,
        HAS_FEES,
    }
)
BEST_SELLERS: Final = 6


class Tile(NamedTuple):
    """A figure of the window beside that of the one before; `trend` is up (well) or down.

    `change` is how much it changed, in words: of rates in points, of the others in per cent. There
    is none from nothing, or from below zero. `uncounted` is of how many things it leaves something
    out that is not known.
    """

    figure: Definition
    value: Any
    previous: Any
    change: str
    trend: str
    sparkline: Markup
    uncounted: int


class Step(NamedTuple):
    """A step of a funnel: how many came to it, of how many."""

    label: str
    reached: int
    of: int


class Funnel(NamedTuple):
    """How many came how far."""

    title: str
    steps: list[Step]


class Board(NamedTuple):
    """All figures of the page, in one currency; None where the shop has sold nothing.

    `by_orders` says whether any payment in the currency is of an order. `large` tiles may be the
    figure of the `chart`, which is called `shown`.
    """

    answer: dict[str, Any]
    currency: str | None
    by_orders: bool
    large: list[Tile]
    others: list[Tile]
    shown: str
    chart: Drawn | None
    funnels: list[Funnel]
    products: list[dict[str, Any]]


async def home(request: PageRequest) -> Response:
    """The figures of a window beside those of the one before, and what waits for a person."""
    if not request.may("see_figures"):
        return request.page("home.html", board=None, refused=None, needs=None, status=None)
    (board, refused), needs, status, orders = await gather(
        or_refusal(_board(request)),
        attention(request),
        _status(request),
        _last_orders(request),
    )
    return request.page(
        "home.html",
        refused.status if refused else 200,
        board=board,
        refused=refused,
        needs=needs,
        status=status,
        orders=orders,
        short_names=SHORT_NAMES,
        steps=await first_steps(request) if status and _is_new(board, orders) else None,
    )


def _is_new(board: Board | None, orders: list[dict[str, Any]]) -> bool:
    """Whether nothing of a shop is known yet."""
    return board is not None and board.currency is None and not orders


async def _last_orders(request: PageRequest) -> list[dict[str, Any]]:
    """The orders that were placed last."""
    if not request.may("see_order"):
        return []
    return (await request.api.get("/orders", limit=LAST_ORDERS))["items"]


async def _board(request: PageRequest) -> Board:
    window = window_of(request.query)
    answer, daily, contract = await gather(
        request.api.get("/kpi", figures=ASKED, compare="previous", **window),
        request.api.get("/kpi/daily", figures=ASKED, **window),
        request.api.get("/kpi/definitions"),
    )
    figures = {each["id"]: each for each in contract["figures"]}
    currency = currency_of(request.query, answer["currencies"])
    sold = currency is not None
    shelf = _shelf(answer["currencies"].get(currency))
    shown = _shown(request, shelf)
    earlier = answer["previous_window"]
    products, (before, _) = await gather(
        request.api.get("/kpi/products", currency=currency, limit=BEST_SELLERS, **window),
        or_refusal(  # a window before the first day that there is
            request.api.get("/kpi/daily", figures=shown, from_=earlier["from"], to=earlier["to"])
        ),
    )
    days = daily["by_day"]
    return Board(
        answer,
        currency,
        shelf is BY_ORDERS,
        [_tile(figures[name], answer, days, currency) for name in shelf.large if sold],
        [_tile(figures[name], answer, days, currency) for name in shelf.others if sold],
        shown,
        _chart(figures[shown], days, before and before["by_day"], currency) if sold else None,
        _funnels(answer, currency),
        products["items"],
    )


def _shelf(figures: dict[str, Any] | None) -> Shelf:
    """By what is known in the currency; where nothing was sold at all, by orders: they may come."""
    if figures is None or figures[HAS_ORDERS]["value"]:
        return BY_ORDERS
    return BY_PAYMENTS if figures[HAS_FEES]["value"] else BEFORE_FEES


def _shown(request: PageRequest, shelf: Shelf) -> str:
    asked = request.query.get(FIGURE, "")
    return asked if asked in shelf.large else shelf.large[0]


def _tile(figure: Definition, answer: dict[str, Any], days: Days, currency: str | None) -> Tile:
    name = figure["id"]
    figures = answer["currencies"][currency] if figure["has_currency"] else answer["shop"]
    found = figures[name]
    value, previous = found["value"], found["previous"]
    change, rises = _change(value, previous, found["change_pct"], figure["unit"])
    trend = "" if not change else "up" if rises is (name not in MORE_IS_WORSE) else "down"
    return Tile(
        figure, value, previous, change, trend, spark(days, figure, currency),
        uncounted(figure, figures),
    )  # fmt: skip


def _change(value: Any, previous: Any, change_pct: float | None, unit: str) -> tuple[str, bool]:
    """By how much it changed, in words, and whether it rose; of rates it is in points."""
    if value is None or previous is None or previous <= 0 or value == previous:
        return "", False
    rises = value > previous
    arrow = "↑" if rises else "↓"
    if unit == "percent":
        return f"{arrow} {abs(value - previous):.1f} pts", rises
    return ("", rises) if change_pct is None else (f"{arrow} {abs(change_pct):,.1f} %", rises)


def _chart(figure: Definition, days: Days, before: Days | None, currency: str | None) -> Drawn:
    address = f"/console/figures/{figure['id']}?"
    if currency and figure["has_currency"]:
        address += f"currency={currency}&"
    return chart(
        f"{figure['label']} by day", figure, currency, days, before=before, address=address
    )


def _funnels(answer: dict[str, Any], currency: str | None) -> list[Funnel]:
    """Of payments, and of wishes; none of which nothing is known.

    Nor one in which more was taken back than came, as where payments of earlier days failed later.
    """
    money = answer["currencies"].get(currency, {})
    succeeded, failed = (money[name]["value"] if money else 0 for name in TRIED)
    wished, bought = (answer["shop"][name]["value"] for name in WISHED)
    found = (
        ("Payments", ("Ended", succeeded + failed), ("Succeeded", succeeded)),
        ("Wishlists", ("Customers who wished", wished), ("Customers who bought it", bought)),
    )
    return [
        Funnel(title, [Step(label, many, first[1]) for label, many in (first, second)])
        for title, first, second in found
        if 0 <= second[1] <= first[1] != 0
    ]


async def _status(request: PageRequest) -> dict[str, Any] | None:
    """How far the read models are, which of them do not follow, and what the last proof found."""
    if not request.may("see_status"):
        return None
    answer = await request.api.get("/status")
    projections = answer["projections"]
    return {
        "lag_events": max((each["lag_events"] for each in projections), default=0),
        "last_proof": answer["last_proof"],
        "stopped": [each for each in projections if each["state"] != "following"],
    }


routes = [view("/console", home, takes=(*WINDOW, FIGURE))]
