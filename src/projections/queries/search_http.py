"""Search over HTTP: what a text names, of what the caller may see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.auth import Auth
from api.operations import Schema, operation
from api.permissions import Permission, identity_of
from ledger.domain.limits import TEXT_PATTERN
from ledger.errors import InvalidRequest
from projections.engine.row import Currency
from projections.queries.schemas import READ, One, reads_of
from projections.queries.search import MOST_TEXT, places, reads, search

FoundBy = Literal["id", "email", "amount", "name", "position"]


class Search(One):
    """What a search takes: a text, and how many of each kind to find at most."""

    q: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MOST_TEXT,
            pattern=TEXT_PATTERN,
            description="The beginning of an id or of an e-mail address (A to Z in any case), an"
            " amount (`12.50`, `1250 jpy`), a customer's name or how it begins, or his last name,"
            " words of a product's name, an event's position or its whole id at Stripe.",
            examples=["pi_3Mtw", "ada@example.com", "12.50 eur", "blue mug"],
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=50, description="How many of each kind at most.")] = 5


class SearchHit(Schema):
    """An object that was found, and by what; `address` is where this API shows it.

    What a kind does not have is null. `name` is a product's or customer's name, an issue's
    sentence, an event's kind. `at` is the time by which its list is sorted.
    """

    id: str
    name: str | None
    email: str | None
    state: str | None
    amount_minor: int | None
    currency: Currency | None
    at: datetime | None
    address: str
    found_by: FoundBy


class SearchGroup(Schema):
    """What was found of one kind; where there are `more`, its list has them."""

    kind: str
    hits: list[SearchHit]
    more: bool


class SearchResponse(Schema):
    """What a text names, by kind; kinds of which nothing was found are left out."""

    groups: list[SearchGroup]
    as_of_position: int


@operation(Permission.SEARCH, "search", errors=(InvalidRequest, *READ))
def search_everything(request: Request, query: Search) -> SearchResponse:
    """Find orders, customers, payments and other objects by what a person knows of them.

    Only what the caller may see is found: of a customer, what is his own.
    """
    auth: Auth = request.state.auth
    identity = identity_of(request)
    asked = {place.permission for place in places()} | {Permission.SEE_EVIDENCE}
    allowed = {each for each in asked if auth.permits(identity, each)}
    with reads_of(request).snapshot(reads(allowed), query.after) as cursor:
        found = search(cursor, query.q, allowed, limit=query.limit, own=identity.customer_id)
        position = cursor.position
    return SearchResponse(
        groups=[
            SearchGroup(
                kind=each.kind, hits=[SearchHit(**hit) for hit in each.hits], more=each.more
            )
            for each in found
        ],
        as_of_position=position,
    )


routes = [Route("/search", search_everything)]
