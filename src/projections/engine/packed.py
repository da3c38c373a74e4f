"""Rows as PostgreSQL's binary COPY and `record_send` write them, far from any database.

https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from projections.engine.declare import Journal, Mirror

HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

Values = tuple[bytes, ...]
"""A row whose values are packed, each with its length before it."""
Pack = Callable[[Sequence[Any]], list[bytes]]
_LONG, _COUNT = Struct(">iq").pack, Struct(">h").pack
_BOOLEANS: Final = {None: NULL, True: b"\0\0\0\1\1", False: b"\0\0\0\1\0"}


def _texts(column: Sequence[Any]) -> list[bytes]:
    if "\0" in "".join(filter(None, column)):
        raise ValueError("a text has a NUL, which no column takes")
    return [
        NULL if value is None else len(text := value.encode()).to_bytes(4) + text
        for value in column
    ]


def _json(column: Sequence[Any]) -> list[bytes]:
    return [
        NULL if value is None else (len(text := value.encode()) + 1).to_bytes(4) + b"\x01" + text
        for value in column
    ]


_PACKS: Final[dict[str, Pack]] = {
    "text": _texts,
    "jsonb": _json,
    "boolean": lambda column: [_BOOLEANS[value] for value in column],
    "bigint": lambda column: [NULL if value is None else _LONG(8, value) for value in column],
    "timestamptz": lambda column: [
        NULL if value is None else _LONG(8, (value - EPOCH) // MICROSECOND) for value in column
    ],
}
"""By column, as the same is done to each value of one."""

_OIDS: Final[dict[str, int]] = {
    "text": 25,
    "jsonb": 3802,
    "boolean": 16,
    "bigint": 20,
    "timestamptz": 1184,
}
"""The types' numbers in every PostgreSQL (its pg_type.dat)."""


def values_of(table: Mirror | Journal, rows: Iterable[Sequence[Any]]) -> list[Values]:
    """The rows of a table with their values packed.

    Raises what Python does for a value that its column does not take.
    """
    columns = [*zip(*rows, strict=True)]
    if not columns:
        return []
    kinds = [column.type for column in table.columns.values()]
    made = (_PACKS[kind](column) for kind, column in zip(kinds, columns, strict=True))
    return [*zip(*made, strict=True)]


def copied(table: Mirror | Journal, values: Iterable[Values]) -> bytes:
    """Rows of a table for a binary COPY, without its head and end."""
    return b"".join(map(_copied(len(table.columns)).__mod__, values))


def sent(table: Mirror | Journal, values: Iterable[Values]) -> bytes:
    """Rows of a table as `record_send` makes each of them, one behind the other.

    https://www.postgresql.org/docs/current/catalog-pg-type.html has the types' numbers.
    """
    kinds = tuple(column.type for column in table.columns.values())
    return b"".join(map(_sent(kinds).__mod__, values))


@lru_cache
def _copied(columns: int) -> bytes:
    return _literally(_COUNT(columns)) + b"%b" * columns


@lru_cache
def _sent(kinds: tuple[str, ...]) -> bytes:
    columns = [_literally(_OIDS[kind].to_bytes(4)) + b"%b" for kind in kinds]
    return b"".join([_literally(len(kinds).to_bytes(4)), *columns])


def _literally(given: bytes) -> bytes:
    """Bytes as they stand in a format."""
    return given.replace(b"%", b"%%")
