"""Reading over HTTP: every read model that declares a listing, the log's events, and the status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field, RootModel, create_model
from starlette.requests import Request
from starlette.routing import Route

from ledger.errors import (
    InvalidRequest,
    LedgerError,
    NotCaughtUp,
    NotFound,
    ProjectionStopped,
    StoreUnavailable,
)
from ledger.openapi import Shape, operation
from projections.engine import history
from projections.engine.declare import Projection
from projections.engine.listing import Lister, refusing_bad_values
from projections.engine.reads import Reads, rows
from projections.engine.registry import discover
from projections.engine.tables import AnyCursor

MAX_POSITION: Final = 2**62

_Errors = tuple[type[LedgerError], ...]
_READ: Final[_Errors] = (NotCaughtUp, ProjectionStopped, StoreUnavailable)
_FIND: Final[_Errors] = (NotFound, *_READ)

Limit = Annotated[int, Field(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str, Field(max_length=1000, description="The `next` of the page before.")]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION)]
After = Annotated[Position, Field(description="Wait until this position of the log is taken in.")]
Filter = Annotated[str | None, Field(max_length=500)]


class One(Shape):
    """What a read of one thing takes."""

    after: After = 0


class OneAsOf(One):
    """What a read of one thing takes whose past is known."""

    as_of: Annotated[
        str | None, Field(max_length=40, description="A position, or an ISO 8601 time with zone.")
    ] = None


class Many(One):
    """What a list takes; `cursor` is the `next` of the page before."""

    limit: Limit = 50
    cursor: Cursor | None = None


class ManyEvents(Many):
    """What a history takes; with `payload`, every event shows what it holds."""

    payload: bool = False


class EventRange(Shape):
    """A stretch of the log: at most `limit` events at positions after `after`."""

    after: Position = 0
    limit: Limit = 50


class Item(RootModel[dict[str, Any]]):
    """One thing, by its columns: amounts in minor units, times in UTC."""


class Page(Shape):
    """Some of many things; `next` is the cursor of the page that follows, if there is one."""

    items: list[dict[str, Any]]
    next: str | None


class StandingAnswer(Shape):
    """Where a projection stands; `lag_events` are those that it has yet to take in."""

    name: str
    state: str
    position: int
    lag_events: int
    stopped_at: int | None
    because: str | None


class StatusAnswer(Shape):
    """The log's last position, and where each projection stands."""

    head: int
    projections: list[StandingAnswer]


# ── Read models ─────────────────────────────────────────────────────────────────────────────────


class ReadModel:
    """The endpoints of one projection's listing."""

    def __init__(self, projection: Projection) -> None:
        assert projection.listing is not None
        self.name = projection.name
        self.listing = projection.listing
        self.lister = Lister(projection.listing)

    def routes(self) -> list[Route]:
        """List, one, its history where links know it, and its pages."""
        one = self._one_as_of if self.listing.link else self._one
        takes = OneAsOf if self.listing.link else One
        about = f"Show one of {self.name}, with what belongs to it."
        made = [
            self._route("", self._list, f"List {self.name}.", self._filters()),
            self._route("/{id}", one, about, takes, answers=Item, errors=_FIND),
        ]
        if self.listing.link:
            about = "Show every event that touched it, in order."
            path = "/{id}/history"
            made.append(self._route(path, self._history, about, ManyEvents, errors=_FIND))
        for page, query in self.listing.pages.items():
            about = f"Show its {page}, the latest first."
            made.append(self._route(f"/{{id}}/{page}", self._paging(query), about, Many))
        return made

    def _route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        about: str,
        takes: type[Shape],
        *,
        answers: type[Item | Page] = Page,
        errors: _Errors = _READ,
    ) -> Route:
        def described(request: Request, query: Any) -> Item | Page:
            return endpoint(request, query)

        described.__doc__ = about
        described.__name__ = f"read_{self.name}{path}".translate(str.maketrans("/", "_", "{}"))
        decorate = operation(tag=self.name, query=takes, answers=answers, errors=errors)
        return Route(f"/{self.name}{path}", decorate(described))

    def _filters(self) -> type[Many]:
        fields: dict[str, Any] = dict.fromkeys(self.listing.filters, (Filter, None))
        return create_model(f"Many{self.name.title()}", __base__=Many, **fields)

    def _list(self, request: Request, query: Many) -> Page:
        filters = query.model_dump(include=set(self.listing.filters), exclude_none=True)
        with _reads(request).snapshot([self.name], query.after) as cursor:
            found = self.lister.page(cursor, filters, query.limit, query.cursor)
        return Page(items=found.rows, next=found.next)

    def _one(self, request: Request, query: One) -> Item:
        with _reads(request).snapshot([self.name], query.after) as cursor:
            return self._show(cursor, request.path_params["id"])

    def _one_as_of(self, request: Request, query: OneAsOf) -> Item:
        reads, name = _reads(request), request.path_params["id"]
        if query.as_of is None:
            return self._one(request, query)
        assert self.listing.link is not None
        known = history.known_at(reads, self.listing.link, name, _position(reads, query.as_of))
        with reads.as_of(self.name, known) as cursor:
            return self._show(cursor, name)

    def _show(self, cursor: AnyCursor, name: str) -> Item:
        found = self.lister.one(cursor, name)
        if found is None:
            raise NotFound(f"{self.name} has no {name[:100]!r}.")
        parts = {part: rows(cursor, query, id=name) for part, query in self.listing.parts.items()}
        return Item(found | parts)

    def _history(self, request: Request, query: ManyEvents) -> Page:
        assert self.listing.link is not None
        with refusing_bad_values():
            found = history.history(
                _reads(request),
                self.listing.link,
                request.path_params["id"],
                start=_start(query, 0),
                limit=query.limit,
                wait_for=query.after,
                payload=query.payload,
            )
        return _page_by_position(found, query.limit)

    def _paging(self, sql: str) -> Callable[[Request, Many], Page]:
        def page(request: Request, query: Many) -> Page:
            before = _start(query, MAX_POSITION)
            name = request.path_params["id"]
            with (
                refusing_bad_values(),
                _reads(request).snapshot([self.name], query.after) as cursor,
            ):
                found = rows(cursor, sql, id=name, before=before, limit=query.limit)
            return _page_by_position(found, query.limit)

        return page


def _reads(request: Request) -> Reads:
    return request.state.reads


def _start(query: Many, default: int) -> int:
    """Where a page begins whose cursor is a position."""
    if query.cursor is None:
        return default
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 19):
        raise InvalidRequest("query.cursor: use the `next` of an earlier page as it is.")
    return int(query.cursor)


def _page_by_position(found: list[dict[str, Any]], limit: int) -> Page:
    """A full page may have a successor."""
    return Page(items=found, next=str(found[-1]["position"]) if len(found) == limit else None)


def _position(reads: Reads, as_of: str) -> int:
    """The position that a caller means: a number, or the last one recorded up to a time."""
    head = reads.engine.log.head()
    if as_of.isascii() and as_of.isdigit():
        return min(int(as_of), head)
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidRequest("query.as_of: give a position, or a time like 2026-03-01T12:00:00Z.")
    return reads.engine.log.position_at(moment)


# ── The log and the status ──────────────────────────────────────────────────────────────────────


@operation(tag="events", query=EventRange, answers=Page, errors=(StoreUnavailable,))
def list_events(request: Request, query: EventRange) -> Page:
    """List events of the log in order, without what they hold.

    `next` is the position to go on after.
    """
    events = _reads(request).engine.log.read(query.after, limit=query.limit)
    return _page_by_position([history.envelope(event) for event in events], query.limit)


@operation(tag="events", answers=Item, errors=(NotFound, StoreUnavailable))
def show_event(request: Request) -> Item:
    """Show one event as it stands in the log, with its leaf hash.

    The body of a Stripe event is verbatim: its signature can be checked over it.
    """
    return Item(history.event_at(_reads(request), request.path_params["position"]))


@operation(tag="service", answers=StatusAnswer, errors=(StoreUnavailable,))
def show_status(request: Request) -> StatusAnswer:
    """Say how long the log is, and where each projection stands."""
    reads = _reads(request)
    head = reads.engine.log.head()
    standings = [
        StandingAnswer(lag_events=max(0, head - standing.position), **standing._asdict())
        for standing in reads.standings()
    ]
    return StatusAnswer(head=head, projections=standings)


routes = [
    *(route for p in discover() if p.listing for route in ReadModel(p).routes()),
    Route("/events", list_events),
    Route("/events/{position:int}", show_event),
    Route("/status", show_status),
]
