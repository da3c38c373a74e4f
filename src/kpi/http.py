"""Figures over HTTP: of a window, day by day, what they are, and the facts behind them."""

from __future__ import annotations

from datetime import date
from typing import Final

from starlette.requests import Request
from starlette.routing import Route

import kpi.checks.http
from api.operations import operation
from api.permissions import Permission
from kpi import best_sellers, snapshots
from kpi.declare import CONTRACT_VERSION, Figure, catalogue, definition, figure, projections_of
from kpi.evaluate import NO_CURRENCY
from kpi.explain import explain
from kpi.report import daily, report
from kpi.schemas import (
    BestSellerResponse,
    BestSellersResponse,
    DailyQuery,
    DailyResponse,
    DayResponse,
    DefinitionResponse,
    DefinitionsResponse,
    FactsQuery,
    FactsResponse,
    FiguresQuery,
    FiguresResponse,
    ProductsQuery,
    SnapshotResponse,
    SnapshotsQuery,
    SnapshotsResponse,
    WindowQuery,
    figures_answer,
    rests_on_answer,
    values_answer,
    window_answer,
)
from kpi.windows import LENGTHS, Window, day_of, parse
from ledger.domain.text import as_of
from ledger.errors import InvalidRequest, InvalidWindow, LedgerError, UnknownFigure
from projections.engine.replay import check_begun
from projections.queries.answers import AS_OF, EMPTY
from projections.queries.schemas import READ, Item, position_of, reads_of
from projections.queries.stripe_state import state_of

_Errors = tuple[type[LedgerError], ...]
_WINDOW: Final[_Errors] = (InvalidWindow, *READ)
MAX_DAILY: Final = 366


@operation(Permission.SEE_FIGURES, "kpi", errors=(UnknownFigure, *_WINDOW))
def read_figures(request: Request, query: FiguresQuery) -> FiguresResponse:
    """Show every figure of a window, by currency, and those of the whole shop."""
    window, figures = window_of(request, query), _chosen(query.figures)
    compare = window.previous if query.compare else None
    with reads_of(request).snapshot(projections_of(figures), query.after, current=True) as cursor:
        made = report(
            cursor,
            window,
            _today(request),
            compare=compare,
            currency=query.currency,
            figures=figures,
        )
    return FiguresResponse(
        window=window_answer(window),
        previous_window=None if compare is None else window_answer(compare),
        standing=rests_on_answer(made),
        missing=state_of(request).missing,
        currencies={name: figures_answer(each) for name, each in made.currencies.items()},
        shop=figures_answer(made.shop),
        as_of_position=made.rests_on.position,
    )


@operation(Permission.SEE_FIGURES, "kpi", errors=(UnknownFigure, *_WINDOW))
def read_daily(request: Request, query: DailyQuery) -> DailyResponse:
    """Show every figure of each day of a window, which has 366 days at most.

    Distinct counts of days do not add up: a customer who comes on two days is one customer.
    """
    window, figures = window_of(request, query), _chosen(query.figures)
    if window.days > MAX_DAILY:
        raise InvalidWindow(f"Day by day, a window has {MAX_DAILY} days at most.")
    with reads_of(request).snapshot(projections_of(figures), query.after, current=True) as cursor:
        made = daily(cursor, window, _today(request), currency=query.currency, figures=figures)
    return DailyResponse(
        window=window_answer(window),
        standing=rests_on_answer(made[-1]),
        by_day=[
            DayResponse(
                day=each.window.first,
                currencies={name: values_answer(f) for name, f in each.currencies.items()},
                shop=values_answer(each.shop),
            )
            for each in made
        ],
        as_of_position=made[-1].rests_on.position,
    )


@operation(Permission.SEE_FIGURES, "kpi", answers=FactsResponse, errors=(UnknownFigure, *_WINDOW))
def explain_figure(request: Request, query: FactsQuery) -> Item:
    """List the facts behind a figure, the latest first; what they `counted` adds up to it.

    A figure that is computed from others is explained by those: its `parts` in the definitions.
    """
    asked = figure(request.path_params["id"])
    window = window_of(request, query)
    if asked.has_currency and query.currency is None:
        told = "currencies are never added; name one."
        raise InvalidRequest.of_field("currency", told, place="query.")
    with reads_of(request).snapshot(projections_of([asked]), query.after, current=True) as cursor:
        found = explain(
            cursor,
            asked,
            window,
            currency=query.currency if asked.has_currency else NO_CURRENCY,
            limit=query.limit,
            start=query.cursor,
        )
        position = cursor.position
    return Item(
        {
            "figure": asked.id,
            "window": window_answer(window).model_dump(mode="json"),
            "items": found.rows,
            "next": found.next,
            EMPTY: None if found.rows else _nothing("facts", window, position),
            AS_OF: position,
        }
    )


@operation(Permission.SEE_FIGURES, "kpi", errors=_WINDOW)
def read_products(request: Request, query: ProductsQuery) -> BestSellersResponse:
    """List the best sellers of a window: units and revenue by product and currency."""
    window = window_of(request, query)
    with reads_of(request).snapshot(best_sellers.READS, query.after, current=True) as cursor:
        found = best_sellers.best_sellers(
            cursor, window, currency=query.currency, limit=query.limit
        )
        position = cursor.position
    return BestSellersResponse(
        window=window_answer(window),
        items=[BestSellerResponse(**row) for row in found],
        empty=None if found else _nothing("products sold", window, position),
        as_of_position=position,
    )


@operation(Permission.SEE_FIGURES, "kpi", errors=_WINDOW)
def read_snapshots(request: Request, query: SnapshotsQuery) -> SnapshotsResponse:
    """Show what was recorded of a window's days, as it was known at a position or time."""
    reads = reads_of(request)
    as_of = None
    if query.as_of is not None:
        as_of = check_begun(reads.engine.log, position_of(reads, query.as_of))
    window = window_of(request, query)
    with reads.snapshot(projections_of(_chosen(None)), query.after) as cursor:
        position = cursor.position if as_of is None else as_of
        found = snapshots.known(
            cursor,
            window,
            window_days=int(query.window_days),
            currency=query.currency,
            as_of=as_of,
        )
    return SnapshotsResponse(
        items=[SnapshotResponse(values=row.pop("figures"), **row) for row in found],
        empty=None if found else _nothing("snapshots", window, position, snapshots.FILLED_BY),
        as_of_position=position,
    )


@operation(Permission.SEE_FIGURES, "kpi")
def read_definitions(_request: Request) -> DefinitionsResponse:
    """Show what every figure is: the contract."""
    return DefinitionsResponse(
        contract_version=CONTRACT_VERSION,
        window_lengths=list(LENGTHS),
        figures=[DefinitionResponse(**definition(each)) for each in catalogue().values()],
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


def window_of(request: Request, query: WindowQuery, period: str | None = None) -> Window:
    """The days that a call asks for; today is that of the reporting zone."""
    return parse(
        _today(request), window=query.window, first=query.first, last=query.last, period=period
    )


def _nothing(nouns: str, window: Window, position: int, filled_by: str = "") -> str:
    """Why there is nothing of a window."""
    told = f"No {nouns} from {window.first} to {window.last}, {as_of(position)}."
    return f"{told} {filled_by}".strip()


def _today(request: Request) -> date:
    return day_of(request.state.log.clocks.earlier(), request.state.settings.ledger_time_zone)


def _chosen(names: str | None) -> list[Figure]:
    """The figures that a call names; all where it names none. Raises `UnknownFigure`."""
    return list(catalogue().values()) if names is None else [*map(figure, names.split(","))]
