"""What reads and commands of the books take and answer over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from api.operations import Schema
from api.schemas import AnyCaseCurrency
from books.trial import State
from ledger.domain.limits import PERIOD_PATTERN
from projections.queries.schemas import AsOf, Cursor, Limit, One

Period = Annotated[
    str, Field(max_length=7, pattern=PERIOD_PATTERN, description="A month, as `2026-09`.")
]


OneCurrency = Annotated[
    AnyCaseCurrency | None, Field(description="One currency only: `gbp`, or `GBP`.")
]


class TrialQuery(One):
    """Which month, or all from there `to` another, of which currency, as of which close of it."""

    period: Period
    to: Period | None = None
    currency: OneCurrency = None
    as_of: Annotated[
        int | None,
        Field(ge=1, description="The position of a close of the one month: as it was closed then."),
    ] = None


class PostingsQuery(One):
    """Which month (the present one, where none is said), which currency, and which page."""

    period: Period | None = None
    currency: OneCurrency = None
    limit: Limit = 50
    cursor: Cursor | None = None


OwnKind = Literal["assets", "liabilities", "equity", "income", "contra", "expenses"]


class OwnResponse(Schema):
    """What the shop's own chart of accounts has for an account; null is as the books have it."""

    code: str | None
    name: str | None
    kind: OwnKind | None


class MappedResponse(OwnResponse):
    """What an account is called from a month on, who says so and why."""

    period: str
    actor: str
    actor_name: str | None
    reason: str | None
    mapped_at: datetime


class AccountResponse(Schema):
    """An account, and what is in it by currency: minor units, above nothing a debit.

    `about` is null for one that a person named; `mapped` is what the shop calls it from which month
    on, the earliest first.
    """

    account: str
    about: str | None
    by_currency: dict[str, int]
    mapped: list[MappedResponse]


class AccountsResponse(AsOf):
    """Every account that anything ever moved in, at the end of a day."""

    day: date
    time_zone: str
    items: list[AccountResponse]


class BalanceResponse(Schema):
    """An account in a currency over a month; `late_minor` is what of debit and credit came late.

    `own` is what the shop calls it in that month.
    """

    account: str
    own: OwnResponse
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    late_minor: int


class TotalsResponse(Schema):
    """What all accounts of a currency come to: opening and closing are 0, debit equals credit.

    `suspense_minor` is what of the closing is not explained.
    """

    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    suspense_minor: int


class TrialResponse(AsOf):
    """A month's trial balance; a closed one is as of its close, and stays so.

    A month is `before` that lies before the first one of the books: no close and no opening speaks
    of it. Of one that has `not_begun`, openings are what accounts hold by now. `begins` is the
    month whose opening a person entered. Where none did, nothing is closed, and not all earlier
    transactions are known, `listed_since` says since when they are: what accounts held before is
    missing. Of several months, `period` is the first and `to_period` the last: opening is that of
    the first, closing that of the last, and it is open unless all are alike.
    """

    period: str
    to_period: str | None
    time_zone: str
    state: State
    version: int | None
    begins: str | None
    listed_since: datetime | None
    totals: dict[str, TotalsResponse]
    balances: list[BalanceResponse]


class PostingResponse(Schema):
    """A posting, and the balance after it.

    It counts in the month `counts_in`, which for a `late` one is not that of its day: it was learnt
    after that was closed.
    """

    transaction_id: str
    part: str
    slot: int
    day: date
    at: datetime
    category: str
    source_id: str | None
    amount_minor: int
    running_minor: int
    counts_in: str
    late: bool


class PostingsResponse(AsOf):
    """Postings of an account in a currency over a month, the earliest first.

    `otherwise_minor` is told with the last page: what the closing balance says beyond them, as what
    is known of earlier transactions changed after a close.
    """

    account: str
    about: str | None
    currency: str
    period: str
    time_zone: str
    state: State
    balance: BalanceResponse
    items: list[PostingResponse]
    otherwise_minor: int | None
    next: str | None


class FeeResponse(Schema):
    """A part of a transaction's fee."""

    type: str
    amount_minor: int
    currency: str


class RuleResponse(Schema):
    """What the amount of some reporting categories is booked against, and what else is done.

    A category that ends in `*` stands for all that begin so.
    """

    categories: list[str]
    against: str
    shape: str
    does: str
    because: str


class EntryPostingResponse(Schema):
    """A posting of an entry: what it stands for, and in which month it counts."""

    slot: int
    stands_for: str
    account: str
    about: str | None
    day: date
    at: datetime
    amount_minor: int
    counts_in: str


class EntryResponse(Schema):
    """An entry: postings in one currency that sum to 0; `part` says which of a transaction's."""

    part: str
    about: str
    postings: list[EntryPostingResponse]


class MovementResponse(Schema):
    """A balance transaction of Stripe's, as Stripe tells it."""

    transaction_id: str
    type: str
    category: str | None
    source_id: str | None
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    balance_type: str | None
    description: str | None
    account: str | None
    created_at: datetime
    available_at: datetime | None
    seen_position: int


class TellingResponse(Schema):
    """An event that an entry rests on; `GET /events/{position}` shows its bytes.

    `stripe_event_id` is null where it did not come as an event of Stripe's.
    """

    position: int
    kind: str
    source: str
    stripe_event_id: str | None
    effective_at: datetime


class EntriesResponse(AsOf):
    """Everything that a transaction came to in the books, and why.

    `rule` is null where none knows it: it is in suspense, until a person says what it is
    (`classified`).
    """

    transaction: MovementResponse
    fees: list[FeeResponse]
    rule: RuleResponse | None
    classified: str | None
    payment_id: str | None
    order_id: str | None
    entries: list[EntryResponse]
    rests_on: list[TellingResponse]


class RulesResponse(Schema):
    """The posting rules: what transactions, fees and parts of them are booked against.

    What no rule knows stands in the account `unknown`, what explains no fee in `unknown_fee`.
    """

    version: int
    rules: list[RuleResponse]
    fee_types: dict[str, str]
    types: dict[str, str]
    accounts: dict[str, str]
    entry_parts: dict[str, str]
    slots: dict[int, str]
    unknown: str
    unknown_fee: str
