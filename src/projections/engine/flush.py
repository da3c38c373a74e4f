"""From a fold to the tables: COPY into a staging table, then one set-based statement a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from ledger import waits
from ledger.errors import Stopped
from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Rollup
from projections.engine.fold import Fold, ProjectionFailed
from projections.engine.tables import AnyCursor, names, trusted


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


def temporary(table: AnyTable) -> str:
    """The temporary table that stands beside a table while a batch is taken in."""
    match table:
        case Mirror() | Journal():
            return f"staged_{table.name}"
        case Derived():
            return f"touched_{table.name}"
        case Rollup():
            return f"before_{table.name}"


def tidy(cursor: AnyCursor, tables: Iterable[AnyTable]) -> None:
    """Give back the space of what went through the temporary tables; not in a transaction."""
    every = SQL(", ").join(Identifier(temporary(table)) for table in tables)
    cursor.execute(SQL("vacuum {}").format(every))


def load(cursor: AnyCursor, fold: Fold) -> None:
    """Put a fold into tables that are being built: neither derived rows nor rollups follow yet."""
    for table, rows in fold.rows.items():
        if isinstance(table, Journal):
            _copy(cursor, table, table.name, rows.values())
        elif rows:
            _copy(cursor, table, temporary(table), rows.values())
            cursor.execute(merge_mirror(table))
            cursor.execute(SQL("truncate {}").format(Identifier(temporary(table))))


def flush(cursor: AnyCursor, fold: Fold) -> None:
    """Bring all tables of a fold's projections up to date, in the transaction that is open.

    Raises `ProjectionFailed` naming the projection whose declaration or SQL failed.
    """
    batch = _Batch(cursor, fold)
    steps = (batch.stage, batch.note_before, batch.write, batch.refresh, batch.empty)
    for step in steps:
        for projection in fold.projections:
            try:
                for table in projection.tables:
                    waits.go_on()
                    step(table)
            except (psycopg.OperationalError, Stopped):
                raise
            except Exception as error:
                raise ProjectionFailed(projection.name) from error


class _Batch:
    """One flush: what is staged, what is touched, and the four steps that a table goes through."""

    def __init__(self, cursor: AnyCursor, fold: Fold) -> None:
        self.cursor = cursor
        self.fold = fold
        self.filled: set[str] = set()
        """The temporary tables with rows in them."""
        self.late: set[Derived] = set()
        """The tables of which more rows are touched than could be seen before anything changed."""
        tables = [table for p in fold.projections for table in p.tables]
        self.rollups = [table for table in tables if isinstance(table, Rollup)]
        self.derived = [table for table in tables if isinstance(table, Derived)]

    def stage(self, table: AnyTable) -> None:
        """Put the folded changes where SQL can see them."""
        if isinstance(table, Mirror | Journal) and self.fold.rows[table]:
            _copy(self.cursor, table, temporary(table), self.fold.rows[table].values())
            self.filled.add(temporary(table))

    def note_before(self, table: AnyTable) -> None:
        """Before anything changes: which derived rows are touched, what mirrors put in rollups."""
        match table:
            case Derived() if depends_on(table) & self.filled:
                self._fill(table, note_touched(table))
            case Mirror() if temporary(table) in self.filled:
                self._note_contributions(table)
            case _:
                pass

    def _note_contributions(self, source: Mirror | Derived) -> None:
        for rollup in self.rollups:
            if rollup.source is source:
                self._fill(rollup, note_contribution(rollup))

    def _fill(self, table: AnyTable, statement: Composed) -> bool:
        """Insert into a table's temporary one, and answer whether there was something to.

        What is found empty is not asked again.
        """
        found = self.cursor.execute(statement).rowcount > 0
        if found:
            self.filled.add(temporary(table))
        return found

    def write(self, table: AnyTable) -> None:
        """Merge mirrors, add lines."""
        if isinstance(table, Mirror | Journal) and temporary(table) in self.filled:
            self.cursor.execute(merge_mirror(table) if isinstance(table, Mirror) else append(table))

    def refresh(self, table: AnyTable) -> None:
        """Make touched derived rows anew, and add to rollups what changed.

        What derived rows put into rollups is noted only now that all touched ones are known.
        """
        match table:
            case Derived() if depends_on(table) & self.filled:
                self._note_late(table)
                if temporary(table) in self.filled:
                    self._note_neighbours(table)
                    self._note_contributions(table)
                    self.cursor.execute(remove_touched(table))
                    self.cursor.execute(derive_touched(table))
            case Rollup() if temporary(table.source) in self.filled:
                self.cursor.execute(add_difference(table))
                if temporary(table) in self.filled:
                    self.cursor.execute(remove_empty(table))
            case _:
                pass

    def _note_late(self, table: Derived) -> None:
        if self._fill(table, note_touched(table)):
            self.late.add(table)

    def _note_neighbours(self, table: Derived) -> None:
        """What the old rows say of which others are touched, while they are there.

        Before anything changed, those that are only touched by what changed could not be asked.
        """
        if table in self.late:
            for each in self.derived:
                if temporary(table) in depends_on(each):
                    self._note_late(each)

    def empty(self, table: AnyTable) -> None:
        """Leave the temporary tables as they were found."""
        if temporary(table) in self.filled:
            self.cursor.execute(empty(table))


@lru_cache
def depends_on(table: Derived) -> set[str]:
    """The temporary tables that its `touched` reads."""
    return set(re.findall(r"\b(?:staged|touched)_\w+", table.touched))


@lru_cache
def merge_mirror(table: Mirror) -> Composed:
    """Staged rows into the mirror, by the rules that `Mirror.merge` follows in memory."""
    moves = [
        SQL("{0} = case when excluded.{1} > old.{1} or old.{1} is null and excluded.{1} is not null"
            " then excluded.{0} else old.{0} end").format(Identifier(name), Identifier(group.by))
        for group in table.groups
        for name in list(table.columns)[group.start : group.stop]
    ]  # fmt: skip
    moves += [
        SQL("{0} = {1}(old.{0}, excluded.{0})").format(Identifier(name), SQL(column.rule))
        for name, column in table.columns.items()
        if column.rule in ("greatest", "least")
    ]
    then = SQL("update set {}").format(SQL(", ").join(moves)) if moves else SQL("nothing")
    return SQL("insert into {} as old select * from {} order by {} on conflict ({}) do {}").format(
        Identifier(table.name),
        Identifier(temporary(table)),
        names(table.key),
        names(table.key),
        then,
    )


@lru_cache
def empty(table: AnyTable) -> Composed:
    """Nothing is staged, touched or noted any longer."""
    return SQL("delete from {}").format(Identifier(temporary(table)))


@lru_cache
def append(table: Journal) -> Composed:
    """Staged lines into the journal."""
    return SQL("insert into {} select * from {}").format(
        Identifier(table.name), Identifier(temporary(table))
    )


@lru_cache
def note_touched(table: Derived) -> Composed:
    """The derived rows that a batch may change, as far as they can be seen now, each noted once."""
    return SQL(
        "insert into {0}"
        " select {1} from ({2}) as t where ({1}) is not null except select {1} from {0}"
    ).format(Identifier(temporary(table)), names(table.unit), trusted(table.touched))


@lru_cache
def remove_touched(table: Derived) -> Composed:
    """Derived rows that will be made anew."""
    return SQL("delete from {} where ({}) in (select {} from {})").format(
        Identifier(table.name),
        names(table.unit),
        names(table.unit),
        Identifier(temporary(table)),
    )


@lru_cache
def derive_touched(table: Derived) -> Composed:
    """The touched rows as the view has them now."""
    return SQL("insert into {} {}").format(
        Identifier(table.name), _touched_of(f"{table.name}_view", table.unit, temporary(table))
    )


def _touched_of(relation: str, columns: Sequence[str], touched: str) -> Composed:
    """The rows of a table or view that are touched, by an index, one value of `columns` at a time.

    `offset 0` keeps it so: the planner knows nothing of temporary tables, and may else read all of
    what a view reads for a few rows of it.
    """
    same = SQL(" and ").join(SQL("r.{0} = t.{0}").format(Identifier(c)) for c in columns)
    return SQL(
        "select r.* from (select {} from {}) as t"
        " cross join lateral (select * from {} as r where {} offset 0) as r"
    ).format(names(columns), Identifier(touched), Identifier(relation), same)


def _contribution(table: Rollup, source: Composable) -> Composed:
    return SQL("with source as ({}) {}").format(source, trusted(table.contribution))


def _changed_rows(table: Rollup) -> Composed:
    """The rows of a rollup's source that a batch changes, as they are now."""
    source = table.source
    if isinstance(source, Journal):
        return SQL("select * from {}").format(Identifier(temporary(source)))
    columns = source.unit if isinstance(source, Derived) else source.key
    return _touched_of(source.name, columns, temporary(source))


@lru_cache
def note_contribution(table: Rollup) -> Composed:
    """What the rows put into the rollup before they change."""
    return SQL("insert into {} {}").format(
        Identifier(temporary(table)), _contribution(table, _changed_rows(table))
    )


@lru_cache
def add_difference(table: Rollup) -> Composed:
    """What the rows put in now, less what they put in before."""
    columns = names((*table.key, *table.amounts))
    minus = SQL(", ").join(SQL("-{}").format(Identifier(a)) for a in table.amounts)
    sums = SQL(", ").join(SQL("sum({})").format(Identifier(a)) for a in table.amounts)
    adds = SQL(", ").join(
        SQL("{0} = old.{0} + excluded.{0}").format(Identifier(a)) for a in (*table.amounts, "lines")
    )
    return SQL(
        "insert into {table} as old ({columns}, lines)"
        " select {key}, {sums}, sum(lines) from ("
        " select {columns}, 1 as lines from ({now}) as n"
        " union all select {key}, {minus}, -1 from {before}"
        " ) as d group by {key} order by {key}"
        " on conflict ({key}) do update set {adds}"
    ).format(
        table=Identifier(table.name),
        columns=columns,
        key=names(table.key),
        sums=sums,
        now=_contribution(table, _changed_rows(table)),
        minus=minus,
        before=Identifier(temporary(table)),
        adds=adds,
    )


@lru_cache
def remove_empty(table: Rollup) -> Composed:
    """Rows into which nothing is put any longer."""
    return SQL("delete from {} where lines = 0 and ({}) in (select {} from {})").format(
        Identifier(table.name),
        names(table.key),
        names(table.key),
        Identifier(temporary(table)),
    )


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
