"""What the books' periods, and the names that hold in them, take and answer over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.operations import Schema
from api.schemas import AnyCaseCurrency, Recorded, Text
from books.schemas import OwnKind, Period
from ledger.domain.account_names import MAX_CODE, MAX_NAME
from ledger.domain.limits import MAX_ID
from ledger.domain.period import MAX_CATEGORY
from projections.queries.schemas import AsOf


class DecideRequest(Schema):
    """Why a month is closed or reopened, for the audit log."""

    reason: Text


class MapRequest(Schema):
    """What the shop's own chart of accounts has for an account from a month on, and why.

    `kind` is where it stands there. Without any of the three the books' own name counts again.
    """

    period: Period
    code: Annotated[Text | None, Field(max_length=MAX_CODE, description="As `1576`.")] = None
    name: Annotated[Text | None, Field(max_length=MAX_NAME, description="As `Input tax`.")] = None
    kind: OwnKind | None = None
    reason: Text


class CategoryRequest(Schema):
    """Of which category the sales of a product are from a month on, and why; null: of none.

    An exact SKU counts before the longest beginning.
    """

    sku: Annotated[Text, Field(max_length=MAX_ID, description="As `MUG-RED`, `MUG-*` or `*`.")]
    category: Annotated[Text | None, Field(max_length=MAX_CATEGORY, description="As `mugs`.")] = (
        None
    )
    period: Period
    reason: Text


class CategoryResponse(Schema):
    """Of which category the sales of a product are from a month on, who says so and why."""

    sku: str
    period: str
    category: str | None
    actor: str
    actor_name: str | None
    reason: str | None
    named_at: datetime


class CategoriesResponse(AsOf):
    """All categories that were named, by SKU and month."""

    items: list[CategoryResponse]


class BalanceEntry(Schema):
    """What an account held before the books, in minor units; above nothing is a debit."""

    account: Annotated[str, Field(max_length=256, description="As `liabilities:sales_tax`.")]
    currency: AnyCaseCurrency
    opening_minor: int


class BeginRequest(Schema):
    """What accounts held before the month, and why it is entered.

    With `from_stripe`, what Stripe's balance says is among it. What a currency's balances do not
    sum up to is booked against `equity:opening`. Without any, accounts held nothing.
    """

    balances: Annotated[list[BalanceEntry], Field(max_length=1000, default_factory=list)]
    from_stripe: bool = False
    reason: Text


class OpeningResponse(Schema):
    """What a person entered that accounts held before the first month of the books."""

    period: str
    version: int
    actor: str
    actor_name: str | None
    reason: str | None
    entered_at: datetime
    balances: list[BalanceEntry]


class OpeningsResponse(AsOf):
    """With what the books begin: null where that is the first transaction that is known."""

    opening: OpeningResponse | None


class UnreadyResponse(Schema):
    """Why a month cannot be closed yet, and the cure."""

    code: str
    says: str
    cure: str
    transactions: list[str]


class ReadinessResponse(AsOf):
    """Whether a month can be closed now, and if not, why."""

    period: str
    ready: bool
    reasons: list[UnreadyResponse]


class PeriodResponse(Schema):
    """The month, and the position from which reads show what was done (`?after=position`)."""

    period: str
    position: int
    recorded: Recorded
