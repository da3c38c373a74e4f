"""Periods of the books: which months are closed, with what balances; one row a month.

And what accounts held before the first one, where a person entered that, what the shop calls
them from a month on, and of which category sales of products are.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from api.permissions import Permission
from ledger.domain.events import (
    BooksAccountMapped,
    BooksBalancesListed,
    BooksCategoryNamed,
    BooksOpeningEntered,
    BooksPeriodClosed,
    BooksPeriodReopened,
)
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Listing, Mirror, Projection, key, known, latest
from projections.engine.row import Currency, Part, Row


class Period(Row):
    """A month of the books that was closed at some time."""

    period: str
    state: Literal["closed", "open"]
    version: int
    """How often it was closed."""
    position: int | None
    """As of which position of the log it is closed."""
    zone: str | None
    """The time zone in which its days are cut."""
    rules_version: int | None
    root: str | None
    """RFC 6962 root of its balances."""
    actor: str
    """Who closed or reopened it."""
    actor_name: str | None
    reason: str | None
    changed_at: datetime


class SealedRow(Row):
    """An account in a currency, as it was closed; minor units, above nothing is a debit."""

    account: str
    currency: Currency
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


periods = Mirror(
    "periods",
    period=key(),
    state=latest("text"),
    version=latest("bigint"),
    position=latest("bigint"),
    zone=latest("text"),
    rules_version=latest("bigint"),
    root=latest("text"),
    actor=latest("text"),
    actor_name=latest("text"),
    reason=latest("text"),
    changed_at=latest("timestamptz"),
)
sealed_balances = Mirror(
    "sealed_balances",
    period=key(),
    version=key("bigint"),
    account=key(),
    currency=key(),
    salt=known("text"),
    opening_minor=known("bigint"),
    debit_minor=known("bigint"),
    credit_minor=known("bigint"),
    closing_minor=known("bigint"),
)
# The one of the greatest version counts; those before it stay.
openings = Mirror(
    "openings",
    version=key("bigint"),
    period=known("text"),
    actor=known("text"),
    actor_name=known("text"),
    reason=known("text"),
    entered_at=known("timestamptz"),
)
opening_balances = Mirror(
    "opening_balances",
    version=key("bigint"),
    account=key(),
    currency=key(),
    opening_minor=known("bigint"),
)
account_names = Mirror(
    "account_names",
    account=key(),
    period=key(),
    code=latest("text"),
    name=latest("text"),
    kind=latest("text"),
    actor=latest("text"),
    actor_name=latest("text"),
    reason=latest("text"),
    mapped_at=latest("timestamptz"),
)
sales_categories = Mirror(
    "sales_categories",
    sku=key(),
    period=key(),
    category=latest("text"),
    actor=latest("text"),
    actor_name=latest("text"),
    reason=latest("text"),
    named_at=latest("timestamptz"),
)
projection = Projection(
    "periods",
    tables=(
        periods,
        sealed_balances,
        openings,
        opening_balances,
        account_names,
        sales_categories,
    ),
    listing=Listing(
        periods,
        Period,
        filters=("state",),
        link="period",
        noun="period",
        filled_by="Close a month with `ledger books close`.",
        permission=Permission.SEE_BOOKS,
        past=Permission.SEE_BOOKS,
        path="books/periods",
        parts={
            "balances": Part(
                SealedRow,
                """
                select account, currency, opening_minor, debit_minor, credit_minor, closing_minor
                from sealed_balances
                join periods using (period, version)
                where period = %(id)s
                order by currency, account
                """,
            )
        },
    ),
)


@projection.handles(BooksBalancesListed)
def listed(fact: BooksBalancesListed, _at: EventContext) -> Iterator[Change]:
    """The balances of a close; those of each version stay."""
    for each in fact.balances:
        yield sealed_balances.mention(
            period=fact.period,
            version=fact.version,
            account=each.account,
            currency=each.currency,
            salt=each.salt,
            opening_minor=each.opening_minor,
            debit_minor=each.debit_minor,
            credit_minor=each.credit_minor,
            closing_minor=each.closing_minor,
        )


@projection.handles(BooksPeriodClosed)
def closed(fact: BooksPeriodClosed, at: EventContext) -> Iterator[Change]:
    """A month that no fact changes any more."""
    yield periods.action(
        at,
        period=fact.period,
        state="closed",
        version=fact.version,
        position=fact.position,
        zone=fact.zone,
        rules_version=fact.rules_version,
        root=fact.root,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        changed_at=at.effective_at,
    )


@projection.handles(BooksPeriodReopened)
def reopened(fact: BooksPeriodReopened, at: EventContext) -> Iterator[Change]:
    """What the void close said stays in `sealed_balances`."""
    yield periods.action(
        at,
        period=fact.period,
        state="open",
        version=fact.version,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        changed_at=at.effective_at,
    )


@projection.handles(BooksOpeningEntered)
def opened(fact: BooksOpeningEntered, at: EventContext) -> Iterator[Change]:
    """What accounts held before the first month."""
    yield openings.mention(
        version=fact.version,
        period=fact.period,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        entered_at=at.effective_at,
    )
    for each in fact.balances:
        yield opening_balances.mention(
            version=fact.version,
            account=each.account,
            currency=each.currency,
            opening_minor=each.opening_minor,
        )


@projection.handles(BooksAccountMapped)
def mapped(fact: BooksAccountMapped, at: EventContext) -> Iterator[Change]:
    """What the shop calls an account from a month on."""
    yield account_names.action(
        at,
        account=fact.account,
        period=fact.period,
        code=fact.code,
        name=fact.name,
        kind=fact.kind,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        mapped_at=at.effective_at,
    )


@projection.handles(BooksCategoryNamed)
def category_named(fact: BooksCategoryNamed, at: EventContext) -> Iterator[Change]:
    """Of which category sales of a product are from a month on."""
    yield sales_categories.action(
        at,
        sku=fact.sku,
        period=fact.period,
        category=fact.category,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        named_at=at.effective_at,
    )
