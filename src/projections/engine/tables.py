"""The tables of read models in the database: made from their declarations, emptied, moved."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, LiteralString, cast

from psycopg import Connection, Cursor, Error
from psycopg.sql import SQL, Composed, Identifier

from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Rollup

LIVE, REBUILD, PROOF, TEMPORARY = "read_models", "rebuild", "proof", "pg_temp"

OURS: Final = ("projections", "held")
"""What stands in a schema of read models and is none."""

OF_OURS: Final = """
select c.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relowner = n.nspowner and c.relkind = %(kind)s
    and c.relname <> all(%(ours)s)
    and (%(chosen)s::text[] is null or c.relname = any(%(chosen)s))
order by c.relname
"""
"""What belongs to the owner of the schema; others may have made something there too."""

AT_THE_END: Final = "set lock_timeout = '10s'"
"""What worked on those tables was told to stop; the next rebuild removes what is left."""

HOLD: Final = f"lock table {LIVE}.held in access share mode"

AnyCursor = Cursor[Any]


def names(columns: Iterable[str]) -> Composed:
    """Column names as a list."""
    return SQL(", ").join(map(Identifier, columns))


def trusted(sql: str) -> SQL:
    """SQL that stands in a declaration of ours."""
    return SQL(cast("LiteralString", sql))


def use(cursor: AnyCursor, schema: str) -> None:
    """Let unqualified names mean temporary tables and the tables of this schema, from now on."""
    cursor.execute("select set_config('search_path', %s, false)", [f"{schema}, pg_catalog"])


def hold(session: Connection[Any] | AnyCursor) -> None:
    """Keep the live tables in their places until the transaction ends.

    The first statement of a transaction that reads them as of one moment. Its snapshot is taken
    after that: one from before a rebuild's swap would see the new tables, but not the rows that
    came into them last.
    """
    session.execute(HOLD)


def create(cursor: AnyCursor, tables: Iterable[AnyTable]) -> None:
    """Make empty tables in the schema in use; `finish` adds what can wait until they are full."""
    for table in tables:
        for statement in _create(table):
            cursor.execute(statement)


def _create(table: AnyTable) -> list[Composed]:
    name = Identifier(table.name)
    match table:
        case Mirror():
            return [
                SQL("create table {} ({}, primary key ({}))").format(
                    name, _columns(table), names(table.key)
                )
            ]
        case Journal():
            return [SQL("create table {} ({})").format(name, _columns(table))]
        case Derived():
            view = Identifier(f"{table.name}_view")
            return [
                SQL("create view {} as {}").format(view, trusted(table.view)),
                SQL("create table {} as select * from {} with no data").format(name, view),
            ]
        case Rollup():
            return [
                SQL("create table {} as with source as (select * from {}) {} with no data").format(
                    name, Identifier(table.source.name), trusted(table.contribution)
                ),
                SQL("alter table {} add lines bigint not null").format(name),
            ]


def _columns(table: Mirror | Journal) -> Composed:
    return SQL(", ").join(
        SQL("{} {}{}").format(
            Identifier(name),
            SQL(column.type),
            SQL(' collate "C"' if column.type == "text" else ""),
        )
        for name, column in table.columns.items()
    )


def finish(cursor: AnyCursor, tables: Iterable[AnyTable]) -> None:
    """Make derived rows and rollups at once from the tables that were loaded, then the indexes."""
    for table in tables:
        if isinstance(table, Derived):
            cursor.execute(_derive_all(table))
        elif isinstance(table, Rollup):
            cursor.execute(_roll_up_all(table))
        for statement in _index(table):
            cursor.execute(statement)
        _analyze(cursor, table)


def _derive_all(table: Derived) -> Composed:
    return SQL("insert into {} select * from {}").format(
        Identifier(table.name), Identifier(f"{table.name}_view")
    )


def _roll_up_all(table: Rollup) -> Composed:
    return SQL("insert into {} {}").format(Identifier(table.name), sums_of_all(table))


def sums_of_all(table: Rollup) -> Composed:
    """A query for all rows of a rollup, with how many rows of its source are in each."""
    return SQL(
        "with source as (select * from {}) select {key}, {}, count(*) from ({}) as c group by {key}"
    ).format(
        Identifier(table.source.name),
        SQL(", ").join(SQL("sum({})").format(Identifier(amount)) for amount in table.amounts),
        trusted(table.contribution),
        key=names(table.key),
    )


def _index(table: AnyTable) -> list[Composed]:
    name = Identifier(table.name)
    statements = [
        SQL("create index on {} ({})").format(name, trusted(columns)) for columns in table.indexes
    ]
    if not isinstance(table, Mirror):
        statements.insert(
            0, SQL("alter table {} add primary key ({})").format(name, names(table.key))
        )
    return statements


def _analyze(cursor: AnyCursor, table: AnyTable) -> None:
    """Have PostgreSQL look at what was made, unless that is nothing.

    A table that it saw empty is taken for one, until autovacuum comes by: every way to its rows
    seems as good, and the plan that is made then reads all of them. Of one that it never saw, it
    expects some hundred rows.
    https://www.postgresql.org/docs/current/row-estimation-examples.html
    """
    name = Identifier(table.name)
    if cursor.execute(SQL("select from {} limit 1").format(name)).rowcount:
        cursor.execute(SQL("analyze {}").format(name))


def relations(tables: Iterable[AnyTable]) -> list[str]:
    """The names of these tables and of their views."""
    made = list(tables)
    views = [f"{table.name}_view" for table in made if isinstance(table, Derived)]
    return [*(table.name for table in made), *views]


def drop(cursor: AnyCursor, schema: str, chosen: Sequence[str] | None = None) -> None:
    """Remove our relations of these names from a schema; all, of earlier versions too, for none.

    What others made there stays.
    """
    for statement, relkind in ((SQL("drop view {}"), "v"), (SQL("drop table {}"), "r")):
        if names := _ours(cursor, schema, relkind, chosen):
            targets = SQL(", ").join(Identifier(schema, name) for name in names)
            cursor.execute(statement.format(targets))


def ours(cursor: AnyCursor, schema: str, chosen: Sequence[str] | None = None) -> list[str]:
    """Our tables in a schema, by name; of these names only, where some are given."""
    return _ours(cursor, schema, "r", chosen)


def _ours(cursor: AnyCursor, schema: str, kind: str, chosen: Sequence[str] | None) -> list[str]:
    asked = {
        "schema": schema,
        "kind": kind,
        "ours": list(OURS),
        "chosen": None if chosen is None else list(chosen),
    }
    return [row[0] for row in cursor.execute(OF_OURS, asked)]


def everything(cursor: AnyCursor, schema: str) -> list[str]:
    """All names that are taken in a schema, those of indexes too."""
    rows = cursor.execute(
        "select relname from pg_catalog.pg_class where relnamespace = %s::regnamespace", [schema]
    )
    return [row[0] for row in rows]


@contextmanager
def scratch(cursor: AnyCursor, schema: str) -> Generator[None]:
    """An empty schema for tables that are made beside the live ones; emptied again at the end.

    Whatever ends it: what was made may be what fills the disk.
    """
    clear(cursor, schema)
    try:
        yield
    finally:
        with suppress(Error):
            cursor.execute(AT_THE_END)
            clear(cursor, schema)


def clear(cursor: AnyCursor, schema: str) -> None:
    """Empty a scratch schema, whatever was left there."""
    cursor.execute(
        "select relname, relkind = 'v' from pg_catalog.pg_class "
        "where relnamespace = %s::regnamespace and relkind in ('r', 'v')",
        [schema],
    )
    for name, is_view in cursor.fetchall():
        kind = SQL("view") if is_view else SQL("table")
        target = Identifier(schema, name)
        cursor.execute(SQL("drop {} if exists {} cascade").format(kind, target))


def move(cursor: AnyCursor, source: str, target: str, tables: Sequence[AnyTable]) -> None:
    """Move tables and their views from one schema to another."""
    for table in tables:
        cursor.execute(
            SQL("alter table {} set schema {}").format(
                Identifier(source, table.name), Identifier(target)
            )
        )
        if isinstance(table, Derived):
            cursor.execute(
                SQL("alter view {} set schema {}").format(
                    Identifier(source, f"{table.name}_view"), Identifier(target)
                )
            )
