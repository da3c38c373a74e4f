"""The ASGI application: routes, what they share while the service runs, and error statuses."""

import importlib
import pkgutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from threading import Event
from typing import Any, Final

import psycopg
from eventsourcing.persistence import PersistenceError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

import api.endpoints
import app.alerts.http
import app.health
import books.http
import console.http
import kpi.exports.http
import kpi.http
import projections.queries.http
import projections.queries.linking_http
import projections.queries.proof_http
import projections.queries.rebuild_http
import projections.queries.search_http
import webhooks.http
from api.auth import Auth
from api.middleware import BROKEN, RequestMiddleware, broken, http_problem
from api.openapi import describe
from api.operations import problem
from app.wiring import folded_archive, make_engine, rechecker
from ledger import errors
from ledger.command_handler import CommandHandler
from ledger.disclosures import DisclosureLog
from ledger.errors import LedgerError, StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.failures import store_errors
from ledger.saved_filters import SavedFilters
from ledger.sessions import Sessions
from ledger.settings import Settings
from ledger.version import version
from projections.engine.background import BackgroundTasks
from projections.engine.reads import Reads
from webhooks.ingest.receive import Receiver
from webhooks.ingest.signature import is_signed

TITLE: Final = "Ledger"
HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
RETRY_SECONDS: Final = 1
EXPORTS_AT_A_TIME: Final = 4
EXPORT_SECONDS: Final = 60.0
"""How long an export may take to find its first rows, or the next ones."""


STATUSES: Final[dict[type[LedgerError], int]] = {
    errors.InvalidCommand: 422,
    errors.UnknownOrder: 404,
    errors.UnknownProduct: 404,
    errors.UnknownPayment: 404,
    errors.UnknownToken: 404,
    errors.UnknownIssue: 404,
    errors.WrongPrice: 422,
    errors.Unstorable: 422,
    errors.Refused: 409,
    errors.InvalidRequest: 422,
    errors.InvalidWindow: 400,
    errors.UnknownFigure: 404,
    errors.UnknownExport: 404,
    errors.NotFound: 404,
    errors.Ambiguous: 409,
    errors.Conflict: 409,
    errors.SameIdOtherContent: 409,
    errors.NotAStripeEvent: 400,
    errors.BadSignature: 400,
    errors.PayloadTooLarge: 413,
    errors.TooManyRejected: 429,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.EndpointOff: 404,
    errors.StripeRefused: 502,
    errors.StripeUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.ArchiveUnavailable: 503,
    errors.ArchiveDamaged: 503,
    errors.ForeignWorker: 503,
    errors.EngineUnavailable: 503,
    errors.Stopped: 503,
    errors.NoLedger: 503,
    errors.PostgresError: 503,
    errors.MigrationError: 503,
    errors.UnknownTopic: 500,
    errors.UnknownProjection: 404,
    errors.RebuildRunning: 409,
    errors.RebuildRefused: 409,
    errors.RebuildBlocked: 409,
    errors.ProjectionStopped: 503,
    errors.NotCaughtUp: 503,
    errors.SettingsError: 500,
}
"""HTTP status by error; an error that does not stand here has the status of its base class."""


def status_of(error: type[LedgerError]) -> int:
    """The status of the error, or of the nearest class above it."""
    return next(STATUSES[base] for base in error.__mro__ if base in STATUSES)


def create_app(settings: Settings, database: Database, stop: Event | None = None) -> Starlette:
    """The service on this database, which must outlive it; `stop` ends calls that are waiting."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            yield await _open(settings, database, stop or Event(), stack)

    hosts = {*HOSTS, settings.ledger_host, *settings.ledger_hosts}
    return Starlette(
        routes=routes,
        middleware=[Middleware(RequestMiddleware, hosts=hosts, broken=_broken)],
        exception_handlers={
            LedgerError: _on_ledger_error,
            psycopg.Error: _on_database_error,
            PersistenceError: _on_database_error,
            HTTPException: _on_http_exception,
        },
        lifespan=lifespan,
    )


async def _open(
    settings: Settings, database: Database, stop: Event, stack: AsyncExitStack
) -> dict[str, Any]:
    """What endpoints find in `request.state`; the stack closes it, the receiver drained first."""
    log = stack.enter_context(closing(Log.of(database)))
    engine = make_engine(settings, database, log)
    reads = stack.enter_context(closing(Reads(engine)))
    return {
        "settings": settings,
        "stop": stop,
        "limits": database.limits,
        "watch": stack.enter_context(closing(app.health.Watch(engine))),
        "sessions": stack.enter_context(closing(Sessions(database))),
        "saved_filters": stack.enter_context(closing(SavedFilters(database))),
        "auth": Auth(log, analysts_see_orders=settings.ledger_analysts_see_orders),
        "log": log,
        "engine": engine,
        "reads": reads,
        "exports": stack.enter_context(
            closing(Reads(engine, connections=EXPORTS_AT_A_TIME, seconds=EXPORT_SECONDS))
        ),
        "command_handler": CommandHandler(log, reads.money, reads.payment),
        "disclosure_log": DisclosureLog(log),
        "is_signed": partial(is_signed, secrets=signing_secrets(settings)),
        "background_tasks": stack.enter_context(
            closing(BackgroundTasks(engine, partial(folded_archive, settings)))
        ),
        "receiver": await stack.enter_async_context(Receiver(log, stop)),
    }


def signing_secrets(settings: Settings) -> list[str]:
    """The secrets with which Stripe signs what it sends us, and those that are retired."""
    return list(rechecker(settings).secrets)


def _broken(scope: Scope) -> Response:
    """Something failed that should not: people are told on a page, programs by a document."""
    request = Request(scope)
    if console.http.is_page(request):
        return console.http.broken_page(request, 500, BROKEN)
    return broken(scope)


def _on_ledger_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    status = status_of(type(error))
    if console.http.is_page(request):
        answer = console.http.broken_page(request, status, str(error))
    else:
        answer = problem(error, status)
    if answer.status_code in {429, 503}:
        answer.headers["retry-after"] = str(RETRY_SECONDS)
    if answer.status_code == 401:
        answer.headers["www-authenticate"] = 'Bearer realm="ledger"'  # RFC 6750, section 3
    return answer


def _on_database_error(request: Request, error: Exception) -> Response:
    """An error that the database's state caused is answered as such; any other is a bug of ours."""
    try:
        with store_errors():
            raise error
    except StoreUnavailable as unavailable:
        return _on_ledger_error(request, unavailable)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Nothing answers there: people are told on a page, programs by a problem document."""
    assert isinstance(error, HTTPException)
    if console.http.is_page(request):
        answer = await console.http.refusal_page(request, error.status_code)
    else:
        answer = http_problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def index(request: Request) -> Response:
    """Lead a browser to the console, and tell a program where to go on."""
    vary = {"vary": "accept"}
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console", 307, headers=vary)
    places = {"console": "/console", "openapi": "/openapi.json", "health": "/readyz"}
    return JSONResponse({"name": TITLE, "version": version(), **places}, headers=vary)


async def openapi(request: Request) -> JSONResponse:
    """Describe all operations (OpenAPI 3.1), with the limits that are settings."""
    document = describe(routes, TITLE, version(), STATUSES)
    settings: Settings = request.state.settings
    line = document["components"]["schemas"]["LineRequest"]["properties"]
    line["quantity"]["maximum"] = settings.ledger_max_units_per_line
    return JSONResponse(document)


def _of_commands() -> Iterator[Route]:
    """The endpoints of commands: each module of `api.endpoints` has its `routes`."""
    for module in pkgutil.iter_modules(api.endpoints.__path__):
        yield from importlib.import_module(f"api.endpoints.{module.name}").routes


routes = [
    *webhooks.http.routes,
    *_of_commands(),
    *projections.queries.linking_http.routes,
    *projections.queries.http.routes,
    *projections.queries.proof_http.routes,
    *projections.queries.rebuild_http.routes,
    *projections.queries.search_http.routes,
    *kpi.http.routes,
    *kpi.exports.http.routes,
    *books.http.routes,
    *app.health.routes,
    *app.alerts.http.routes,
    *console.http.routes,
    Route("/", index),
    Route("/openapi.json", openapi),
]
