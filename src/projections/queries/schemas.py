"""What reads over HTTP take and answer, and how a cursor or a time is read."""

import inspect
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model
from starlette.requests import Request

from api.operations import Schema
from ledger.domain.limits import MAX_TEXT, OBJECT_PATTERN, TEXT_PATTERN
from ledger.errors import (
    Ambiguous,
    FieldError,
    InvalidRequest,
    LedgerError,
    NotCaughtUp,
    NotFound,
    ProjectionStopped,
    StoreUnavailable,
)
from ledger.log import Log
from projections.engine.reads import Reads
from projections.engine.row import Row
from projections.queries import history
from projections.queries.answers import AS_OF, FITTING, why_empty
from projections.queries.listing import EARLIEST_FIRST, Positions, Span, bad_cursor, stems

MAX_POSITION: Final = 2**62

T = TypeVar("T")
Errors = tuple[type[LedgerError], ...]
READ: Final[Errors] = (NotCaughtUp, ProjectionStopped, StoreUnavailable)
FIND: Final[Errors] = (NotFound, Ambiguous, *READ)

Limit = Annotated[int, Field(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str, Field(max_length=1000, description="The `next` of the page before.")]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION)]
After = Annotated[Position, Field(description="Wait until this position of the log is taken in.")]
Filter = Annotated[str | None, Field(max_length=500)]
Bound = Annotated[
    str | None,
    Field(
        max_length=40,
        description="A date, which begins at midnight in the reporting zone, or an RFC 3339 time.",
    ),
]
"""One end of a span of time: what is at `…_after` or later, and before `…_before`."""

ByPosition = Annotated[
    Literal["position", "-position"],
    Field(description="The earliest first, or with `-` the latest."),
]
Reason = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_TEXT,
        pattern=TEXT_PATTERN,
        description="Why, for the audit log.",
    ),
]


class One(Schema):
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


class ManyRows(Many):
    """What a list of a read model's rows takes; `totals` says whether to count all that fit."""

    totals: bool = False


class ManyLinesOf(Many):
    """What a list of lines takes that stand at positions of the log."""

    sort: ByPosition = "-position"


class ManyRecorded(Many):
    """What a list of events takes: which of them, by when the ledger recorded them."""

    recorded_after: Bound = None
    recorded_before: Bound = None
    sort: ByPosition = "position"


class ManyOfLog(ManyRecorded):
    """What a list of the log's events takes.

    A `type` is one of Stripe's events, and may hold `*` for anything, as `charge.dispute.*`; a
    `stream` is written as `order/A1`.
    """

    topic: Filter = None
    type: Filter = None
    stream: Filter = None


class ManyRecordedLately(ManyRecorded):
    """The same, the latest first unless the other way is asked for."""

    sort: ByPosition = "-position"


class ManyEvents(ManyRecorded):
    """What a history takes.

    With `payload`, every event shows what it holds, which is a read of evidence: an event itself,
    with the `reason`. With `changes`, every event shows what it changed, column by column.
    """

    payload: bool = False
    changes: bool = False
    reason: Reason = None


class Evidence(Schema):
    """What a read of evidence takes."""

    reason: Reason = None


class ManyLines(ManyRecordedLately):
    """What a search of the audit log takes; lines fit all that is given.

    `object`, `stream` and `causation` are written as `order/A1`; `kind`, and `type` for Stripe's
    events only, may hold `*` for anything, as `charge.dispute.*`; `text` is looked for in all of a
    line.
    """

    object: Annotated[str | None, Field(max_length=512, pattern=OBJECT_PATTERN)] = None
    actor: Filter = None
    role: Filter = None
    kind: Filter = None
    outcome: Filter = None
    causation: Filter = None
    topic: Filter = None
    type: Filter = None
    stream: Filter = None
    text: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class Item(RootModel[dict[str, Any]]):
    """One thing by its columns, as the schema of its operation describes them."""


Missing = Annotated[
    str | None, Field(description="What of Stripe's balance is not known, and what to do.")
]

UpTo = Annotated[
    int, Field(ge=0, description="Up to which position of the log this goes: all until then is in.")
]


class AsOf(Schema):
    """An answer that says up to which position of the log it goes."""

    as_of_position: UpTo


class Totals(Schema):
    """Of all rows that fit, on whichever page: how many, and the sum of each amount by currency."""

    count: int
    by_currency: dict[str, dict[str, int]]


class Page(AsOf):
    """Some of many things; `next` is the cursor of the page that follows, if there is one.

    `empty` says why a page has no items, and what would give it some; null where it has any.
    """

    items: list[dict[str, Any]]
    next: str | None
    empty: str | None = None


class PageOfRows(Page):
    """A page of a read model's rows, with the `totals` of all pages where they were asked for."""

    totals: Totals | None = None


class PageByCalls(PageOfRows):
    """A page of what events do not bring; `missing` says what is not known, and the cure."""

    missing: str | None


def page_of(row: type[BaseModel], *, totals: bool = False, by_calls: bool = False) -> type[Schema]:
    """What a list of such rows answers."""
    more: Any = {"totals": (Totals | None, ...)} if totals else {}
    more |= {"missing": (Missing, ...)} if by_calls else {}
    return create_model(
        f"{row.__name__}Page",
        __base__=AsOf,
        __doc__=inspect.getdoc(Page),
        items=(_list_of(row), ...),
        next=(str | None, ...),
        empty=(str | None, ...),
        **more,
    )


def _list_of(row: type[BaseModel]) -> Any:
    return list[row]


def shown_as_of(row: type[BaseModel]) -> type[BaseModel]:
    """What one thing answers: its columns, and up to which position they go."""
    assert AS_OF not in row.model_fields, f"{row.__name__}: {AS_OF} is how far the answer goes"
    name = row.__name__.removesuffix("Details")
    return create_model(
        f"{name}Details",
        __base__=row,
        __doc__=inspect.getdoc(row),
        __cls_kwargs__={"use_attribute_docstrings": False},  # it looks through all modules for them
        as_of_position=(UpTo, ...),
    )


class StandingResponse(Schema):
    """Where a projection stands; `lag_events` are those that it has yet to take in.

    `fingerprint` is of the code and settings that made it, null where nothing did.
    """

    name: str
    state: str
    fingerprint: str | None
    position: int
    lag_events: int
    stopped_position: int | None
    because: str | None


class LastProofResponse(Schema):
    """The last proof on record that came to an answer: `by` whom, what it found, and the cure.

    `holds` is null where no proof ever came to an answer; `unanswered` is the cause for which a
    later one did not. `suspects` are the projections that are not proven and were not rebuilt
    since; up to position `sealed` the log was compared with an archive. `is_damage` says that they,
    or the log, are still damaged as far as is known; `only_states_missing` that the log only lacks
    states that left it for the archive.
    """

    id: str
    position: int
    ended_at: datetime
    by: str
    holds: bool | None
    found: list[str]
    suspects: list[str]
    sealed: int
    log_is_damaged: bool
    only_states_missing: bool
    unanswered: str | None
    is_damage: bool
    cure: str | None


class StripeResponse(Schema):
    """What is known of the Stripe account beyond events: `told` in words, and what is missing.

    `webhook_secrets` is how many signing secrets are set, none of which is shown.
    """

    mode: str | None
    webhook_secrets: int
    retired_webhook_secrets: int
    has_key: bool
    pulled_at: datetime | None
    refreshed_at: datetime | None
    missing: Missing
    told: str


class StatusResponse(Schema):
    """The log's last position, where each projection stands, the last proof, and Stripe."""

    head: int
    projections: list[StandingResponse]
    last_proof: LastProofResponse | None
    stripe: StripeResponse


# ── Events ──────────────────────────────────────────────────────────────────────────────────────


class EventMeta(Schema):
    """Who did it, from where and why, and what it belongs to or was caused by."""

    actor: str
    reason: str | None
    correlation: str | None
    causation: str | None
    actor_name: str | None
    role: str | None
    address: str | None
    user_agent: str | None
    request_id: str | None


class Event(Schema):
    """An event of the log, without what it holds: `version` is its number in the stream `source`.

    `effective_at` is when it happened in the world, `recorded_at` when the ledger learnt of it.
    """

    position: int
    source: str
    version: int
    topic: str
    recorded_at: datetime
    effective_at: datetime
    meta: EventMeta


class EventDetails(Event):
    """An event with what it holds (`data`, by its `topic`), its hash and signature checked now."""

    leaf_hash: str
    leaf_hash_fits: bool
    signature_check: Literal["valid", "no_present_secret_fits", "not_signed"] | None
    data: dict[str, Any]


class UnreadableEvent(Schema):
    """An event of Stripe's that could not be read, and why."""

    position: int
    recorded_at: datetime
    effective_at: datetime
    event_id: str
    type: str
    cause: str


class AuditLine(Schema):
    """Who did what, to what, when, from where and why; `objects` are written as `order/A1`."""

    position: int
    recorded_at: datetime
    effective_at: datetime
    kind: str
    outcome: str
    actor: str
    actor_name: str | None
    role: str | None
    source: str
    objects: list[str]
    reason: str | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    correlation: str | None
    causation: str | None


class HistoryLine(Schema):
    """An event that touched an object; `changed` and `payload` are there where they are asked for.

    `changed` holds the value before and the value after it of each column that it changed; of a
    part, such as `lines`, the rows that it changed, side by side, null where one is not there.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    position: int
    recorded_at: datetime
    effective_at: datetime
    kind: str
    actor: str
    actor_name: str | None
    role: str | None
    reason: str | None
    outcome: str
    source: str
    correlation: str | None
    causation: str | None
    changed: dict[str, tuple[Any, Any]] = Field(default={})
    payload: dict[str, Any] = Field(default={})


class ColumnChange(Schema):
    """An event that changed a column, and the value before and after it.

    Of a part they are the rows that it changed, side by side, null where one is not there.
    """

    position: int
    kind: str
    effective_at: datetime
    recorded_at: datetime
    source: str
    actor: str
    actor_name: str | None
    reason: str | None
    before: Any
    after: Any


class ExplainedColumn(Schema):
    """What stands in a column, or the rows of a part, and the events that made it so, in order."""

    value: Any
    changes: list[ColumnChange]


class Explanation(AsOf):
    """Why an object is what it is at `position`, the last of its `events`, column by column."""

    id: str
    position: int
    events: int
    fields: dict[str, ExplainedColumn]


def reads_of(request: Request) -> Reads:
    """The read models, as the application opened them."""
    return request.state.reads


def start_of(query: Many, default: T) -> int | T:
    """Where a page begins whose cursor is a position; the default for a first page."""
    if query.cursor is None:
        return default
    if not (query.cursor.isascii() and query.cursor.isdigit() and len(query.cursor) < 19):
        raise bad_cursor()
    return int(query.cursor)


HOW: Final = {"after", "limit", "sort", "payload", "changes", "reason"}
"""What a list takes that leaves nothing out."""


def page_by_position(
    found: list[dict[str, Any]], position: int, nouns: str, query: Many, filled_by: str = ""
) -> Page:
    """Lines, as of a position, and what they are called; a full page may have a successor.

    Where there are none, `filled_by` says what would make some.
    """
    following = str(found[-1]["position"]) if len(found) == query.limit else None
    narrowed = FITTING if query.model_dump(exclude_none=True, exclude=HOW) else ""
    empty = None if found else why_empty(nouns, filled_by, position, narrowed=narrowed)
    return Page(items=found, next=following, as_of_position=position, empty=empty)


FUTURE: Final = timedelta(minutes=1)
"""What clocks may differ by before a time counts as one that is yet to come."""


def position_of(reads: Reads, as_of: str) -> int:
    """The position that a caller means: a number, or the last one recorded up to a time."""
    if as_of.isascii() and as_of.isdigit():
        return check_known(reads.engine.log, int(as_of))
    moment = _moment(as_of)
    if moment is None:
        told = "give a position, or a time like 2026-03-01T12:00:00Z."
        raise InvalidRequest.of_field("as_of", told, place="query.")
    return position_at(reads.engine.log, moment)


def check_known(log: Log, position: int) -> int:
    """The position, if the log got there; raises `InvalidRequest`."""
    if position > (head := log.head()):
        raise InvalidRequest(f"as of: the log ends at {head}, before position {position}.")
    return position


def position_at(log: Log, moment: datetime) -> int:
    """The last position recorded up to a time; what will be known is not known yet."""
    if moment > datetime.now(UTC) + FUTURE:
        raise InvalidRequest(f"as of: {moment:%F %T %Z} is yet to come; nothing of it is known.")
    return log.position_at(moment)


def bound_of(reads: Reads, name: str, text: str | None) -> datetime | None:
    """The time that an end of a span means, if there is one; raises `InvalidRequest`."""
    if text is None:
        return None
    moment = _beginning(text, ZoneInfo(reads.engine.database.time_zone)) or _moment(text)
    if moment is None:
        must = "give a date like 2026-03-01, or a time like 2026-03-01T12:00:00Z"
        raise InvalidRequest(
            f"query.{name}: {must} (write a `+` as `%2B`).", FieldError(name, "invalid", f"{must}.")
        )
    return moment


def positions_in(reads: Reads, query: ManyRecorded) -> Positions:
    """The positions that a list of events is asked for, from where the page before ended."""
    recorded = _span_of(reads, "recorded", query.recorded_after, query.recorded_before)
    return positions_of(query, history.between(reads.engine.log, *recorded))


def positions_of(query: ManyLinesOf | ManyRecorded, whole: Positions = EARLIEST_FIRST) -> Positions:
    """Those of a span in the order that is asked for, from where the page before ended."""
    return whole.beyond(start_of(query, None), latest_first=query.sort == "-position")


def spans_of(reads: Reads, row: type[Row], given: Mapping[str, str | None]) -> list[Span]:
    """The spans of time that rows are asked for, by the names of their ends; empty ones, too.

    Raises `InvalidRequest` for an end that is no time, and for a span that ends before it begins.
    """
    return [
        Span(
            column, *_span_of(reads, stem, given.get(f"{stem}_after"), given.get(f"{stem}_before"))
        )
        for stem, column in stems(row).items()
    ]


def _span_of(
    reads: Reads, stem: str, after: str | None, before: str | None
) -> tuple[datetime | None, datetime | None]:
    """Both ends of a span; nothing would lie in one whose ends are the wrong way round."""
    since = bound_of(reads, f"{stem}_after", after)
    until = bound_of(reads, f"{stem}_before", before)
    if since is not None and until is not None and since > until:
        told = f"{after} is later than {stem}_before, {before}: nothing lies between; swap them."
        raise InvalidRequest.of_field(f"{stem}_after", told, place="query.")
    return since, until


def _beginning(text: str, zone: ZoneInfo) -> datetime | None:
    """The beginning of a day; None for what is no date."""
    try:
        return datetime.combine(date.fromisoformat(text), clock(), zone)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    """A time with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
