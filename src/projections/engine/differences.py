"""Which rows two copies of the read models differ in, and what else is wrong with live tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier

from ledger import waits
from projections.engine.declare import AnyTable, Derived
from projections.engine.digest import NUMBERS, columns_of, digest, digests, order
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
"""How COPY writes what would end a field or a line."""

READERS: Final = ("ledger_reader", "ledger_app")
DEFINITION: Final = """
with given as (select to_regclass(%(table)s) as id)
select 'it is no table, but a view' from pg_catalog.pg_class join given on oid = id
where relkind <> 'r'
union all
select 'it has a trigger: ' || tgname from pg_catalog.pg_trigger join given on tgrelid = id
where not tgisinternal
union all
select 'it has a rule: ' || rulename from pg_catalog.pg_rewrite join given on ev_class = id
where rulename <> '_RETURN'
union all
select 'row level security hides rows from readers' from pg_catalog.pg_class join given on oid = id
where relrowsecurity
union all
select 'another table inherits from it: ' || inhrelid::regclass
from pg_catalog.pg_inherits join given on inhparent = id
union all
select 'its primary key is gone' from given
where not exists (
    select
    from pg_catalog.pg_constraint as c
    where c.conrelid = given.id and c.contype = 'p' and c.convalidated
        and %(key)s::text[] = array(
            select attname::text
            from unnest(c.conkey) with ordinality as k (number, place)
            join pg_catalog.pg_attribute as a on a.attrelid = given.id and a.attnum = k.number
            order by k.place
        )
)
union all
select role || ' may not read it' from given cross join unnest(%(readers)s::text[]) as role
where not has_table_privilege(role, id, 'select')
"""
"""What a live table of a read model must not be or lack."""


class TableDifference(NamedTuple):
    """How two copies of a table differ: in how many rows, and where first.

    `missing` rows are in the proof only, `extra` ones only live, `changed` ones have one key and
    other values. `columns` says what is wrong with its columns, with what makes its next rows
    (another view than this version's, a trigger, no primary key), or with what readers see of it.
    """

    table: str
    missing: int = 0
    extra: int = 0
    changed: int = 0
    first: Difference | None = None
    columns: str | None = None

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {**self._asdict(), "first": self.first and self.first._asdict()}


class Difference(NamedTuple):
    """The first difference between two copies of a table; a row that one lacks has no column."""

    table: str
    key: tuple[str, ...]
    column: str | None
    live: str | None
    proof: str | None


def compare(
    live: AnyCursor, live_schema: str, proof: AnyCursor, proof_schema: str, registry: Registry
) -> tuple[dict[str, str], list[TableDifference]]:
    """The digests of the proof's tables, and how the live ones differ from them, byte by byte.

    Both sides are read at the same time.
    """
    tables = registry.tables
    shapes = {
        name: difference
        for name, table in tables.items()
        if (difference := wrong_shape(live, live_schema, proof, proof_schema, table))
    }
    comparable = [table for name, table in tables.items() if name not in shapes]
    with waits.beside(_digests, live, live_schema, comparable) as reading:
        made = digests(proof, proof_schema, registry)
        found = reading.result()
    differences = [
        shapes.get(name) or _rows_of(live, live_schema, proof, proof_schema, table)
        for name, table in tables.items()
        if name in shapes or found[name] != made[name]
    ]
    return made, differences


def _digests(cursor: AnyCursor, schema: str, tables: Iterable[AnyTable]) -> dict[str, str]:
    return {table.name: digest(cursor, schema, table) for table in tables}


def wrong_shape(
    live: AnyCursor, live_schema: str, proof: AnyCursor, proof_schema: str, table: AnyTable
) -> TableDifference | None:
    """What is wrong with a live table beside its rows; None for nothing."""
    columns = columns_of(proof, proof_schema, table)
    if (found := columns_of(live, live_schema, table)) != columns:
        return TableDifference(table.name, columns=f"its columns: {_told(found, columns)}")
    if isinstance(table, Derived) and not _same_view(
        _view(live, live_schema, table), _view(proof, proof_schema, table), proof, proof_schema
    ):
        return TableDifference(
            table.name, columns=f"{table.name}_view makes other rows than this version's"
        )
    if wrong := _definition(live, live_schema, table):
        return TableDifference(table.name, columns="; ".join(wrong))
    return None


def _told(live: Mapping[str, str], rebuilt: Mapping[str, str]) -> str:
    """The names of columns that differ; the types of those whose types do, where no name does."""
    if list(live) == list(rebuilt):
        others = [name for name in live if live[name] != rebuilt[name]]
        sides = [", ".join(f"{name} {each[name]}" for name in others) for each in (live, rebuilt)]
    else:
        sides = [", ".join(each) or "no such table" for each in (live, rebuilt)]
    return "live {}; rebuilt {}".format(*sides)


def _rows_of(
    live: AnyCursor, live_schema: str, proof: AnyCursor, proof_schema: str, table: AnyTable
) -> TableDifference:
    """Which rows of two copies of a table differ."""
    types = columns_of(proof, proof_schema, table)
    columns = list(types)
    keys = [Key(columns.index(column), types[column] in NUMBERS) for column in table.key]
    left = _rows(live, live_schema, table, types)
    right = _rows(proof, proof_schema, table, types)
    return _counted(table.name, columns, _pairs(left, right, keys), keys)


def _view(cursor: AnyCursor, schema: str, table: Derived) -> str | None:
    """The view that makes a derived table's rows, as it is read beside the tables of its schema."""
    with cursor.connection.transaction():
        _see(cursor, schema)
        row = cursor.execute(
            "select pg_get_viewdef(oid) from pg_class"
            " where oid = to_regclass(%s) and relkind = 'v'",
            [f"{schema}.{table.name}_view"],
        ).fetchone()
    return None if row is None else row[0]


def _see(cursor: AnyCursor, schema: str) -> None:
    """Leave out the schema's name where names are printed, and that of no function of others."""
    path = f"pg_catalog, {schema}, pg_temp"
    cursor.execute("select set_config('search_path', %s, true)", [path])


def _same_view(one: str | None, other: str | None, scratch: AnyCursor, schema: str) -> bool:
    """Whether two views are the same, one of which may have been through a dump.

    PostgreSQL prints a view differently once it was read from its own print, with casts where it
    had none; so texts that differ are compared as they are printed after one more reading.
    """
    if one is None or other is None or one == other:
        return one == other
    texts = {_printed_again(text, scratch, schema) for text in (one, other)}
    return len(texts) == 1 and None not in texts


def _printed_again(text: str, scratch: AnyCursor, schema: str) -> str | None:
    name = Identifier(schema, "printed_again")
    try:
        with scratch.connection.transaction():
            _see(scratch, schema)
            scratch.execute(b"create view " + name.as_bytes(scratch) + b" as " + text.encode())
            row = scratch.execute(
                "select pg_get_viewdef(to_regclass(%s))", [f"{schema}.printed_again"]
            ).fetchone()
            scratch.execute(SQL("drop view {}").format(name))
    except psycopg.ProgrammingError:
        return None
    return None if row is None else row[0]


def _definition(cursor: AnyCursor, schema: str, table: AnyTable) -> list[str]:
    """What is wrong with a table although its rows are right: what readers and later rows get."""
    asked = {"table": f"{schema}.{table.name}", "key": list(table.key), "readers": list(READERS)}
    return [row[0] for row in cursor.execute(DEFINITION, asked).fetchall()]


class Key(NamedTuple):
    """A column of a key: its place in a row, and whether it is a number."""

    place: int
    is_number: bool


_Row = list[str]
_Pair = tuple[_Row | None, _Row | None]


def _pairs(left: Iterator[_Row], right: Iterator[_Row], keys: Sequence[Key]) -> Iterator[_Pair]:
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
    table: str, columns: list[str], pairs: Iterator[_Pair], keys: Sequence[Key]
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
    table: str, columns: list[str], keys: Sequence[Key], one: _Row | None, other: _Row | None
) -> Difference:
    row = one or other
    assert row is not None
    key = tuple(row[each.place] for each in keys)
    if one is not None and other is not None:
        column = next(i for i in range(len(columns)) if one[i] != other[i])
        return Difference(table, key, columns[column], one[column], other[column])
    return Difference(table, key, None, "a row" if one else None, "a row" if other else None)


def _sort_key(row: _Row, keys: Sequence[Key]) -> tuple[tuple[bool, int | bytes], ...]:
    """As `_order` sorts: by the number or by the bytes of the text, null last."""
    return tuple(_sorted_by(row[key.place], key.is_number) for key in keys)


def _sorted_by(text: str, is_number: bool) -> tuple[bool, int | bytes]:
    if text == "\\N":
        return True, b""
    return False, int(text) if is_number else _ESCAPED.sub(_unescaped, text).encode()


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _rows(
    cursor: AnyCursor, schema: str, table: AnyTable, types: Mapping[str, str]
) -> Iterator[list[str]]:
    """Rows as text columns, in the order of their key."""
    select = SQL("copy (select * from {} as t order by {}) to stdout").format(
        Identifier(schema, table.name), SQL(", ").join(order(table.key, types))
    )
    held = b""
    with cursor.copy(select) as copy:
        for data in copy:
            waits.go_on()
            *whole, held = (held + bytes(data)).split(b"\n")
            for row in whole:
                yield row.decode().split("\t")
