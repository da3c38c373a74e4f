"""Lists of a read model's rows: filtered, sorted, in a stable order, a page at a time."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import InvalidRequest
from projections.engine.declare import Listing
from projections.engine.reads import rows
from projections.engine.row import Part, Row, has_few, sql_type, times, words_of
from projections.engine.tables import AnyCursor, names, trusted
from projections.queries.answers import FITTING, why_empty

DESCENDING = "-"
"""What stands before the column in a sort that begins with the greatest value."""


MOST_WORDS: Final = 50
"""How many words of a column a refusal names."""

CURRENCY: Final = "currency"
"""The column whose words are those that the rows have, in small letters."""


class Condition(NamedTuple):
    """A comparison of columns with values, which are cast to the columns' types."""

    columns: Sequence[str]
    operator: str
    values: Sequence[Any]


class Span(NamedTuple):
    """The rows whose time in a column is at `since` or later, and before `until`."""

    column: str
    since: datetime | None = None
    until: datetime | None = None


BEYOND: Final = 2**62
"""After every position."""
ORDER: Final = {
    True: " order by position desc limit %(limit)s",
    False: " order by position limit %(limit)s",
}
"""How a query of a span ends, by whether the latest comes first."""


class Positions(NamedTuple):
    """The positions between two others, the latest of them first or the earliest."""

    after: int = 0
    before: int = BEYOND
    latest_first: bool = True

    def beyond(self, last: int | None, *, latest_first: bool) -> Positions:
        """Those that come after the last one of the page before, where there was one."""
        after, before = self.after, self.before
        if last is not None and latest_first:
            before = min(before, last)
        elif last is not None:
            after = max(after, last)
        return Positions(after, before, latest_first)

    def upto(self, last: int) -> Positions:
        """Those of them that go no further than a position."""
        return self._replace(before=min(self.before, last + 1))


EARLIEST_FIRST: Final = Positions(latest_first=False)


class Asked(NamedTuple):
    """Which rows of a list: their columns equal the filters, their times lie in all spans.

    `sort` is a column, with `-` before it from the greatest value down. `start` is the cursor at
    which the page before ended; it knows how that was sorted. `known` are words by column that a
    filter may have whatever the rows have.
    """

    limit: int
    filters: Mapping[str, Any] = {}
    spans: Sequence[Span] = ()
    sort: str | None = None
    start: str | None = None
    known: Mapping[str, Sequence[str]] = {}


class Page(NamedTuple):
    """Some rows, and the cursor from which the next page starts."""

    rows: list[dict[str, Any]]
    next: str | None


class Totals(NamedTuple):
    """How many rows fit, and the sum of each amount in minor units, by currency."""

    many: int
    by_currency: dict[str, dict[str, int]]


class Lister:
    """Lists and finds the rows of one read model, as its declaration says."""

    def __init__(self, listing: Listing) -> None:
        self.key = listing.key
        self.table = listing.table.name
        self.parts = listing.parts
        self.columns = tuple(listing.shown.model_fields)
        self.types = {name: sql_type(listing.shown, name) for name in self.columns}
        self.words = {name: words_of(listing.shown, name) for name in listing.filters}
        self.few = {n for n in listing.filters if n == CURRENCY or has_few(listing.shown, n)}
        self.sorts = sorts(listing)
        self.nouns = listing.nouns
        self.filled_by = listing.filled_by

    def page(self, cursor: AnyCursor, asked: Asked) -> Page:
        """The rows that are asked for, from where an earlier page ended.

        Pages stay stable while the log grows: no row comes twice, and none is skipped for one that
        is new. Raises `InvalidRequest` for a value or cursor that does not fit the columns.
        """
        sort, last = self._begun(asked)
        order, descending = self._order(sort)
        self.check_values(cursor, asked.filters)
        if last and not all(
            _is_one(cursor, self.types[column], value)
            for column, value in zip(order, last, strict=True)
        ):
            raise bad_cursor()
        conditions = [self._equal(name, value) for name, value in asked.filters.items()]
        conditions += [each for span in asked.spans for each in _within(span)]
        if last is not None:
            conditions.append(Condition(order, "<" if descending else ">", last))
        found = self._select(cursor, conditions, order, asked.limit + 1, descending=descending)
        if not found:
            self.check_words(cursor, asked.filters, asked.known)
        if len(found) <= asked.limit:
            return Page(found, None)
        end = found[asked.limit - 1]
        return Page(found[: asked.limit], encoded([sort, *(end[name] for name in order)]))

    def totals(self, cursor: AnyCursor, asked: Asked) -> Totals:
        """Of all rows that fit, on whichever page; amounts without a currency are not summed."""
        conditions = [self._equal(name, value) for name, value in asked.filters.items()]
        conditions += [each for span in asked.spans for each in _within(span)]
        has_currency = CURRENCY in self.columns
        amounts = [name for name in self.columns if name.endswith("_minor") and has_currency]
        query = SQL(
            "select {} as currency, count(*) as count {} from {} where {} group by 1"
        ).format(
            Identifier(CURRENCY) if has_currency else SQL("null"),
            SQL("").join(SQL(", sum({0})::text as {0}").format(Identifier(n)) for n in amounts),
            Identifier(self.table),
            SQL(" and ").join([SQL("true"), *(self._compared(each) for each in conditions)]),
        )
        values = [value for each in conditions for value in each.values]
        found = cursor.execute(query, values).fetchall()
        return Totals(
            sum(row["count"] for row in found),
            {
                row[CURRENCY]: {name: int(row[name] or 0) for name in amounts}
                for row in found
                if row[CURRENCY] is not None
            },
        )

    def _equal(self, name: str, value: str) -> Condition:
        """A currency may be written in capitals, too."""
        return Condition([name], "=", [value.lower() if name == CURRENCY else value])

    def check_words(
        self,
        cursor: AnyCursor,
        filters: Mapping[str, str],
        known: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Raise `InvalidRequest` for a filter's value that is no word of its column.

        Nothing is an answer to a word that exists: one of the column's own, one that is `known`, or
        one that a row has; Stripe may have words that we do not know. Where there is no row at all
        everything may be. Filters that the list does not have, and those of free text, may be
        anything.
        """
        for name in self.words.keys() & filters.keys():
            words = (*self.words[name], *known.get(name, ()))
            is_it = self._equal(name, filters[name])
            if not (words or name in self.few) or is_it.values[0] in words:
                continue
            if self._select(cursor, [is_it], [self.key], 1):
                continue
            words = tuple(dict.fromkeys([*words, *self._seen(cursor, name)]))
            if words or self._select(cursor, [], [self.key], 1):
                raise unknown_word(name, filters[name], words)

    def _seen(self, cursor: AnyCursor, name: str) -> list[str]:
        """Words that the rows have in a column of few; of a currency, those with amounts in it."""
        if name not in self.few:
            return []
        query = SQL(
            "select distinct {0} as word from {1} where {0} is not null order by 1 limit %s"
        ).format(Identifier(name), Identifier(self.table))
        return [row["word"] for row in cursor.execute(query, [MOST_WORDS]).fetchall()]

    def why_empty(
        self,
        cursor: AnyCursor,
        asked: Asked,
        position: int,
        own: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Why a page has no rows, as of a position; for a customer only the `own` ones are there.

        Where there are rows nothing fitted what was asked for, or they were on the pages before.
        """
        conditions = [self._equal(name, value) for name, value in own.items()]
        if not self._select(cursor, conditions, [self.key], 1):
            return why_empty(self.nouns, self.filled_by, position)
        equal = [f"{name}={value}" for name, value in asked.filters.items() if name not in own]
        only_equal = equal and asked.start is None and not any(map(_within, asked.spans))
        narrowed = f"with {', '.join(equal)}" if only_equal else FITTING
        return why_empty(self.nouns, self.filled_by, position, narrowed=narrowed)

    def one(self, cursor: AnyCursor, key: str) -> dict[str, Any] | None:
        """The row with this key."""
        is_it = [Condition([self.key], "=", [key])]
        return next(iter(self._select(cursor, is_it, [self.key], 1)), None)

    def whole(self, cursor: AnyCursor, key: str) -> dict[str, Any] | None:
        """The row with this key and, by their names, the rows of its parts."""
        found = self.one(cursor, key)
        return found and found | self.parts_of(cursor, key)

    def parts_of(self, cursor: AnyCursor, key: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of each part of the row with this key."""
        return {name: rows(cursor, part.query, id=key) for name, part in self.parts.items()}

    def _begun(self, asked: Asked) -> tuple[str, list[str] | None]:
        """How the list is sorted, and what the last row of the page before had in those columns."""
        if asked.start is None:
            return asked.sort or self.sorts[0], None
        sort, *last = decoded(asked.start)
        if sort not in self.sorts or len(last) != len(self._order(sort)[0]):
            raise bad_cursor()
        if asked.sort not in {None, sort}:
            told = f"that page was sorted by {sort}; leave sort as is."
            raise InvalidRequest.of_field("cursor", told, place="query.")
        return sort, last

    def _order(self, sort: str) -> tuple[list[str], bool]:
        """The columns of a sort, the key last, and whether they go down."""
        column = sort.removeprefix(DESCENDING)
        return list(dict.fromkeys([column, self.key])), sort.startswith(DESCENDING)

    def _select(
        self,
        cursor: AnyCursor,
        conditions: Sequence[Condition],
        order: Sequence[str],
        limit: int,
        *,
        descending: bool = False,
    ) -> list[dict[str, Any]]:
        direction = SQL("desc" if descending else "asc")
        query = SQL("select {} from {} where {} order by {} limit %s").format(
            names(self.columns),
            Identifier(self.table),
            SQL(" and ").join([SQL("true"), *(self._compared(each) for each in conditions)]),
            SQL(", ").join(SQL("{} {}").format(Identifier(name), direction) for name in order),
        )
        values = [value for each in conditions for value in each.values]
        return cursor.execute(query, [*values, limit]).fetchall()

    def check_values(self, cursor: AnyCursor, values: Mapping[str, Any]) -> None:
        """Raise `InvalidRequest` for a value that its column cannot have; other names are texts."""
        for name, value in values.items():
            kind = self.types.get(name, "text")
            check_texts([value])
            if not _is_one(cursor, kind, value):
                must = f"{value!r:.50} {TYPES[kind]}."
                raise InvalidRequest.of_field(name, must)

    def _compared(self, condition: Condition) -> Composed:
        casts = [SQL("%s::") + trusted(self.types[name]) for name in condition.columns]
        return SQL("({}) {} ({})").format(
            names(condition.columns), trusted(condition.operator), SQL(", ").join(casts)
        )


def sorts(listing: Listing) -> list[str]:
    """How a list may be sorted, the usual way first: the newest first, or else by the key."""
    both = [text for name in listing.sortable for text in (DESCENDING + name, name)]
    return both if listing.sort else [listing.key, *(each for each in both if each != listing.key)]


def stems(row: type[Row]) -> dict[str, str]:
    """The columns of a row's times, by what a span of each is named after."""
    return {column.removesuffix("_at"): column for column in times(row)}


def spans(row: type[Row]) -> list[str]:
    """The names of both ends of a span of each time of a row.

    Of `placed_at` they are `placed_after` and `placed_before`.
    """
    return [f"{stem}_{end}" for end in ("after", "before") for stem in stems(row)]


def lines(
    cursor: AnyCursor,
    part: Part,
    name: str,
    positions: Positions,
    within: Sequence[Span],
    *,
    limit: int,
) -> list[dict[str, Any]]:
    """The rows of a part of `name` that stand at these positions, their times in all spans."""
    bounds = [each for span in within for each in _within(span)]
    conditions = [
        SQL("{} {} %({})s").format(
            Identifier(*each.columns), trusted(each.operator), trusted(f"bound_{n}")
        )
        for n, each in enumerate(bounds)
    ]
    query = SQL("select {} from ({}) as lines where {} {}").format(
        names(part.row.model_fields),
        trusted(part.query),
        SQL(" and ").join([SQL("position > %(after)s and position < %(before)s"), *conditions]),
        trusted(ORDER[positions.latest_first]),
    )
    given = {f"bound_{n}": value for n, each in enumerate(bounds) for value in each.values}
    given |= {"id": name, "after": positions.after, "before": positions.before, "limit": limit}
    return cursor.execute(query, given).fetchall()


def _within(span: Span) -> list[Condition]:
    bounds = ((">=", span.since), ("<", span.until))
    return [Condition([span.column], sign, [at]) for sign, at in bounds if at is not None]


TYPES: Final = {
    "text": "is no text",
    "bigint": "is no whole number",
    "boolean": "is neither true nor false",
    "timestamptz": "is no time",
    "date": "is no date",
    "jsonb": "is no JSON",
}
"""What is said of a value that is none of a type."""


def check_texts(values: Iterable[Any]) -> None:
    """Raise `InvalidRequest` for a text that none in the database can be.

    Callers' values are checked by themselves, before anything is asked of the tables: what the
    database then cannot compute is a mistake of ours, and no caller is told that it was his.
    """
    if any("\0" in value for value in values if isinstance(value, str)):
        raise InvalidRequest("A value has U+0000 in it, which stands in no text.")


def _is_one(cursor: AnyCursor, kind: str, value: Any) -> bool:
    """Whether the database can read a value as one of a type."""
    if kind == "text" or not isinstance(value, str | int):
        return "\0" not in f"{value}"
    try:
        cursor.execute(SQL("select %s::") + trusted(kind), [value])
    except psycopg.DataError:
        return False
    return True


def encoded(values: Sequence[Any]) -> str:
    """Where a page ended, as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(list(map(str, values)))).decode()


def decoded(start: str) -> list[str]:
    """Where the page before ended, one value or more; raises `InvalidRequest`."""
    try:
        values = msgspec.json.decode(urlsafe_b64decode(start), type=list[str])
    except (ValueError, msgspec.MsgspecError):
        values = []
    if not values:
        raise bad_cursor()
    return values


def unknown_word(name: str, value: str, words: Sequence[str]) -> InvalidRequest:
    """A value that a filter of these words cannot have."""
    there = f"is none of {', '.join(words)}" if words else "is not there, and nothing has any"
    return InvalidRequest.of_field(name, f"{value[:50]!r} {there}.", "unknown_word")


def bad_cursor() -> InvalidRequest:
    """A cursor that no list gave out."""
    told = "use the `next` of an earlier page as it is."
    return InvalidRequest.of_field("cursor", told, place="query.")
