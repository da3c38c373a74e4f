"""The books' periods over HTTP, and what accounts and products are called from one on."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from api.commands import execute
from books.categories import categories
from books.close import close
from books.names import check_there
from books.opening import READS as OPENING
from books.opening import entered, opening
from books.operations import DECIDED, change, part, see
from books.periods_schemas import (
    BalanceEntry,
    BeginRequest,
    CategoriesResponse,
    CategoryRequest,
    CategoryResponse,
    DecideRequest,
    MapRequest,
    OpeningResponse,
    OpeningsResponse,
    PeriodResponse,
    ReadinessResponse,
    UnreadyResponse,
)
from books.postings import READS
from books.ready import readiness
from ledger.domain.account_names import OwnName
from ledger.domain.aggregate import Command
from ledger.domain.events import OpeningBalance
from ledger.domain.period import MapAccount, NameCategory, ReopenPeriod
from ledger.errors import InvalidCommand, NotFound, NotReady
from projections.engine.replay import as_of_projections
from projections.queries.schemas import READ, One, reads_of


@see(errors=(InvalidCommand, *READ))
def read_readiness(request: Request, query: One) -> ReadinessResponse:
    """Say whether a month can be closed now, and if not, why, each reason with its cure."""
    period: str = request.path_params["period"]
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        found = readiness(cursor, request.state.log, period)
        stands = as_of_projections(cursor, READS)
    return ReadinessResponse(
        period=period,
        as_of_position=stands.position,
        ready=not found.reasons,
        reasons=[UnreadyResponse(**each._asdict()) for each in found.reasons],
    )


@see(errors=READ)
def read_opening(request: Request, query: One) -> OpeningsResponse:
    """Show what a person entered that accounts held before the first month of the books."""
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        found = entered(cursor)
        stands = as_of_projections(cursor, READS)
    told = None
    if found is not None:
        balances = [BalanceEntry(**asdict(each)) for each in found.balances]
        told = OpeningResponse.model_validate(found._asdict() | {"balances": balances})
    return OpeningsResponse(as_of_position=stands.position, opening=told)


@see(errors=READ)
def read_categories(request: Request, query: One) -> CategoriesResponse:
    """List the categories by which sales are booked: SKU, first month, category."""
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        stands, found = as_of_projections(cursor, READS), categories(cursor)
    return CategoriesResponse(
        as_of_position=stands.position,
        items=[CategoryResponse(**each._asdict()) for each in found],
    )


@change(errors=(*DECIDED, NotReady))
def begin_books(request: Request, body: BeginRequest) -> PeriodResponse:
    """Begin the books with a month, while none is closed: say what accounts held before it.

    What is known of the time before is no part of the books then. What was entered last counts.
    """
    period, log = request.path_params["period"], request.state.log
    given = [
        OpeningBalance(
            account=each.account, currency=each.currency.lower(), opening_minor=each.opening_minor
        )
        for each in body.balances
    ]
    with reads_of(request).snapshot(OPENING, log.head(), current=True) as cursor:
        command = opening(
            cursor, log, period, given, datetime.now(UTC), from_stripe=body.from_stripe
        )
    return _done(request, command, body)


@change(errors=(*DECIDED, NotReady))
def close_period(request: Request, body: DecideRequest) -> PeriodResponse:
    """Close the next month: its balances are on record, and nothing changes them any more.

    Refused while something must be put right before; the detail names each reason and its cure.
    """
    period: str = request.path_params["period"]
    log = request.state.log
    with reads_of(request).snapshot(READS, log.head(), current=True) as cursor:
        command = close(cursor, log, period, datetime.now(UTC))
    return _done(request, command, body)


@change(errors=(*DECIDED,))
def reopen_period(request: Request, body: DecideRequest) -> PeriodResponse:
    """Open the month again that was closed last; what its close said stays on record."""
    command = ReopenPeriod(period=request.path_params["period"], at=datetime.now(UTC))
    return _done(request, command, body)


@change(errors=(*DECIDED, NotFound))
def map_account(request: Request, body: MapRequest) -> PeriodResponse:
    """Say what the shop's own chart of accounts has for an account, from an open month on."""
    name, log = part(request, "name"), request.state.log
    with reads_of(request).snapshot(READS, log.head(), current=True) as cursor:
        check_there(cursor, name)
    command = MapAccount(
        account=name,
        period=body.period,
        own=OwnName(body.code, body.name, body.kind),
        at=datetime.now(UTC),
    )
    return _done(request, command, body)


@change(errors=DECIDED)
def name_category(request: Request, body: CategoryRequest) -> PeriodResponse:
    """Book sales of products by category, from an open month on.

    Goods of a linked order are split over `income:sales:…` by its lines, and refunds over
    `contra:refunds:…`.
    """
    command = NameCategory(
        sku=body.sku, category=body.category, period=body.period, at=datetime.now(UTC)
    )
    return _done(request, command, body)


routes = [
    Route("/books/accounts/{name}/map", map_account, methods=["POST"]),
    Route("/books/categories", read_categories),
    Route("/books/categories", name_category, methods=["POST"]),
    Route("/books/opening", read_opening),
    Route("/books/periods/{period}/readiness", read_readiness),
    Route("/books/periods/{period}/begin", begin_books, methods=["POST"]),
    Route("/books/periods/{period}/close", close_period, methods=["POST"]),
    Route("/books/periods/{period}/reopen", reopen_period, methods=["POST"]),
]


def _done(
    request: Request,
    command: Command,
    body: DecideRequest | BeginRequest | MapRequest | CategoryRequest,
) -> PeriodResponse:
    return PeriodResponse(**execute(request, command, body, body.reason).document())
