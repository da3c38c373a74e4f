"""What classifying takes and answers over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from api.operations import Schema
from api.schemas import Recorded, Text
from books.schemas import OneCurrency
from ledger.domain.classify_rule import MAX_PATTERN, MAX_WORD
from ledger.domain.limits import SHA256_PATTERN
from projections.queries.schemas import MAX_POSITION


class _Against(Schema):
    account: Annotated[str, Field(max_length=256, description="As `expenses:misc`.")]
    new_account: Annotated[
        bool, Field(description="Whether nothing was booked in it yet, though one is much like it.")
    ] = False
    reason: Text


class ClassifyRequest(_Against):
    """The account that it is booked against instead of suspense, and why."""


class ClassifyRuleRequest(Schema):
    """Which transactions in suspense are meant: of a kind, a description, a currency.

    `kind` is Stripe's category, or its type where it told none; in a description `*` stands for
    anything. None is said to look at all; to classify, at least one.
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


class ClassifyAllRequest(_Against, ClassifyRuleRequest):
    """The rule and what it found, the account that these are booked against, and why."""

    page: ClassifyPage


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


class ClassifiedResponse(Schema):
    """The transaction, and the position from which reads show what was done."""

    id: str
    position: int
    recorded: Recorded
