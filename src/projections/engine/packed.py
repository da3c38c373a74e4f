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

Pack = Callable[[Any], bytes]
_LONG, _WORD, _COUNT = Struct(">iq"), Struct(">ii"), Struct(">h")


def _text(value: str) -> bytes:
    encoded = value.encode()
    if b"\0" in encoded:
        raise ValueError("a text has a NUL, which no column takes")
    return len(encoded).to_bytes(4) + encoded


def _json(value: str) -> bytes:
    encoded = value.encode()
    return (len(encoded) + 1).to_bytes(4) + b"\x01" + encoded


def _boolean(value: bool) -> bytes:
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


_PACKS: Final[dict[str, Pack]] = {
    "text": _text,
    "jsonb": _json,
    "boolean": _boolean,
    "bigint": lambda value: _LONG.pack(8, value),
    "integer": lambda value: _WORD.pack(4, value),
    "timestamptz": lambda value: _LONG.pack(8, (value - EPOCH) // MICROSECOND),
}

_OIDS: Final[dict[str, int]] = {
    "text": 25,
    "jsonb": 3802,
    "boolean": 16,
    "bigint": 20,
    "integer": 23,
    "timestamptz": 1184,
}
"""The types' numbers in every PostgreSQL (its pg_type.dat)."""


@lru_cache
def _packs(table: Mirror | Journal) -> list[Pack]:
    return [_PACKS[column.type] for column in table.columns.values()]


def packed(table: Mirror | Journal, rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of a table, without the head and end of a COPY.

    Raises what Python does for a value that its column does not take.
    """
    packs = _packs(table)
    count = _COUNT.pack(len(packs))
    parts: list[bytes] = []
    for row in rows:
        parts.append(count)
        parts += [
            NULL if value is None else pack(value) for pack, value in zip(packs, row, strict=True)
        ]
    return b"".join(parts)


def sent(table: Mirror | Journal, rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of a table as `record_send` makes each of them, one behind the other.

    https://www.postgresql.org/docs/current/catalog-pg-type.html has the types' numbers.
    """
    columns = table.columns.values()
    count = len(columns).to_bytes(4)
    packs = [(_OIDS[column.type].to_bytes(4), _PACKS[column.type]) for column in columns]
    parts: list[bytes] = []
    for row in rows:
        parts.append(count)
        for value, (oid, pack) in zip(row, packs, strict=True):
            parts += (oid, NULL if value is None else pack(value))
    return b"".join(parts)
