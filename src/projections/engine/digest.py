"""Digests: one SHA-256 for what a table holds, and the first place where two tables differ.

A digest is taken over the rows as `copy … to stdout` writes them, in the order of their key.
A *world* digest leaves out what only speaks of our books (positions, times of receipt), so that
logs with the same events in another order can be compared; a line of a journal is then known by
the stream and version of its event instead of its position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.engine.declare import AnyTable, Column, Derived, Journal, Rollup
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor


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
        name: _digest(_lines(cursor, _select(cursor, schema, table, world=world)))
        for name, table in registry.tables.items()
    }


def _digest(lines: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def _lines(cursor: AnyCursor, select: Composed) -> Iterator[bytes]:
    with cursor.copy(SQL("copy ({}) to stdout").format(select)) as copy:
        for data in copy:
            yield bytes(data)


def _select(cursor: AnyCursor, schema: str, table: AnyTable, *, world: bool) -> Composed:
    columns = _columns(cursor, schema, table)
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


def first_difference(
    live: AnyCursor, live_schema: str, proof: AnyCursor, proof_schema: str, table: AnyTable
) -> Difference | None:
    """Where two copies of a table first differ, in the order of their key."""
    columns = _columns(live, live_schema, table)
    left = _rows(live, live_schema, table)
    right = _rows(proof, proof_schema, table)
    at = [columns.index(column) for column in table.key]
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if one != other:
            return _difference(table.name, columns, at, one, other)
        one, other = next(left, None), next(right, None)
    return None


def _difference(
    table: str, columns: list[str], at: list[int], one: list[str] | None, other: list[str] | None
) -> Difference:
    one_key = tuple(one[i] for i in at) if one else None
    other_key = tuple(other[i] for i in at) if other else None
    if one is not None and other is not None and one_key == other_key and one_key is not None:
        column = next(i for i in range(len(columns)) if one[i] != other[i])
        return Difference(table, one_key, columns[column], one[column], other[column])
    if other_key is None or (one_key is not None and one_key < other_key):
        assert one_key is not None
        return Difference(table, one_key, None, "a row", None)
    return Difference(table, other_key, None, None, "a row")


def _rows(cursor: AnyCursor, schema: str, table: AnyTable) -> Iterator[list[str]]:
    """Rows as text columns, in the order of their key."""
    held = b""
    for data in _lines(cursor, _select(cursor, schema, table, world=False)):
        *whole, held = (held + data).split(b"\n")
        for row in whole:
            yield row.decode().split("\t")
