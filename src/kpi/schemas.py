"""What reads of figures take and answer over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer

from api.operations import Schema
from kpi.report import COMPLETE, Figures, Report
from kpi.windows import Window
from ledger.domain.limits import ANY_CASE_CURRENCY, FIGURES_PATTERN
from projections.queries.schemas import AsOf, Cursor, Limit, Missing, One

Day = Annotated[str | None, Field(max_length=10, description="A date, like 2026-03-29.")]
Currency = Annotated[
    str | None,
    Field(pattern=ANY_CASE_CURRENCY, description="One currency only: `gbp`, or `GBP`."),
    AfterValidator(lambda code: code and code.lower()),
]
Chosen = Annotated[
    str | None,
    Field(
        max_length=2000,
        pattern=FIGURES_PATTERN,
        description="Only these figures (ids, commas between) and their parts.",
    ),
]
Percent = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
Number = int | Percent | None


class WindowQuery(One):
    """Which days: the last 7, 30 (where nothing is said) or 90, or `from` one `to` another."""

    window: Annotated[
        str | None, Field(max_length=20, description="7, 30 or 90 days up to today.")
    ] = None
    first: Annotated[Day, Field(alias="from")] = None
    last: Annotated[Day, Field(alias="to", description="The last day, included.")] = None


class FiguresQuery(WindowQuery):
    """Which days, of which currency, which figures, and beside which other days."""

    currency: Currency = None
    figures: Chosen = None
    compare: Annotated[
        Literal["previous"] | None, Field(description="As many days, right before.")
    ] = None


class DailyQuery(WindowQuery):
    """Which days, of which currency, and which figures."""

    currency: Currency = None
    figures: Chosen = None


class FactsQuery(WindowQuery):
    """Which days, of which currency, and which page of the facts."""

    currency: Currency = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ProductsQuery(WindowQuery):
    """Which days, of which currency, and how many products."""

    currency: Currency = None
    limit: Limit = 20


class SnapshotsQuery(WindowQuery):
    """Which days, windows of which length, and as they were known at which position."""

    currency: Currency = None
    window_days: Annotated[Literal["1", "7", "30", "90"], Field()] = "1"
    as_of: Annotated[
        str | None, Field(max_length=40, description="A position, or an ISO 8601 time with zone.")
    ] = None


class WindowResponse(Schema):
    """The days of a window, both included."""

    days: int
    first: Annotated[date, Field(serialization_alias="from")]
    last: Annotated[date, Field(serialization_alias="to")]


class RestsOnResponse(Schema):
    """What figures rest on: which position, contract and zone, and whether that is everything."""

    position: int
    head: int
    known_until: Annotated[date, Field(description="The last day that had begun by then.")]
    complete: Annotated[bool, Field(description=f"Whether {COMPLETE}.")]
    contract_version: int
    time_zone: str


class FigureResponse(Schema):
    """A value in its unit; `previous` and `change_pct` are null unless windows are compared."""

    value: Number
    previous: Number
    change_pct: Percent | None


class FiguresResponse(AsOf):
    """Figures by currency, and those of the whole shop.

    `missing` says what of Stripe's balance is not known: fees and net volume rest on it.
    """

    window: WindowResponse
    previous_window: WindowResponse | None
    standing: RestsOnResponse
    missing: Missing
    currencies: dict[str, dict[str, FigureResponse]]
    shop: dict[str, FigureResponse]


class DayResponse(Schema):
    """The figures of one day by currency, and those of the whole shop."""

    day: date
    currencies: dict[str, dict[str, Number]]
    shop: dict[str, Number]


class DailyResponse(AsOf):
    """A window day by day, the earliest first."""

    window: WindowResponse
    standing: RestsOnResponse
    by_day: list[DayResponse]


class Fact(Schema):
    """A fact behind a figure: `counted` is what it put in, the rest what its kind of fact says.

    `kind` tells what happened, `day` is the one that it counts on, and `at` its time. What a fact
    of the balance came to in the books: `GET /books/entries/{transaction_id}`.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    counted: int
    kind: str = ""
    day: date | None = None
    at: datetime | None = None
    currency: str | None = None
    order_id: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    transaction_id: str | None = None
    source_id: str | None = None
    subscription_id: str | None = None
    customer_id: str | None = None
    customer: str | None = None
    email: str | None = None
    line_id: str | None = None
    sku: str | None = None
    name: str | None = None
    position: int | None = None
    period: int | None = None
    number: int | None = None
    account: str | None = None
    category: str | None = None
    type: str | None = None
    balance_type: str | None = None
    description: str | None = None
    made_at: datetime | None = None
    created_at: datetime | None = None
    available_at: datetime | None = None
    actor: str | None = None
    actor_name: str | None = None
    reason: str | None = None
    amount_minor: int | None = None
    received_minor: int | None = None
    bounced_minor: int | None = None
    disputed_minor: int | None = None
    fee_minor: int | None = None
    net_minor: int | None = None
    gross_minor: int | None = None
    goods_minor: int | None = None
    discount_minor: int | None = None
    shipping_minor: int | None = None
    tax_minor: int | None = None
    total_minor: int | None = None
    return_minor: int | None = None
    revenue_minor: int | None = None
    page_discount_minor: int | None = None
    brought_minor: int | None = None
    overpaid_minor: int | None = None
    refunded_minor: int | None = None
    orders: int | None = None
    refunded: int | None = None
    payment_count: int | None = None
    disputes: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    units: int | None = None
    quantity: int | None = None
    on_hand: int | None = None
    held: int | None = None
    subscriptions: int | None = None
    subscribers_new: int | None = None
    subscribers_churned: int | None = None
    uncounted: int | None = None
    first_wish_at: datetime | None = None
    next_order_day: date | None = None


class FactsResponse(AsOf):
    """Facts behind a figure, the latest first; `empty` says why there are none."""

    figure: str
    window: WindowResponse
    items: list[Fact]
    next: str | None
    empty: str | None


class BestSellerResponse(Schema):
    """What one product sold in one currency."""

    sku: str
    name: str | None
    currency: str
    units: int
    revenue_minor: int


class BestSellersResponse(AsOf):
    """The products of a window by what they brought, the most first.

    `empty` says why there are none.
    """

    window: WindowResponse
    items: list[BestSellerResponse]
    empty: str | None


class SnapshotResponse(Schema):
    """Figures of a window that ended with a day, as they were recorded."""

    day: date
    window_days: int
    currency: str | None
    as_of_position: int
    contract_version: int
    time_zone: str
    computed_at: datetime
    complete: bool
    values: dict[str, int]


class SnapshotsResponse(AsOf):
    """Snapshots, the latest day first; `empty` says why there are none.

    Each has the position that it was taken at; the answer as a whole goes up to its own.
    """

    items: list[SnapshotResponse]
    empty: str | None


class ClauseResponse(Schema):
    """A part of a rule that a figure follows, and where that rule is written."""

    says: str
    source: str


class DefinitionResponse(Schema):
    """What a figure is; a `family` is a title for figures that belong together.

    `uncounted_by` is the figure that says of how many things it leaves something out, because that
    is not known: it is told wherever this one is asked for.
    """

    id: str
    label: str
    family: str
    formula: str
    unit: str
    kind: str
    dated_by: str
    has_currency: bool
    facts: list[str]
    parts: list[str]
    since: int
    clauses: list[ClauseResponse]
    uncounted_by: str | None
    cure: str | None


class DefinitionsResponse(Schema):
    """The contract: its version, the lengths of its windows in days, and every figure."""

    contract_version: int
    window_lengths: list[int]
    figures: list[DefinitionResponse]


def window_answer(window: Window) -> WindowResponse:
    """A window, as it is told."""
    return WindowResponse(days=window.days, first=window.first, last=window.last)


def rests_on_answer(made: Report) -> RestsOnResponse:
    """What a report rests on, as it is told."""
    return RestsOnResponse(
        position=made.rests_on.position,
        head=made.rests_on.head,
        known_until=made.known_until,
        complete=made.complete,
        contract_version=made.contract_version,
        time_zone=made.rests_on.time_zone,
    )


def figures_answer(figures: Figures) -> dict[str, FigureResponse]:
    """Figures, as they are told."""
    return {name: FigureResponse(**each._asdict()) for name, each in figures.items()}


def values_answer(figures: Figures) -> dict[str, Number]:
    """Only their values."""
    return {name: each.value for name, each in figures.items()}
