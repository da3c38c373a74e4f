"""Lists of a read model's rows: filtered, in a stable order, a page at a time."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import InvalidRequest, ProjectionStopped
from projections.engine.declare import CARRIERS, Listing
from projections.engine.tables import AnyCursor, names, trusted

HIDDEN: Final = frozenset(carrier for carrier, _ in CARRIERS.values())
COLUMNS: Final = """
select attname, format_type(atttypid, atttypmod) as type
from pg_catalog.pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
order by attnum
"""


class Condition(NamedTuple):
    """A comparison of columns with values, which are cast to the columns' types."""

    columns: Sequence[str]
    operator: str
    values: Sequence[str]


class Page(NamedTuple):
    """Some rows, and the cursor from which the next page starts."""

    rows: list[dict[str, Any]]
    next: str | None


class Lister:
    """Lists and finds the rows of one read model, as its declaration says."""

    def __init__(self, listing: Listing) -> None:
        (self.key,) = listing.table.key
        self.table = listing.table.name
        self.order = (listing.sort, self.key) if listing.sort else (self.key,)
        self.newest_first = listing.sort is not None
        self._types: dict[str, str] = {}

    def page(
        self, cursor: AnyCursor, filters: Mapping[str, str], limit: int, start: str | None
    ) -> Page:
        """The rows that equal the filters, from where an earlier page ended.

        Pages stay stable while the log grows: no row comes twice, and none is skipped for one that
        is new. Raises `InvalidRequest` for a value or cursor that does not fit the columns.
        """
        conditions = [Condition([name], "=", [value]) for name, value in filters.items()]
        if start is not None:
            beyond = "<" if self.newest_first else ">"
            conditions.append(Condition(self.order, beyond, decoded(start, len(self.order))))
        found = self._select(cursor, conditions, limit + 1)
        if len(found) <= limit:
            return Page(found, None)
        return Page(found[:limit], encoded([found[limit - 1][name] for name in self.order]))

    def one(self, cursor: AnyCursor, key: str) -> dict[str, Any] | None:
        """The row with this key."""
        return next(iter(self._select(cursor, [Condition([self.key], "=", [key])], 1)), None)

    def _select(
        self, cursor: AnyCursor, conditions: Sequence[Condition], limit: int
    ) -> list[dict[str, Any]]:
        types = self._columns(cursor)
        direction = SQL("desc" if self.newest_first else "asc")
        query = SQL("select {} from {} where {} order by {} limit %s").format(
            names(name for name in types if name not in HIDDEN),
            Identifier(self.table),
            SQL(" and ").join([SQL("true"), *(_compared(each, types) for each in conditions)]),
            SQL(", ").join(SQL("{} {}").format(Identifier(name), direction) for name in self.order),
        )
        values = [value for each in conditions for value in each.values]
        with refusing_bad_values():
            return cursor.execute(query, [*values, limit]).fetchall()

    def _columns(self, cursor: AnyCursor) -> dict[str, str]:
        """The table's columns and their types; they do not change while this version runs."""
        if not self._types:
            found = cursor.execute(COLUMNS, [self.table]).fetchall()
            self._types = {row["attname"]: row["type"] for row in found}
        if not self._types:
            raise ProjectionStopped(f"{self.table} was never built; run `ledger rebuild`.")
        return self._types


def _compared(condition: Condition, types: Mapping[str, str]) -> Composed:
    casts = SQL(", ").join(SQL("%s::") + trusted(types[name]) for name in condition.columns)
    return SQL("({}) {} ({})").format(names(condition.columns), trusted(condition.operator), casts)


@contextmanager
def refusing_bad_values() -> Generator[None]:
    """What the database cannot read as a value of a column's type is the caller's mistake."""
    try:
        yield
    except psycopg.DataError as error:
        reason = error.diag.message_primary or str(error)
        raise InvalidRequest(f"A value does not fit its column: {reason}.") from None


def encoded(values: Sequence[Any]) -> str:
    """Where a page ended, as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(list(map(str, values)))).decode()


def decoded(start: str, length: int) -> list[str]:
    """Where the page before ended; raises `InvalidRequest` for what is no such cursor."""
    try:
        values = msgspec.json.decode(urlsafe_b64decode(start), type=list[str])
    except (ValueError, msgspec.MsgspecError):
        values = []
    if len(values) != length:
        raise InvalidRequest("query.cursor: use the `next` of an earlier page as it is.")
    return values
