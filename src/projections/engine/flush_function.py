"""One flush as a PL/pgSQL function, made from what the tables declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, LiteralString, NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Projection, Rollup
from projections.engine.registry import bases
from projections.engine.tables import names, trusted

_LINE: Final = re.compile(r"\bpg_temp\S*\D+(\d+)")
"""Where a message of PostgreSQL, in any language, says the line of a function of a session."""
_BESIDE: Final = re.compile(r"\b(?:staged|touched|before)_\w+")


class Beside(NamedTuple):
    """Rows that stand beside a table while a batch is taken in: an array a column, in variables.

    `types` are those of the columns, by name. Statements read the rows under the name `name`.
    """

    name: str
    types: Mapping[str, str]

    @property
    def arrays(self) -> list[Identifier]:
        """The variables, in the order of the columns."""
        return [Identifier(f"{self.name}.{i}") for i in range(len(self.types))]

    @property
    def is_filled(self) -> Identifier:
        """The variable that says whether there are rows."""
        return _is_filled(self.name)

    def as_relation(self) -> Composed:
        """The rows, for a statement's `with`."""
        return SQL("{} ({}) as not materialized (select * from unnest({}))").format(
            Identifier(self.name), names(self.types), SQL(", ").join(self.arrays)
        )

    def fill(self, rows: Composable) -> str:
        """A statement that puts rows with these columns in."""
        collected = [
            SQL("array_agg(t.{}::{})").format(Identifier(name), trusted(kind))
            for name, kind in self.types.items()
        ]
        return _text(
            "select {} into {} from ({}) as t; {} := cardinality({}) > 0;",
            SQL(", ").join(collected),
            SQL(", ").join(self.arrays),
            rows,
            self.is_filled,
            self.arrays[0],
        )


class FlushFunction:
    """The function's text; `staged`, its argument, has the rows of each mirror and journal.

    They come in the order of `bases`, each as JSON: an array of arrays, with texts for JSON
    columns; null for none. `types` has the types of all other tables' columns, by table and column.

    Of what has no rows beside it nothing is asked. What stands beside a derived table has a
    variable more: further rows of it are touched than could be seen before anything changed.
    """

    def __init__(
        self, projections: Iterable[Projection], types: Mapping[str, Mapping[str, str]]
    ) -> None:
        projections = tuple(projections)
        tables = [(p.name, table) for p in projections for table in p.tables]
        self.bases: Final = [table for each in projections for table in bases(each)]
        self._rollups = [table for _, table in tables if isinstance(table, Rollup)]
        self._derived = [table for _, table in tables if isinstance(table, Derived)]
        self._beside = {beside(t): _beside(t, types.get(t.name, {})) for _, t in tables}
        self._owners: list[tuple[int, str]] = []
        """Where the text of each step of a table begins, by line, and the table's projection."""
        lines = ["", "#variable_conflict use_column", "declare", *self._declared(), "begin"]
        for step in (self._staged, self._note_before, self._write, self._refresh):
            for projection, table in tables:
                self._owners.append((len(lines) + 1, projection))
                lines += [line for text in step(table) for line in text.split("\n")]
        self.body: Final = "\n".join([*lines, "end"])

    def _declared(self) -> Iterator[str]:
        yield "known integer;"
        for rows in self._beside.values():
            yield _text("{} boolean := false;", rows.is_filled)
            for array, kind in zip(rows.arrays, rows.types.values(), strict=True):
                yield _text("{} {}[];", array, trusted(kind))
        for table in self._derived:
            yield _text("{} boolean := false;", _late(table))

    def projection_at(self, context: str | None) -> str | None:
        """The projection in whose statement an error was raised, by the error's context."""
        found = _LINE.findall(context or "")
        owners = (
            name for start, name in reversed(self._owners) if found and start <= int(found[-1])
        )
        return next(owners, None)

    def _staged(self, table: AnyTable) -> Iterator[str]:
        """What the caller gave, as rows."""
        if isinstance(table, Mirror | Journal):
            given = _text("staged[{}]", Literal(self.bases.index(table) + 1))
            rows = self._beside[beside(table)]
            columns = [
                SQL("(e.value ->> {})::{} as {}").format(
                    Literal(i), trusted(kind), Identifier(name)
                )
                for i, (name, kind) in enumerate(rows.types.items())
            ]
            each = SQL("select {} from jsonb_array_elements({}::jsonb) as e").format(
                SQL(", ").join(columns), trusted(given)
            )
            yield f"if {given} is not null then\n{rows.fill(each)}\nend if;"

    def _note_before(self, table: AnyTable) -> Iterator[str]:
        """Before anything changes: which derived rows are touched, what mirrors put in rollups."""
        match table:
            case Derived():
                yield _if_any(_sources(table), self._note_touched(table))
            case Mirror():
                yield _if_any([_is_filled(beside(table))], *self._note_contributions(table))
            case _:
                pass

    def _note_contributions(self, source: Mirror | Derived) -> Iterator[str]:
        for rollup in self._rollups:
            if rollup.source is source:
                rows = self._reading(_contribution(rollup, _changed_rows(rollup)))
                yield self._beside[beside(rollup)].fill(rows)

    def _write(self, table: AnyTable) -> Iterator[str]:
        """Merge mirrors, add lines."""
        if isinstance(table, Mirror | Journal):
            rows = Identifier(beside(table))
            write = merge_mirror(table, rows) if isinstance(table, Mirror) else append(table, rows)
            yield _if_any([_is_filled(beside(table))], self._do(write))

    def _refresh(self, table: AnyTable) -> Iterator[str]:
        """Make touched derived rows again, and add to rollups what changed.

        What derived rows put into rollups is noted only now that all touched ones are known.
        """
        match table:
            case Derived():
                again = _if_any(
                    [_is_filled(beside(table))],
                    _if_any([_late(table)], *self._note_neighbours(table)),
                    *self._note_contributions(table),
                    self._do(remove_touched(table)),
                    self._do(derive_touched(table)),
                )
                yield _if_any(_sources(table), self._note_late(table), again)
            case Rollup():
                emptied = _if_any([_is_filled(beside(table))], self._do(remove_empty(table)))
                changed = [_is_filled(beside(table.source))]
                yield _if_any(changed, self._do(add_difference(table)), emptied)
            case _:
                pass

    def _note_neighbours(self, table: Derived) -> Iterator[str]:
        """What the old rows say of which others are touched, while they are there.

        Before anything changed, those that are only touched by what changed could not be asked.
        """
        for each in self._derived:
            if beside(table) in depends_on(each):
                yield self._note_late(each)

    def _note_touched(self, table: Derived) -> str:
        """Note the rows that a batch may change, as far as they can be seen now, each once."""
        return self._beside[beside(table)].fill(self._reading(touched(table)))

    def _note_late(self, table: Derived) -> str:
        """Note touched rows that were not seen before."""
        rows = self._beside[beside(table)]
        return _text(
            "known := cardinality({0}); {1}\nif cardinality({0}) > coalesce(known, 0) then"
            " {2} := true; end if;",
            rows.arrays[0],
            trusted(self._note_touched(table)),
            _late(table),
        )

    def _do(self, statement: Composed) -> str:
        return _text("{};", self._reading(statement))

    def _reading(self, statement: Composed) -> Composed:
        """A statement that sees what stands beside tables, as far as it names it."""
        named = dict.fromkeys(_BESIDE.findall(statement.as_string()))
        found = [self._beside[name].as_relation() for name in named if name in self._beside]
        return SQL("with {} {}").format(SQL(", ").join(found), statement) if found else statement


def beside(table: AnyTable) -> str:
    """The name of the rows that stand beside a table while a batch is taken in."""
    match table:
        case Mirror() | Journal():
            return f"staged_{table.name}"
        case Derived():
            return f"touched_{table.name}"
        case Rollup():
            return f"before_{table.name}"


def columns_beside(table: AnyTable) -> Sequence[str]:
    """The columns of the rows that stand beside a table."""
    match table:
        case Mirror() | Journal():
            return [*table.columns]
        case Derived():
            return table.unit
        case Rollup():
            return (*table.key, *table.amounts)


def _beside(table: AnyTable, types: Mapping[str, str]) -> Beside:
    if isinstance(table, Mirror | Journal):
        types = {name: column.type for name, column in table.columns.items()}
    return Beside(beside(table), {name: types[name] for name in columns_beside(table)})


def _is_filled(name: str) -> Identifier:
    return Identifier(f"{name} is filled")


def _late(table: Derived) -> Identifier:
    return Identifier(f"{beside(table)} is filled late")


def _sources(table: Derived) -> list[Identifier]:
    """The variables that say whether anything is there from which touched rows are noted."""
    return [_is_filled(name) for name in sorted(depends_on(table))]


def _text(template: LiteralString, *parts: Composable) -> str:
    return SQL(template).format(*parts).as_string()


def _if_any(variables: Iterable[Identifier], *then: str) -> str:
    """Statements for the case that one of these variables is true; nothing where there are none."""
    asked = SQL(" or ").join(variables).as_string()
    return "\n".join([f"if {asked} then", *then, "end if;"]) if asked and any(then) else ""


@lru_cache
def depends_on(table: Derived) -> set[str]:
    """The names of what its `touched` reads beside other tables."""
    return set(re.findall(r"\b(?:staged|touched)_\w+", table.touched))


def merge_mirror(table: Mirror, staged: Composable) -> Composed:
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
    return SQL(
        "insert into {} as old ({columns}) select {columns} from {} order by {key}"
        " on conflict ({key}) do {}"
    ).format(
        Identifier(table.name), staged, then, columns=names(table.columns), key=names(table.key)
    )


def append(table: Journal, staged: Composable) -> Composed:
    """Staged lines into the journal."""
    return SQL("insert into {} ({columns}) select {columns} from {}").format(
        Identifier(table.name), staged, columns=names(table.columns)
    )


@lru_cache
def touched(table: Derived) -> Composed:
    """The derived rows that a batch may change, as far as they can be seen now, each once."""
    return SQL(
        "select {1} from {0} union select {1} from ({2}) as t where ({1}) is not null"
    ).format(Identifier(beside(table)), names(table.unit), trusted(table.touched))


@lru_cache
def remove_touched(table: Derived) -> Composed:
    """Derived rows that will be made again."""
    return SQL("delete from {} where ({}) in (select {} from {})").format(
        Identifier(table.name),
        names(table.unit),
        names(table.unit),
        Identifier(beside(table)),
    )


@lru_cache
def derive_touched(table: Derived) -> Composed:
    """The touched rows as the view has them now."""
    return SQL("insert into {} {}").format(
        Identifier(table.name), _touched_of(f"{table.name}_view", table.unit, beside(table))
    )


def _touched_of(relation: str, columns: Sequence[str], touched: str) -> Composed:
    """The rows of a table or view that are touched, by an index, one value of `columns` at a time.

    `offset 0` keeps it so: the planner does not know how many are touched, and may else read all of
    what a view reads for a few rows of it.
    """
    same = SQL(" and ").join(SQL("r.{0} = t.{0}").format(Identifier(c)) for c in columns)
    return SQL(
        "select r.* from (select {} from {}) as t"
        " cross join lateral (select * from {} as r where {} offset 0) as r"
    ).format(names(columns), Identifier(touched), Identifier(relation), same)


def _contribution(table: Rollup, source: Composable) -> Composed:
    return SQL("select * from (with source as ({}) {}) as c").format(
        source, trusted(table.contribution)
    )


def _changed_rows(table: Rollup) -> Composed:
    """The rows of a rollup's source that a batch changes, as they are now."""
    source = table.source
    if isinstance(source, Journal):
        return SQL("select * from {}").format(Identifier(beside(source)))
    columns = source.unit if isinstance(source, Derived) else source.key
    return _touched_of(source.name, columns, beside(source))


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
        before=Identifier(beside(table)),
        adds=adds,
    )


@lru_cache
def remove_empty(table: Rollup) -> Composed:
    """Rows into which nothing is put any longer."""
    return SQL("delete from {} where lines = 0 and ({}) in (select {} from {})").format(
        Identifier(table.name),
        names(table.key),
        names(table.key),
        Identifier(beside(table)),
    )
