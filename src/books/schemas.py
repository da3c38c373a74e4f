"""What reads and commands of the books take and answer over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from api.operations import Schema
from api.schemas import AnyCaseCurrency, Recorded, Text
from books.trial import State
from ledger.domain.account_names import MAX_CODE, MAX_NAME
from ledger.domain.classify_rule import MAX_PATTERN, MAX_WORD
from ledger.domain.limits import MAX_ID, PERIOD_PATTERN, SHA256_PATTERN
from ledger.domain.period import MAX_CATEGORY
from projections.queries.schemas import MAX_POSITION, AsOf, Cursor, Limit, One

Period = Annotated[
    str, Field(max_length=7, pattern=PERIOD_PATTERN, description="A month, as `2026-09`.")
]
OneCurrency = Annotated[
    AnyCaseCurrency | None, Field(description="One currency only: `gbp`, or `GBP`.")
]


class TrialQuery(One):
    """Which month, of which currency, and as of which close of it."""

    period: Period
    currency: OneCurrency = None
    as_of: Annotated[
        int | None,
        Field(ge=1, description="The position of a close of the month: as it was closed then."),
    ] = None


class PostingsQuery(One):
    """Which month (the present one, where none is said), which currency, and which page."""

    period: Period | None = None
    currency: OneCurrency = None
    limit: Limit = 50
    cursor: Cursor | None = None


class DecideRequest(Schema):
    """Why a month is closed or reopened, for the audit log."""

    reason: Text


class ClassifyRequest(Schema):
    """The account that it is booked against instead of suspense, and why."""

    account: Annotated[str, Field(max_length=256, description="As `expenses:misc`.")]
    reason: Text


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


class ClassifyRuleRequest(Schema):
    """Which transactions in suspense are meant: of a kind, a description, a currency.

    `kind` is Stripe's category, or its type where it told none; in a description `*` stands for
    anything. At least one is said.
    """

    kind: Annotated[Text | None, Field(max_length=MAX_WORD)] = None
    description: Annotated[
        Text | None, Field(max_length=MAX_PATTERN, description="As `Bank charge*`.")
    ] = None
    currency: OneCurrency = None


class ClassifyPage(Schema):
    """What was previewed: send it back as it is."""

    position: Annotated[int, Field(ge=0, le=MAX_POSITION)]
    sha256: Annotated[str, Field(max_length=64, pattern=SHA256_PATTERN)]


class ClassifyAllRequest(ClassifyRuleRequest):
    """The rule and what it found, the account that these are booked against, and why."""

    page: ClassifyPage
    account: Annotated[str, Field(max_length=256, description="As `expenses:misc`.")]
    reason: Text


class HeldResponse(Schema):
    """A transaction in suspense, and what of it stands there: above nothing a debit."""

    transaction_id: str
    day: date
    kind: str
    description: str | None
    currency: str
    held_minor: int


class ClassifyPreviewResponse(Schema):
    """What a rule finds in suspense, the earliest first, with the sum by currency.

    `has_more` says that there is more than can be classified at once: preview again after that.
    Where it finds nothing and says a kind, `kinds` are those that stand in suspense, and
    `kind_occurs` is false where no transaction at all is of the one that it says.
    """

    items: list[HeldResponse]
    by_currency: dict[str, int]
    has_more: bool
    kinds: list[str]
    kind_occurs: bool
    page: ClassifyPage


class HeldOutcome(HeldResponse):
    """What became of it: `classified_before` as the same account, `skipped` as `detail` says."""

    outcome: Literal["classified", "classified_before", "skipped"]
    detail: str | None


class ClassifiedAllResponse(Schema):
    """What became of all, and the position from which reads show it (`?after=position`)."""

    position: int
    classified_now: int
    classified_before: int
    skipped: int
    items: list[HeldOutcome]


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


class TrialResponse(AsOf):
    """A month's trial balance; a closed one is as of its close, and stays so.

    A month is `before` that lies before the first one of the books: no close and no opening speaks
    of it. Of one that has `not_begun`, openings are what accounts hold by now. `begins` is the
    month whose opening a person entered. Where none did, nothing is closed, and not all earlier
    transactions are known, `listed_since` says since when they are: what accounts held before is
    missing.
    """

    period: str
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


class ClassifiedResponse(Schema):
    """The transaction, and the position from which reads show what was done."""

    id: str
    position: int
    recorded: Recorded
