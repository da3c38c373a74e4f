"""Digests: one SHA-256 for what a table holds, and the first place where two tables differ.

A digest is taken over the rows as `copy … to stdout` writes them, in the order of their key.
A *world* digest leaves out what only speaks of our books (positions, times of receipt), so that
logs with the same events in another order can be compared; a line of a journal is then known by
the stream and version of its event instead of its position.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier

from ledger import waits
from ledger.errors import ProjectionStopped
from projections.engine.declare import AnyTable, Column, Derived, Journal, Rollup
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
"""How COPY writes what would end a field or a line."""


class TableDifference(NamedTuple):
    """How two copies of a table differ: in how many rows, and where first.

    `missing` rows are in the proof only, `extra` ones only live, `changed` ones have one key and
    other values. `columns` says what is wrong with the table's shape, where something is.
    """

    table: str
    missing: int = 0
    extra: int = 0
    changed: int = 0
    first: Difference | None = None
    columns: str | None = None


class Difference(NamedTuple):
    """The first difference between two copies of a table; a row that one lacks has no column."""

    table: str
    key: tuple[str, ...]
    column: str | None
    live: str | None
    proof: str | None


def digests(
    cursor: AnyCursor, schema: str, registry: Registry, *, world: bool = False
) -> dict[str, str]:
    """The digest of each table, as 64 hexadecimal digits, by the table's name."""
    return {
        name: digest(cursor, schema, table, world=world) for name, table in registry.tables.items()
    }


def digest(cursor: AnyCursor, schema: str, table: AnyTable, *, world: bool = False) -> str:
    """The digest of one table."""
    sha256 = hashlib.sha256()
    for line in _lines(cursor, _select(cursor, schema, table, world=world)):
        sha256.update(line)
    return sha256.hexdigest()


def _lines(cursor: AnyCursor, select: Composed) -> Iterator[bytes]:
    with cursor.copy(SQL("copy ({}) to stdout").format(select)) as copy:
        for data in copy:
            waits.go_on()
            yield bytes(data)


def _select(cursor: AnyCursor, schema: str, table: AnyTable, *, world: bool) -> Composed:
    columns = _columns(cursor, schema, table)
    if not columns:
        raise ProjectionStopped(f"The table {table.name} is missing; run `ledger rebuild`.")
    if world:
        columns = [c for c in columns if not _is_bookkeeping(table, c)]
    shown: list[Composable] = [SQL("t.{}").format(Identifier(column)) for column in columns]
    source = SQL("{} as t").format(Identifier(schema, table.name))
    key: Sequence[str] = table.key
    if world and isinstance(table, Journal):
        shown += [SQL("e.originator_id"), SQL("e.originator_version")]
        source += SQL(" join ledger.stored_events as e on e.notification_id = t.position")
        key = columns
    return SQL("select {} from {} order by {}").format(
        SQL(", ").join(shown), source, _order(key, world_lines=len(shown) > len(columns))
    )


def _order(key: Sequence[str], *, world_lines: bool) -> Composed:
    by = [SQL('t.{}::text collate "C"').format(Identifier(column)) for column in key]
    if world_lines:
        by = [
            SQL('e.originator_id collate "C"').format(),
            SQL("e.originator_version").format(),
            *by,
        ]
    return SQL(", ").join(by)


def _columns(cursor: AnyCursor, schema: str, table: AnyTable) -> list[str]:
    rows = cursor.execute(
        "select attname from pg_catalog.pg_attribute "
        "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        [f"{schema}.{table.name}"],
    ).fetchall()
    return [row[0] for row in rows]


def _is_bookkeeping(table: AnyTable, column: str) -> bool:
    if isinstance(table, Derived | Rollup):
        return False
    declared: Column = table.columns[column]
    return declared.bookkeeping


def compare(
    live: AnyCursor, live_schema: str, proof: AnyCursor, proof_schema: str, table: AnyTable
) -> TableDifference | None:
    """How two copies of a table differ; None where they are equal byte by byte."""
    columns = _columns(proof, proof_schema, table)
    if (found := _columns(live, live_schema, table)) != columns:
        shape = f"live {', '.join(found) or 'no such table'}; rebuilt {', '.join(columns)}"
        return TableDifference(table.name, columns=shape)
    if digest(live, live_schema, table) == digest(proof, proof_schema, table):
        return None
    keys = [columns.index(column) for column in table.key]
    left = _rows(live, live_schema, table)
    right = _rows(proof, proof_schema, table)
    return _counted(table.name, columns, _pairs(left, right, keys), keys)


_Row = list[str]
_Pair = tuple[_Row | None, _Row | None]


def _pairs(left: Iterator[_Row], right: Iterator[_Row], keys: Sequence[int]) -> Iterator[_Pair]:
    """Rows of two sorted streams side by side, by key. Both are read to their end, always.

    A COPY that is left in the middle is cancelled, and takes its transaction along.
    """
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and _sort_key(one, keys) < _sort_key(other, keys)):
            yield one, None
            one = next(left, None)
        elif one is None or _sort_key(other, keys) < _sort_key(one, keys):
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def _counted(
    table: str, columns: list[str], pairs: Iterator[_Pair], keys: Sequence[int]
) -> TableDifference:
    missing = extra = changed = 0
    first: Difference | None = None
    for one, other in pairs:
        if one == other:
            continue
        missing += one is None
        extra += other is None
        changed += one is not None and other is not None
        first = first or _difference(table, columns, keys, one, other)
    return TableDifference(table, missing, extra, changed, first)


def _difference(
    table: str, columns: list[str], keys: Sequence[int], one: _Row | None, other: _Row | None
) -> Difference:
    row = one or other
    assert row is not None
    key = tuple(row[i] for i in keys)
    if one is not None and other is not None:
        column = next(i for i in range(len(columns)) if one[i] != other[i])
        return Difference(table, key, columns[column], one[column], other[column])
    return Difference(table, key, None, "a row" if one else None, "a row" if other else None)


def _sort_key(row: _Row, keys: Sequence[int]) -> tuple[tuple[bool, bytes], ...]:
    """As `order by … collate "C"` sorts: by the bytes of the text, null last."""
    return tuple((row[i] == "\\N", _ESCAPED.sub(_unescaped, row[i]).encode()) for i in keys)


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _rows(cursor: AnyCursor, schema: str, table: AnyTable) -> Iterator[list[str]]:
    """Rows as text columns, in the order of their key."""
    held = b""
    for data in _lines(cursor, _select(cursor, schema, table, world=False)):
        *whole, held = (held + data).split(b"\n")
        for row in whole:
            yield row.decode().split("\t")
