"""One flush as a PL/pgSQL function, made from what the tables declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, LiteralString

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Projection, Rollup
from projections.engine.tables import names, trusted

_LINE: Final = re.compile(r"PL/pgSQL function pg_temp\S* line (\d+) at ")


class FlushFunction:
    """The function's text; `staged`, its argument, names the temporary tables that have rows.

    Each temporary table has a variable that says so, and of what is empty nothing is asked. That of
    a derived table has another one: more of its rows are touched than could be seen before anything
    changed.
    """

    def __init__(self, projections: Iterable[Projection]) -> None:
        tables = [(p.name, table) for p in projections for table in p.tables]
        self._rollups = [table for _, table in tables if isinstance(table, Rollup)]
        self._derived = [table for _, table in tables if isinstance(table, Derived)]
        self._owners: list[tuple[int, str]] = []
        """Where the text of each step of a table begins, by line, and the table's projection."""
        variables = [_filled(table) for _, table in tables] + list(map(_late, self._derived))
        declared = [_text("{} boolean := false;", variable) for variable in variables]
        lines = ["", "#variable_conflict use_column", "declare", *declared, "begin"]
        for step in (self._staged, self._note_before, self._write, self._refresh, self._empty):
            for projection, table in tables:
                self._owners.append((len(lines) + 1, projection))
                lines += [line for text in step(table) for line in text.split("\n")]
        self.body: Final = "\n".join([*lines, "end"])

    def projection_at(self, context: str | None) -> str | None:
        """The projection in whose statement an error was raised, by the error's context."""
        found = _LINE.findall(context or "")
        owners = (
            name for start, name in reversed(self._owners) if found and start <= int(found[-1])
        )
        return next(owners, None)

    def _staged(self, table: AnyTable) -> Iterator[str]:
        """What the caller put where SQL can see it."""
        if isinstance(table, Mirror | Journal):
            yield _text("{} := {} = any(staged);", _filled(table), Literal(temporary(table)))

    def _note_before(self, table: AnyTable) -> Iterator[str]:
        """Before anything changes: which derived rows are touched, what mirrors put in rollups."""
        match table:
            case Derived():
                yield _if_any(
                    map(_variable, sorted(depends_on(table))), _fill(table, note_touched(table))
                )
            case Mirror():
                yield _if_any([_filled(table)], *self._note_contributions(table))
            case _:
                pass

    def _note_contributions(self, source: Mirror | Derived) -> Iterator[str]:
        for rollup in self._rollups:
            if rollup.source is source:
                yield _fill(rollup, note_contribution(rollup))

    def _write(self, table: AnyTable) -> Iterator[str]:
        """Merge mirrors, add lines."""
        if isinstance(table, Mirror | Journal):
            write = merge_mirror(table) if isinstance(table, Mirror) else append(table)
            yield _if_any([_filled(table)], _do(write))

    def _refresh(self, table: AnyTable) -> Iterator[str]:
        """Make touched derived rows again, and add to rollups what changed.

        What derived rows put into rollups is noted only now that all touched ones are known.
        """
        match table:
            case Derived():
                again = _if_any(
                    [_filled(table)],
                    _if_any([_late(table)], *self._note_neighbours(table)),
                    *self._note_contributions(table),
                    _do(remove_touched(table)),
                    _do(derive_touched(table)),
                )
                yield _if_any(_sources(table), _note_late(table), again)
            case Rollup():
                emptied = _if_any([_filled(table)], _do(remove_empty(table)))
                yield _if_any([_filled(table.source)], _do(add_difference(table)), emptied)
            case _:
                pass

    def _note_neighbours(self, table: Derived) -> Iterator[str]:
        """What the old rows say of which others are touched, while they are there.

        Before anything changed, those that are only touched by what changed could not be asked.
        """
        for each in self._derived:
            if temporary(table) in depends_on(each):
                yield _note_late(each)

    def _empty(self, table: AnyTable) -> Iterator[str]:
        """Leave the temporary tables as they were found."""
        yield _if_any([_filled(table)], _do(empty(table)))


def _filled(table: AnyTable) -> Identifier:
    """The variable that says whether a table's temporary one has rows."""
    return _variable(temporary(table))


def _variable(temporary_table: str) -> Identifier:
    return Identifier(f"{temporary_table} is filled")


def _sources(table: Derived) -> list[Identifier]:
    """The variables of the temporary tables from which touched rows are noted."""
    return [_variable(name) for name in sorted(depends_on(table))]


def _late(table: Derived) -> Identifier:
    return Identifier(f"{temporary(table)} is filled late")


def _text(template: LiteralString, *parts: Composable) -> str:
    return SQL(template).format(*parts).as_string()


def _do(statement: Composed) -> str:
    return _text("{};", statement)


def _if_any(variables: Iterable[Identifier], *then: str) -> str:
    """Statements for the case that one of these variables is true; nothing where there are none."""
    asked = SQL(" or ").join(variables).as_string()
    return "\n".join([f"if {asked} then", *then, "end if;"]) if asked and any(then) else ""


def _fill(table: AnyTable, statement: Composed) -> str:
    return _text("{0}; {1} := {1} or found;", statement, _filled(table))


def _note_late(table: Derived) -> str:
    """Note touched rows that were not seen before."""
    return _text(
        "{}; if found then {} := true; {} := true; end if;",
        note_touched(table),
        _filled(table),
        _late(table),
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
    """Derived rows that will be made again."""
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
