"""Reading over HTTP: every read model that declares a listing, and the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Literal, Optional

from pydantic import BaseModel, Field, create_model
from starlette.requests import Request
from starlette.routing import Route

from api.auth import is_hidden
from api.operations import Schema, operation
from api.permissions import Permission, identity_of
from ledger.domain.limits import ANY_CASE_CURRENCY
from projections.engine import names
from projections.engine.declare import Listing, Projection
from projections.engine.registry import discover
from projections.engine.row import Part, Row, camel, is_free, value_of, with_parts
from projections.engine.tables import AnyCursor
from projections.queries import explain, history, listing, log_http
from projections.queries.answers import AS_OF, not_there
from projections.queries.listing import Asked, Lister, check_texts, lines, sorts, spans
from projections.queries.log_http import with_payloads
from projections.queries.schemas import (
    FIND,
    READ,
    Bound,
    Errors,
    Explanation,
    HistoryLine,
    Item,
    ManyEvents,
    ManyLinesOf,
    ManyRows,
    One,
    OneAsOf,
    Page,
    PageByCalls,
    PageOfRows,
    Totals,
    page_by_position,
    page_of,
    position_of,
    positions_in,
    positions_of,
    reads_of,
    shown_as_of,
    spans_of,
)
from projections.queries.stripe_state import state_of

HISTORY: Final = page_of(HistoryLine)

# ── Read models ─────────────────────────────────────────────────────────────────────────────────


class ReadModel:
    """The endpoints of one projection's listing."""

    def __init__(self, projection: Projection) -> None:
        assert projection.listing is not None
        self.projection = projection
        self.name = projection.name
        self.listing = projection.listing
        self.lister = Lister(projection.listing)
        self.spans = spans(projection.listing.shown)

    def routes(self) -> list[Route]:
        """List, one, its history and why it is so where links know it, and its pages."""
        one = self._one_as_of if self.listing.link else self._one
        takes = OneAsOf if self.listing.link else One
        about = f"Show one of {self.name}, with what belongs to it."
        shown = self.listing.shown
        whole = shown_as_of(with_parts(shown, self.listing.parts))
        page = page_of(shown, totals=True, by_calls=self.listing.by_calls)
        made = [
            self._route("", self._list, f"List {self.name}.", self._takes(), page),
            self._route("/{id}", one, about, takes, whole, errors=FIND),
        ]
        past = partial(self._route, errors=FIND, permission=self.listing.past)
        for name, part in self.listing.pages.items():
            about, takes = f"Show its {name}, the latest first.", _lines_of(self.name, name, part)
            paging = self._paging(name, part)
            made.append(past(f"/{{id}}/{name}", paging, about, takes, page_of(part.row)))
        if not self.listing.link:
            return made
        history = "Show every event that touched it, the earliest first."
        explain = "Show for each column and part its value, and every event that changed it."
        return [
            *made,
            past("/{id}/history", self._history, history, ManyEvents, HISTORY),
            past("/{id}/explain", self._explain, explain, OneAsOf, Explanation),
        ]

    def _route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        about: str,
        takes: type[Schema],
        answers: type[BaseModel],
        *,
        errors: Errors = READ,
        permission: Permission | None = None,
    ) -> Route:
        def described(request: Request, query: Any) -> Item | Page:
            check_texts(request.path_params.values())
            return endpoint(request, query)

        described.__doc__ = about
        described.__name__ = f"read_{self.name}{path}".translate(str.maketrans("/", "_", "{}"))
        decorate = operation(
            permission=permission or self.listing.permission,
            tag=self.name,
            query=takes,
            answers=answers,
            errors=errors,
        )
        return Route(f"/{self.listing.path or self.name}{path}", decorate(described))

    def _takes(self) -> type[ManyRows]:
        fields: dict[str, Any] = {
            name: (_comparable(self.listing.shown, name), None) for name in self.listing.filters
        }
        fields |= dict.fromkeys(self.spans, (Bound, None))
        fields["sort"] = (_sort(self.listing), None)
        return create_model(f"Many{camel(self.name)}", __base__=ManyRows, **fields)

    def _list(self, request: Request, query: Any) -> Page:
        filters = query.model_dump(include=set(self.listing.filters), exclude_none=True)
        own = self._own(request)
        is_foreign = any(filters.get(name, value) != value for name, value in own.items())
        reads = reads_of(request)
        given = {name: getattr(query, name) for name in self.spans}
        within = spans_of(reads, self.listing.shown, given)
        known = reads.engine.words.get(self.name, {})
        asked = Asked(query.limit, filters | own, within, query.sort, query.cursor, known)
        with reads.snapshot([self.name], query.after) as cursor:
            position = cursor.position
            found = NO_ROWS if is_foreign else self.lister.page(cursor, asked)
            empty = None if found.rows else self.lister.why_empty(cursor, asked, position, own)
            totals = self._totals(cursor, asked, is_foreign=is_foreign) if query.totals else None
        if self.listing.by_calls:
            return PageByCalls(
                items=found.rows,
                next=found.next,
                as_of_position=position,
                empty=empty,
                totals=totals,
                missing=state_of(request).missing,
            )
        return PageOfRows(
            items=found.rows,
            next=found.next,
            as_of_position=position,
            empty=empty,
            totals=totals,
        )

    def _totals(self, cursor: AnyCursor, asked: Asked, *, is_foreign: bool) -> Totals:
        if is_foreign:
            return Totals(count=0, by_currency={})
        found = self.lister.totals(cursor, asked)
        return Totals(count=found.many, by_currency=found.by_currency)

    def _own(self, request: Request) -> dict[str, str]:
        """The filter that a customer's lists have: own rows only."""
        customer_id = identity_of(request).customer_id
        if customer_id is None:
            return {}
        assert self.listing.owner is not None, "customers see no list without an owner"
        return {self.listing.owner: customer_id}

    def _named(self, request: Request, cursor: AnyCursor) -> str:
        """The key of the row that a call names; an id alone may be a connected account's."""
        name: str = request.path_params["id"]
        if "account" not in self.lister.columns or self.listing.link is None:
            return name
        return names.named(cursor, self.listing.link, name)

    def _one(self, request: Request, query: One) -> Item:
        name: str = request.path_params["id"]
        with reads_of(request).snapshot([self.name], query.after) as cursor:
            if self.lister.one(cursor, name) is None:
                name = self._named(request, cursor)
            return self._show(request, cursor, name, cursor.position)

    def _one_as_of(self, request: Request, query: OneAsOf) -> Item:
        reads = reads_of(request)
        if query.as_of is None:
            return self._one(request, query)
        with reads.snapshot([self.name]) as cursor:
            name = self._named(request, cursor)
            if identity_of(request).customer_id is not None:
                # the past of what he may not see is not even looked at
                self._found(request, cursor, name, cursor.position)
        known = history.known_at(reads, self.projection, name, position_of(reads, query.as_of))
        with reads.as_of(self.name, known.events) as cursor:
            return self._show(request, cursor, name, known.position)

    def _found(
        self, request: Request, cursor: AnyCursor, name: str, position: int
    ) -> dict[str, Any]:
        """The row of this name, if the caller may see it; raises `NotFound`."""
        owner = self.listing.owner
        found = self.lister.one(cursor, name)
        whose = found[owner] if found and owner else None
        there = found is not None
        if is_hidden(request, self.listing.permission, there=there, customer_id=whose):
            raise not_there(self.listing.noun, name, position)
        assert found is not None, "what is not hidden is there"
        return found

    def _show(self, request: Request, cursor: AnyCursor, name: str, position: int) -> Item:
        found = self._found(request, cursor, name, position)
        return Item(found | self.lister.parts_of(cursor, name) | {AS_OF: position})

    def _history(self, request: Request, query: ManyEvents) -> Page:
        assert self.listing.link is not None
        reads = reads_of(request)
        with reads.snapshot(history.READS, query.after) as cursor:
            name = self._named(request, cursor)
        found, position = history.history(
            reads,
            self.listing.link,
            name,
            positions_in(reads, query),
            limit=query.limit,
            wait_for=query.after,
        )
        if query.changes:
            found = explain.with_changes(reads, self.projection, name, found)
        if query.payload:
            found = with_payloads(request, f"{self.listing.link}/{name}", found, query.reason)
        return page_by_position(found, position, "events", query)

    def _explain(self, request: Request, query: OneAsOf) -> Item:
        reads = reads_of(request)
        as_of = None if query.as_of is None else position_of(reads, query.as_of)
        with reads.snapshot(history.READS, query.after) as cursor:
            name = self._named(request, cursor)
        return Item(
            explain.explain(reads, self.projection, name, as_of=as_of, wait_for=query.after)
        )

    def _paging(self, page_name: str, part: Part) -> Callable[[Request, ManyLinesOf], Page]:
        def page(request: Request, query: ManyLinesOf) -> Page:
            reads, name = reads_of(request), request.path_params["id"]
            positions = positions_of(query)
            within = spans_of(reads, part.row, query.model_dump(exclude_none=True))
            with reads.snapshot([self.name], query.after) as cursor:
                if self.lister.one(cursor, name) is None:
                    raise not_there(self.listing.noun, name, cursor.position)
                found = lines(cursor, part, name, positions, within, limit=query.limit)
                position = cursor.position
            return page_by_position(found, position, page_name, query)

        return page


NO_ROWS: Final = listing.Page([], None)


# ── What a list takes ───────────────────────────────────────────────────────────────────────────

MAX_FILTER: Final = 500


Code = Annotated[str, Field(pattern=ANY_CASE_CURRENCY)]
"""A currency, in capitals or not."""


def _comparable(row: type[Row], column: str) -> Any:
    """What a filter takes: a value of its column."""
    value = Code if column == "currency" else value_of(row, column)
    given: Any = Annotated[value, Field(max_length=MAX_FILTER)] if is_free(row, column) else value
    return Optional[given]  # noqa: UP045 - made of a value that is known when it runs


def _lines_of(name: str, page: str, part: Part) -> type[ManyLinesOf]:
    """What a list of an object's lines takes: spans of each of their times."""
    ends: dict[str, Any] = dict.fromkeys(spans(part.row), (Bound, None))
    return create_model(f"Many{camel(name)}{camel(page)}", __base__=ManyLinesOf, **ends)


def _sort(listing: Listing) -> Any:
    ways = sorts(listing)
    about = f"A column, with `-` before it from the greatest down; `{ways[0]}` where none is said."
    return Annotated[Literal[tuple(ways)] | None, Field(description=about)]


routes = [
    *(route for p in discover() if p.listing for route in ReadModel(p).routes()),
    *log_http.routes,
]
