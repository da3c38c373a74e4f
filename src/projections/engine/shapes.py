"""What reads over HTTP take and answer, and how a cursor or a time is read."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field, RootModel
from starlette.requests import Request

from ledger.domain.limits import MAX_TEXT, TEXT_PATTERN
from ledger.errors import (
    InvalidRequest,
    LedgerError,
    NotCaughtUp,
    NotFound,
    ProjectionStopped,
    StoreUnavailable,
)
from ledger.openapi import Shape
from projections.engine.reads import Reads

MAX_POSITION: Final = 2**62

Errors = tuple[type[LedgerError], ...]
READ: Final[Errors] = (NotCaughtUp, ProjectionStopped, StoreUnavailable)
FIND: Final[Errors] = (NotFound, *READ)

Limit = Annotated[int, Field(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str, Field(max_length=1000, description="The `next` of the page before.")]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION)]
After = Annotated[Position, Field(description="Wait until this position of the log is taken in.")]
Filter = Annotated[str | None, Field(max_length=500)]
Time = Annotated[str | None, Field(max_length=40, description="An ISO 8601 time with its zone.")]
Reason = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_TEXT,
        pattern=TEXT_PATTERN,
        description="Why, for the audit log.",
    ),
]


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
    """What a history takes.

    With `payload`, every event shows what it holds, which is a read of evidence: an event itself,
    with the `reason`. With `changes`, every event shows what it changed, column by column.
    """

    payload: bool = False
    changes: bool = False
    reason: Reason = None


class EventRange(Shape):
    """A stretch of the log: at most `limit` events at positions after `after`."""

    after: Position = 0
    limit: Limit = 50


class Evidence(Shape):
    """What a read of evidence takes."""

    reason: Reason = None


class ManyLines(Many):
    """What a search of the audit log takes; lines fit all that is given.

    `object` and `causation` are written as `order/A1`, `kind` may hold `*` for anything, as
    `charge.dispute.*`, and `text` is looked for in all of a line. From `since` on and before
    `until` means when the ledger recorded it.
    """

    object: Annotated[str | None, Field(max_length=512, pattern="^[a-z]+/.+$")] = None
    actor: Filter = None
    role: Filter = None
    kind: Filter = None
    outcome: Filter = None
    causation: Filter = None
    text: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    since: Time = None
    until: Time = None


class Item(RootModel[dict[str, Any]]):
    """One thing, by its columns: amounts in minor units, times in UTC."""


class Page(Shape):
    """Some of many things; `next` is the cursor of the page that follows, if there is one."""

    items: list[dict[str, Any]]
    next: str | None


class StandingAnswer(Shape):
    """Where a projection stands; `lag_events` are those that it has yet to take in.

    `version` is of the code and settings that made it, null where nothing did.
    """

    name: str
    state: str
    version: str | None
    position: int
    lag_events: int
    stopped_at: int | None
    because: str | None


class StatusAnswer(Shape):
    """The log's last position, and where each projection stands."""

    head: int
    projections: list[StandingAnswer]


def reads_of(request: Request) -> Reads:
    """The read models, as the roof opened them."""
    return request.state.reads


def start_of(query: Many, default: int) -> int:
    """Where a page begins whose cursor is a position."""
    if query.cursor is None:
        return default
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 19):
        raise InvalidRequest("query.cursor: use the `next` of an earlier page as it is.")
    return int(query.cursor)


def page_by_position(found: list[dict[str, Any]], limit: int) -> Page:
    """A full page may have a successor."""
    return Page(items=found, next=str(found[-1]["position"]) if len(found) == limit else None)


def position_of(reads: Reads, as_of: str) -> int:
    """The position that a caller means: a number, or the last one recorded up to a time."""
    head = reads.engine.log.head()
    if as_of.isascii() and as_of.isdigit():
        return min(int(as_of), head)
    moment = _moment(as_of)
    if moment is None:
        raise InvalidRequest("query.as_of: give a position, or a time like 2026-03-01T12:00:00Z.")
    return reads.engine.log.position_at(moment)


def time_of(name: str, text: str | None) -> datetime | None:
    """The time that a caller means, if any."""
    moment = None if text is None else _moment(text)
    if text is not None and moment is None:
        raise InvalidRequest(f"query.{name}: give a time like 2026-03-01T12:00:00Z.")
    return moment


def _moment(text: str) -> datetime | None:
    """A time with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
