"""Figures over HTTP: of a window, day by day, what they are, and the facts behind them."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.routing import Route

import kpi.checks.http
from api.operations import operation
from api.permissions import Permission
from kpi import best_sellers, snapshots
from kpi.declare import (
    CONTRACT_VERSION,
    Figure,
    catalogue,
    definition,
    figure,
    projections_of,
)
from kpi.evaluate import NO_CURRENCY
from kpi.explain import explain
from kpi.report import daily, report
from kpi.schemas import (
    BestSellerAnswer,
    BestSellersAnswer,
    DailyAnswer,
    DailyQuery,
    DayAnswer,
    DefinitionAnswer,
    DefinitionsAnswer,
    FactsAnswer,
    FactsQuery,
    FiguresAnswer,
    FiguresQuery,
    ProductsQuery,
    SnapshotAnswer,
    SnapshotsAnswer,
    SnapshotsQuery,
    WindowQuery,
    figures_answer,
    standing_answer,
    values_answer,
    window_answer,
)
from kpi.windows import LENGTHS, Window, day_of, parse
from ledger.errors import InvalidRequest, InvalidWindow, LedgerError, UnknownFigure
from projections.queries.schemas import READ, Item, position_of, reads_of

_Errors = tuple[type[LedgerError], ...]
_WINDOW: Final[_Errors] = (InvalidWindow, *READ)
MAX_DAILY: Final = 366


@operation(
    surface=Permission.SEE_FIGURES,
    tag="kpi",
    query=FiguresQuery,
    answers=FiguresAnswer,
    errors=(UnknownFigure, *_WINDOW),
)
def read_figures(request: Request, query: FiguresQuery) -> FiguresAnswer:
    """Show every figure of a window, by currency, and those of the whole shop."""
    window, figures = window_of(request, query), _chosen(query.figures)
    compare = window.previous if query.compare else None
    with reads_of(request).snapshot(projections_of(figures), query.after) as cursor:
        made = report(cursor, window, compare=compare, currency=query.currency, figures=figures)
    return FiguresAnswer(
        window=window_answer(window),
        previous_window=None if compare is None else window_answer(compare),
        standing=standing_answer(made),
        currencies={name: figures_answer(each) for name, each in made.currencies.items()},
        shop=figures_answer(made.shop),
    )


@operation(
    surface=Permission.SEE_FIGURES,
    tag="kpi",
    query=DailyQuery,
    answers=DailyAnswer,
    errors=(UnknownFigure, *_WINDOW),
)
def read_daily(request: Request, query: DailyQuery) -> DailyAnswer:
    """Show every figure of each day of a window, which has 366 days at most.

    Distinct counts of days do not add up: a customer who comes on two days is one customer.
    """
    window, figures = window_of(request, query), _chosen(query.figures)
    if window.days > MAX_DAILY:
        raise InvalidWindow(f"Day by day, a window has {MAX_DAILY} days at most.")
    with reads_of(request).snapshot(projections_of(figures), query.after) as cursor:
        made = daily(cursor, window, currency=query.currency, figures=figures)
    return DailyAnswer(
        window=window_answer(window),
        standing=standing_answer(made[-1]),
        by_day=[
            DayAnswer(
                day=each.window.first,
                currencies={name: values_answer(f) for name, f in each.currencies.items()},
                shop=values_answer(each.shop),
            )
            for each in made
        ],
    )


@operation(
    surface=Permission.SEE_FIGURES,
    tag="kpi",
    query=FactsQuery,
    answers=FactsAnswer,
    errors=(UnknownFigure, *_WINDOW),
)
def explain_figure(request: Request, query: FactsQuery) -> Item:
    """List the facts behind a figure, the latest first; what they `counted` adds up to it.

    A figure that is computed from others is explained by those: its `parts` in the definitions.
    """
    asked = figure(request.path_params["id"])
    window = window_of(request, query)
    if asked.has_currency and query.currency is None:
        raise InvalidRequest("query.currency: currencies are never added; name one.")
    with reads_of(request).snapshot(projections_of([asked]), query.after) as cursor:
        found = explain(
            cursor,
            asked,
            window,
            currency=query.currency if asked.has_currency else NO_CURRENCY,
            limit=query.limit,
            start=query.cursor,
        )
    return Item(
        {
            "figure": asked.id,
            "window": window_answer(window).model_dump(mode="json"),
            "items": found.rows,
            "next": found.next,
        }
    )


@operation(
    surface=Permission.SEE_FIGURES,
    tag="kpi",
    query=ProductsQuery,
    answers=BestSellersAnswer,
    errors=_WINDOW,
)
def read_products(request: Request, query: ProductsQuery) -> BestSellersAnswer:
    """List the best sellers of a window: units and revenue by product and currency."""
    window = window_of(request, query)
    with reads_of(request).snapshot(best_sellers.READS, query.after) as cursor:
        found = best_sellers.best_sellers(
            cursor, window, currency=query.currency, limit=query.limit
        )
    return BestSellersAnswer(
        window=window_answer(window), items=[BestSellerAnswer(**row) for row in found]
    )


@operation(
    surface=Permission.SEE_FIGURES,
    tag="kpi",
    query=SnapshotsQuery,
    answers=SnapshotsAnswer,
    errors=_WINDOW,
)
def read_snapshots(request: Request, query: SnapshotsQuery) -> SnapshotsAnswer:
    """Show what was taken down of a window's days, as it was known at a position or time."""
    reads = reads_of(request)
    as_of = None if query.as_of is None else position_of(reads, query.as_of)
    with reads.snapshot(projections_of(_chosen(None)), query.after) as cursor:
        found = snapshots.known(
            cursor,
            window_of(request, query),
            window_days=int(query.window_days),
            currency=query.currency,
            as_of=as_of,
        )
    return SnapshotsAnswer(
        items=[SnapshotAnswer(values=row.pop("figures"), **row) for row in found]
    )


@operation(surface=Permission.SEE_FIGURES, tag="kpi", answers=DefinitionsAnswer)
def read_definitions(_request: Request) -> DefinitionsAnswer:
    """Show what every figure is: the contract."""
    return DefinitionsAnswer(
        contract_version=CONTRACT_VERSION,
        window_lengths=list(LENGTHS),
        figures=[DefinitionAnswer(**definition(each)) for each in catalogue().values()],
    )


routes = [
    Route("/kpi", read_figures),
    Route("/kpi/daily", read_daily),
    Route("/kpi/definitions", read_definitions),
    Route("/kpi/products", read_products),
    Route("/kpi/snapshots", read_snapshots),
    Route("/kpi/{id}/explain", explain_figure),
    *kpi.checks.http.routes,
]


def window_of(request: Request, query: WindowQuery) -> Window:
    """The days that a call asks for; today is that of the reporting zone."""
    today = day_of(request.state.log.clocks.earlier(), request.state.settings.ledger_time_zone)
    return parse(today, window=query.window, first=query.first, last=query.last)


def _chosen(names: str | None) -> list[Figure]:
    """The figures that a call names; all where it names none. Raises `UnknownFigure`."""
    return list(catalogue().values()) if names is None else [*map(figure, names.split(","))]
