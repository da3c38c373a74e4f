"""From a fold to the tables: COPY into staging tables, then one set-based statement a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from ledger import waits
from ledger.errors import Stopped
from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Projection, Rollup
from projections.engine.flush_function import FlushFunction, merge_mirror, temporary
from projections.engine.fold import Fold, ProjectionFailed
from projections.engine.registry import bases
from projections.engine.tables import AnyCursor, names


def stage(cursor: AnyCursor, tables: Iterable[AnyTable]) -> None:
    """Make the temporary tables that a session needs beside `tables`; each flush leaves them empty.

    Not by `on commit delete rows`: that empties all of them at each commit, used or not, which took
    half of a small flush's time.
    """
    for table in tables:
        match table:
            case Mirror() | Journal():
                shape = SQL("*")
            case Derived():
                shape = names(table.unit)
            case Rollup():
                shape = names((*table.key, *table.amounts))
        cursor.execute(
            SQL("create temporary table if not exists {} as select {} from {} with no data").format(
                Identifier(temporary(table)), shape, Identifier(table.name)
            )
        )


FIRST_TURN_ROWS, TURN_ROWS = 1_000, 100_000
"""How many rows go through the temporary tables until each was tidied, at first and at most."""


class Tidying:
    """Gives back the space of what went through the temporary tables, and tells the planner of it.

    The planner guesses a thousand rows in a temporary table of which it knows nothing, and reads a
    table of the read models whole rather than look up so many in it. So each is shown to it with
    one row. A session keeps its plans until a table that they name is tidied: that is done in turn,
    a few tables at a time, soon while the read models may be new and grow quickly, then seldom.
    """

    def __init__(self, cursor: AnyCursor, tables: Iterable[AnyTable]) -> None:
        self._cursor = cursor
        self._names = [Identifier(temporary(table)) for table in tables]
        self._due: list[Identifier] = []
        self._turn_rows = FIRST_TURN_ROWS // 2
        self._rows = 0
        self._tidy(self._names)

    def __call__(self, rows: int) -> None:
        """Tidy those that are due after so many rows more; not in a transaction."""
        self._rows += rows
        count = self._rows * len(self._names) // self._turn_rows
        if not count:
            return
        self._rows = 0
        if not self._due:
            self._due = list(self._names)
            self._turn_rows = min(2 * self._turn_rows, TURN_ROWS)
        now, self._due = self._due[:count], self._due[count:]
        self._tidy(now)

    def _tidy(self, names: Sequence[Identifier]) -> None:
        if not names:
            return
        every = SQL(", ").join(names)
        for statement in ("insert into {} default values", "delete from {}"):
            filled = SQL("; ").join(SQL(statement).format(name) for name in names)
            self._cursor.execute(filled)
            if statement.startswith("insert"):
                self._cursor.execute(SQL("vacuum (analyze) {}").format(every))


def load(cursor: AnyCursor, fold: Fold) -> None:
    """Put a fold into tables that are being built: neither derived rows nor rollups follow yet."""
    for table, rows in fold.rows.items():
        if isinstance(table, Journal):
            _copy(cursor, table, table.name, rows.values())
        elif rows:
            _copy(cursor, table, temporary(table), rows.values())
            cursor.execute(merge_mirror(table))
            cursor.execute(SQL("truncate {}").format(Identifier(temporary(table))))


class Flush:
    """Brings finished tables up to date with folds, by a function of this session's own.

    What a batch touches decides which of some hundred statements are needed. The function asks
    that where the answers are, in one round trip, and keeps its plans. It is gone with the session,
    like the temporary tables.
    """

    def __init__(self, cursor: AnyCursor, projections: Iterable[Projection]) -> None:
        self._cursor = cursor
        self._projections = tuple(projections)
        self._function = FlushFunction(self._projections)
        body = self._function.body
        name = Identifier("pg_temp", f"flush_{sha256(body.encode()).hexdigest()[:16]}")
        made = "create or replace function {}(staged text[]) returns void language plpgsql as {}"
        cursor.execute(SQL(made).format(name, Literal(body)))
        self._call = SQL("select {}(%s)").format(name)

    def __call__(self, fold: Fold) -> None:
        """Take a fold in, in the transaction that is open.

        Raises `ProjectionFailed` naming the projection whose declaration or SQL failed.
        """
        staged = [name for each in self._projections for name in self._stage(each, fold)]
        if not staged:
            return
        waits.go_on()
        try:
            self._cursor.execute(self._call, [staged], prepare=True)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            projection = self._function.projection_at(error.diag.context)
            if projection is None:
                raise
            raise ProjectionFailed.of(projection, error) from error

    def _stage(self, projection: Projection, fold: Fold) -> Iterator[str]:
        """Put changes where SQL can see them; answers the temporary tables that have rows now."""
        try:
            for table in bases(projection):
                if rows := fold.rows[table]:
                    waits.go_on()
                    _copy(self._cursor, table, temporary(table), rows.values())
                    yield temporary(table)
        except (psycopg.OperationalError, Stopped):
            raise
        except Exception as error:
            raise ProjectionFailed.of(projection.name, error) from error


def _copy(
    cursor: AnyCursor, shape: Mirror | Journal, target: str, rows: Iterable[Sequence[Any]]
) -> None:
    """Binary: a fifth of text's work for us, and a third of its time with the server's."""
    json = [i for i, column in enumerate(shape.columns.values()) if column.type == "jsonb"]
    statement = SQL("copy {} ({}) from stdin (format binary)").format(
        Identifier(target), names(shape.columns)
    )
    with cursor.copy(statement) as copy:
        copy.set_types(["text" if c.type == "jsonb" else c.type for c in shape.columns.values()])
        for row in _with_json(rows, json) if json else rows:
            copy.write_row(row)


def _with_json(rows: Iterable[Sequence[Any]], columns: list[int]) -> Iterator[Sequence[Any]]:
    """Rows whose JSON is text, as binary jsonb: that text behind its format's number, 1."""
    for row in rows:
        changed = list(row)
        for i in columns:
            changed[i] = None if row[i] is None else f"\x01{row[i]}"
        yield changed
