"""Digests: one SHA-256 for what a table holds.

It is taken over the rows as PostgreSQL sends a row (`record_send`), in the order of their key:
numbers by their value, all else by the bytes of its text. A journal's is taken over *leaves*, one
for the lines of each thousand positions, so that what a span of the log adds can be known before
the rest is there, and far from any database.
A *world* digest leaves out what only speaks of our books (positions, times of receipt), so that
logs with the same events in another order can be compared; a line of a journal is then known by
the stream and version of its event instead of its position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any, Final, NamedTuple

from psycopg.rows import scalar_row
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from ledger import waits
from ledger.errors import ProjectionStopped
from projections.engine import tables
from projections.engine.declare import AnyTable, Column, Derived, Journal, Mirror, Rollup
from projections.engine.packed import Values, sent, values_of
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

FETCH: Final = 2_000
LEAF_POSITIONS: Final = 1_000
COLUMNS: Final = """
select
    attname,
    format_type(atttypid, atttypmod)
    || case when attcollation <> typcollation then ' collate ' || attcollation::regcollation
        else '' end
from pg_catalog.pg_attribute
join pg_catalog.pg_type as t on t.oid = atttypid
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
order by attnum
"""
NUMBERS: Final = ("bigint", "integer")


class Leaf(NamedTuple):
    """The lines of a journal of the thousand positions after `number` × 1,000.

    How many there are, and the SHA-256 of them all, by position and then by their key.
    """

    number: int
    lines: int
    sha256: bytes


def digests(
    cursor: AnyCursor, schema: str, registry: Registry, *, world: bool = False
) -> dict[str, str]:
    """The digest of each table, as 64 hexadecimal digits, by the table's name."""
    return {
        name: digest(cursor, schema, table, world=world) for name, table in registry.tables.items()
    }


def digest(cursor: AnyCursor, schema: str, table: AnyTable, *, world: bool = False) -> str:
    """The digest of one table."""
    if isinstance(table, Journal) and not world:
        return digest_of_leaves(leaves(cursor, schema, table))
    source = SQL("{} as t").format(Identifier(schema, table.name))
    return _digest(cursor, _select(cursor, schema, table, source, world=world))


def digest_as_made(cursor: AnyCursor, schema: str, table: Derived | Rollup) -> str:
    """The digest that a table would have if it were made now from those in a schema.

    PostgreSQL's functions come first in the search path, before any that were put in the schema.
    """
    cursor.execute(
        "select set_config('search_path', %s, false)", [f"pg_catalog, {schema}, pg_temp"]
    )
    return _digest(cursor, _select(cursor, schema, table, _made(table), world=False))


def _made(table: Derived | Rollup) -> Composed:
    match table:
        case Derived():
            return SQL("({}\n) as t").format(tables.trusted(table.view))
        case Rollup():
            columns = tables.names((*table.key, *table.amounts, "lines"))
            return SQL("({}) as t ({})").format(tables.sums_of_all(table), columns)


def leaves(cursor: AnyCursor, schema: str, table: Journal) -> list[Leaf]:
    """The leaves of a journal, in their order."""
    types = _found(cursor, schema, table)
    shown = SQL(", ").join(SQL("t.{}").format(Identifier(column)) for column in types)
    select = SQL(
        "select (t.position - 1) / {}, count(*),"
        " pg_catalog.sha256("
        "pg_catalog.string_agg(pg_catalog.record_send(row({})), ''::bytea order by {}))"
        " from {} as t group by 1 order by 1"
    ).format(
        Literal(LEAF_POSITIONS),
        shown,
        SQL(", ").join(order(by_position(table), types)),
        Identifier(schema, table.name),
    )
    with cursor.connection.transaction():
        return [Leaf(*row) for row in cursor.execute(select).fetchall()]


def can_be_known_before(table: Mirror | Journal) -> bool:
    """Whether the leaves of a table can be made of its rows without a database.

    Those of a journal can, unless PostgreSQL writes a column in its own way (JSON), or sorts a key
    by another text than ours (a time).
    """
    kinds = {table.columns[name].type for name in table.key}
    return (
        isinstance(table, Journal)
        and kinds <= {"text", *NUMBERS}
        and all(column.type != "jsonb" for column in table.columns.values())
    )


def leaves_of(table: Journal, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Leaf, list[Values]]]:
    """The leaves that rows of a journal come to, each with its lines in their order, packed."""
    last = table.key_length - 1
    lines = sorted(rows, key=lambda row: (row[last], *row[:last]))
    for number, its in groupby(lines, lambda row: (row[last] - 1) // LEAF_POSITIONS):
        values = values_of(table, [*its])
        yield Leaf(number, len(values), sha256(sent(table, values)).digest()), values


def by_position(table: Journal) -> list[str]:
    """The key of a journal with the position first."""
    return ["position", *(name for name in table.key if name != "position")]


def digest_of_leaves(leaves: Iterable[Leaf]) -> str:
    """The digest of a journal with these leaves, in their order."""
    made = sha256()
    for number, lines, of_lines in leaves:
        made.update(number.to_bytes(8, signed=True) + lines.to_bytes(8) + of_lines)
    return made.hexdigest()


def _digest(cursor: AnyCursor, select: Composed) -> str:
    made, conn = sha256(), cursor.connection
    # In binary and many at a time: by COPY each row costs several times as much of our own time.
    with conn.transaction(), conn.cursor("digest", binary=True, row_factory=scalar_row) as rows:
        rows.execute(select)
        while found := rows.fetchmany(FETCH):
            waits.go_on()
            made.update(b"".join(found))
    return made.hexdigest()


def _select(
    cursor: AnyCursor, schema: str, table: AnyTable, source: Composed, *, world: bool
) -> Composed:
    """A query for the rows that a source has for a table."""
    types = _found(cursor, schema, table)
    columns = [c for c in types if not (world and _is_bookkeeping(table, c))]
    shown: list[Composable] = [
        SQL("t.{}::{}").format(Identifier(column), tables.trusted(types[column]))
        for column in columns
    ]
    by = order(table.key, types)
    if world and isinstance(table, Journal):
        line = [SQL('e.originator_id collate "C"'), SQL("e.originator_version")]
        shown += line
        source += SQL(" join ledger.stored_events as e on e.notification_id = t.position")
        by = [*line, *order(columns, types)]
    return SQL("select pg_catalog.record_send(row({})) from {} order by {}").format(
        SQL(", ").join(shown), source, SQL(", ").join(by)
    )


def order(key: Sequence[str], types: Mapping[str, str]) -> list[Composed]:
    """These columns of `t` as rows are sorted by them."""
    return [
        SQL("t.{}" if types[column] in NUMBERS else 't.{}::text collate "C"').format(
            Identifier(column)
        )
        for column in key
    ]


def _found(cursor: AnyCursor, schema: str, table: AnyTable) -> dict[str, str]:
    if types := columns_of(cursor, schema, table):
        return types
    raise ProjectionStopped(f"The table {table.name} is missing; run `ledger rebuild`.")


def columns_of(cursor: AnyCursor, schema: str, table: AnyTable) -> dict[str, str]:
    """The columns of a table and their types, in their order."""
    rows = cursor.execute(
        COLUMNS,
        [f"{schema}.{table.name}"],
    ).fetchall()
    return dict(rows)


def _is_bookkeeping(table: AnyTable, column: str) -> bool:
    if isinstance(table, Derived | Rollup):
        return False
    declared: Column = table.columns[column]
    return declared.bookkeeping
