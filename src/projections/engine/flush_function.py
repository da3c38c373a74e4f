"""One flush as a PL/pgSQL function, made from what the tables declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, LiteralString, NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from projections.engine import flush_statements as statements
from projections.engine.branches import Branch, branches
from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Projection, Rollup
from projections.engine.flush_statements import beside, changed, emptied
from projections.engine.registry import bases
from projections.engine.tables import names, trusted

_LINE: Final = re.compile(r"\bflush_\w+\(text\[\]\)\D+(\d+)")
"""Where a message of PostgreSQL, in any language, says the line of the function."""
_WORD: Final = re.compile(r"\w+")


class Beside(NamedTuple):
    """Rows that stand beside a table while a batch is taken in: an array a column, in variables.

    `types` are those of the columns, by name. Statements read the rows under the name `name`.
    """

    name: str
    types: Mapping[str, str]

    @property
    def arrays(self) -> list[Identifier]:
        """The variables, in the order of the columns."""
        return [self.array(name) for name in self.types]

    def array(self, column: str) -> Identifier:
        """The variable of a column."""
        return Identifier(f"{self.name}.{[*self.types].index(column)}")

    @property
    def is_filled(self) -> Identifier:
        """The variable that says whether there are rows."""
        return _is_filled(self.name)

    def as_relation(self, words: set[str]) -> Composed:
        """The rows, for the `with` of a statement of these words: the columns among them.

        Each array that a statement is given costs it time, whether it reads it or not.
        """
        read = [name for name in self.types if name in words] or [*self.types][:1]
        return SQL("{} ({}) as not materialized (select * from unnest({}))").format(
            Identifier(self.name), names(read), SQL(", ").join(map(self.array, read))
        )

    def fill(self, rows: Composable) -> Composed:
        """A query that puts rows with these columns in."""
        collected = [
            SQL("array_agg(t.{}::{})").format(Identifier(name), trusted(kind))
            for name, kind in self.types.items()
        ]
        return SQL("select {} into {} from {} as t").format(
            SQL(", ").join(collected), SQL(", ").join(self.arrays), rows
        )

    @property
    def look(self) -> str:
        """A statement that finds out whether there are rows."""
        return _text("{} := cardinality({}) > 0;", self.is_filled, self.arrays[0])


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
        self._tables = {table.name: table for _, table in tables}
        self._types = types
        self._rollups = [table for _, table in tables if isinstance(table, Rollup)]
        self._derived = [table for _, table in tables if isinstance(table, Derived)]
        self._branches = {table: branches(table, self._tables) for table in self._derived}
        self._beside = {rows.name: rows for _, table in tables for rows in self._all_beside(table)}
        self._owners: list[tuple[int, str]] = []
        """Where the text of each step of a table begins, by line, and the table's projection."""
        lines = ["", "#variable_conflict use_column", "declare", *self._declared(), "begin"]
        for step in (self._staged, self._note_before, self._write, self._refresh):
            for projection, table in tables:
                self._owners.append((len(lines) + 1, projection))
                lines += [line for text in step(table) for line in text.split("\n")]
        self.body: Final = "\n".join([*lines, "end"])

    def _all_beside(self, table: AnyTable) -> Iterator[Beside]:
        types = self._types.get(table.name, {})
        if isinstance(table, Mirror | Journal):
            types = {name: column.type for name, column in table.columns.items()}
        yield Beside(beside(table), {name: types[name] for name in columns_beside(table)})
        if isinstance(table, Derived):
            seen = self._seen(table)
            if seen:
                yield Beside(
                    changed(table),
                    {name: types[name] for name in seen} | {statements.IS_NEW: "boolean"},
                )
        elif isinstance(table, Rollup):
            yield Beside(emptied(table), {name: types[name] for name in table.key})

    def _of_source(self, source: AnyTable) -> list[Rollup]:
        return [rollup for rollup in self._rollups if rollup.source is source]

    def _seen(self, table: Derived) -> list[str]:
        """The columns of a derived table that rollups read."""
        columns = self._types.get(table.name, {})
        read = [statements.contributing(rollup, columns) for rollup in self._of_source(table)]
        return [name for name in columns if any(name in names for names in read)]

    def _declared(self) -> Iterator[str]:
        yield "known integer;"
        for rows in self._beside.values():
            yield _text("{} boolean := false;", rows.is_filled)
            for array, kind in zip(rows.arrays, rows.types.values(), strict=True):
                yield _text("{} {}[];", array, trusted(kind))
        for table in self._derived:
            yield _text("{} boolean := false;", _late(beside(table)))

    def projection_at(self, context: str | None) -> str | None:
        """The projection in whose statement an error was raised, by the error's context."""
        found = _LINE.findall(context or "")
        owners = (
            name for start, name in reversed(self._owners) if found and start <= int(found[-1])
        )
        return next(owners, None)

    def _staged(self, table: AnyTable) -> Iterator[str]:
        """What the caller gave, as rows where others ask for them, and whether it gave any."""
        if isinstance(table, Mirror | Journal):
            rows = self._beside[beside(table)]
            given = self._given(table)
            if self._is_asked_for(table):
                filled = self._fill(rows, self._rows_given(table))
                yield _text("if {} is not null then\n{}\nend if;", given, trusted(filled))
            else:
                yield _text("{} := {} is not null;", rows.is_filled, given)

    def _given(self, table: Mirror | Journal) -> Composed:
        return SQL("staged[{}]").format(Literal(self.bases.index(table) + 1))

    def _rows_given(self, table: Mirror | Journal) -> Composed:
        columns = [
            SQL("(e.value ->> {})::{} as {}").format(
                Literal(i), trusted(column.type), Identifier(name)
            )
            for i, (name, column) in enumerate(table.columns.items())
        ]
        return SQL("(select {} from jsonb_array_elements({}::jsonb) as e)").format(
            SQL(", ").join(columns), self._given(table)
        )

    def _is_asked_for(self, table: Mirror | Journal) -> bool:
        """Whether anything but the table itself is made from its staged rows."""
        parts = [branch for parts in self._branches.values() for branch in parts]
        noted = any(beside(table) in branch.sources for branch in parts)
        return noted or bool(self._of_source(table))

    def _note_before(self, table: AnyTable) -> Iterator[str]:
        """Before anything changes: which derived rows are touched, what mirrors put in rollups."""
        match table:
            case Derived():
                noted = [
                    _if_any(map(_is_filled, branch.sources), self._note(table, branch))
                    for branch in self._joining(table)
                ]
                yield _if_any(self._sources(table), self._note_copies(table), *noted)
            case Mirror():
                for rollup in self._of_source(table):
                    rows = self._beside[beside(rollup)]
                    now = statements.contribution_of_mirror(rollup, table)
                    noting = self._fill(rows, SQL("({})").format(now))
                    yield _if_any([_is_filled(beside(table))], noting)
            case _:
                pass

    def _sources(self, table: Derived) -> list[Identifier]:
        """The variables that say whether anything is there from which touched rows are noted."""
        found = {name for branch in self._branches[table] for name in branch.sources}
        return [_is_filled(name) for name in sorted(found)]

    def _copied(self, table: Derived) -> list[Branch]:
        return [branch for branch in self._branches[table] if branch.copies]

    def _joining(self, table: Derived) -> list[Branch]:
        return [branch for branch in self._branches[table] if not branch.copies]

    def _note_copies(self, table: Derived) -> str:
        """Note the rows that columns of other rows beside tables name: that needs no query."""
        copied = self._copied(table)
        if not copied:
            return ""
        rows = self._beside[beside(table)]
        (array,) = rows.arrays
        more = [self._beside[b.sources[0]].array(str(b.copies)) for b in copied]
        joined = SQL(" || ").join([array, *more])
        each_once = self._fill(rows, SQL("({})").format(statements.each_once(table)))
        return "\n".join(
            [
                _text("{0} := array_remove({1}, null);", array, joined),
                rows.look,
                _text("if cardinality({}) > 1 then", array),
                each_once,
                "end if;",
            ]
        )

    def _note(self, table: Derived, branch: Branch) -> str:
        """Note the rows that a query names, as far as they can be seen now."""
        more = SQL("({})").format(statements.touched(table, branch.query))
        return self._fill(self._beside[beside(table)], more)

    def _write(self, table: AnyTable) -> Iterator[str]:
        """Merge mirrors, add lines."""
        if isinstance(table, Mirror | Journal):
            rows: Composable = Identifier(beside(table))
            if not self._is_asked_for(table):
                rows = SQL("{} as given").format(self._rows_given(table))
            write = (
                statements.merge_mirror(table, rows)
                if isinstance(table, Mirror)
                else statements.append(table, rows)
            )
            yield _if_any([_is_filled(beside(table))], self._do(write))

    def _refresh(self, table: AnyTable) -> Iterator[str]:
        """Make touched derived rows again, and add to rollups what changed."""
        match table:
            case Derived():
                again = _if_any(
                    [_is_filled(beside(table))],
                    _if_any([_late(beside(table))], *self._note_neighbours(table)),
                    self._make_again(table),
                )
                yield _if_any(self._sources(table), self._note_late(table), again)
            case Rollup():
                source = table.source
                rows = changed(source) if isinstance(source, Derived) else beside(source)
                yield _if_any([_is_filled(rows)], *self._roll_up(table))
            case _:
                pass

    def _note_late(self, table: Derived) -> str:
        """Note touched rows that could not be seen before.

        A column that is copied says what it said before unless its source has more; a query says
        something else where a table that it reads has changed, too.
        """
        sources = [name for branch in self._copied(table) for name in branch.sources]
        notes = [_if_any(map(_late, self._derived_among(sources)), self._note_copies(table))]
        for branch in self._joining(table):
            conditions: list[Composable] = [*map(_late, self._derived_among(branch.sources))]
            filled = SQL(" or ").join(map(_is_filled, branch.sources))
            read = SQL(" or ").join(map(self._may_have_changed, branch.reads))
            if branch.reads:
                conditions.append(SQL("({}) and ({})").format(filled, read))
            notes.append(_if_any(conditions, self._note(table, branch)))
        return self._noting_late(table, notes)

    def _derived_among(self, sources: Iterable[str]) -> list[str]:
        """Those of these that may grow after the first note."""
        return [name for name in sources if name.startswith("touched_")]

    def _may_have_changed(self, name: str) -> Identifier:
        """The variable that says whether a batch may have changed rows of a table."""
        table = self._tables[name]
        return _is_filled(beside(table.source if isinstance(table, Rollup) else table))

    def _note_neighbours(self, table: Derived) -> Iterator[str]:
        """What the old rows say of which others are touched, while they are there.

        Before anything changed, those that are only touched by what changed could not be asked.
        """
        for each in self._derived:
            notes = [
                self._note(each, branch)
                for branch in self._joining(each)
                if beside(table) in branch.sources
            ]
            yield self._noting_late(each, notes)

    def _noting_late(self, table: Derived, notes: Sequence[str]) -> str:
        """Note more touched rows of a table, and whether there were any."""
        if not any(notes):
            return ""
        array = self._beside[beside(table)].arrays[0]
        return "\n".join(
            [
                _text("known := cardinality({});", array),
                *filter(None, notes),
                _text(
                    "if cardinality({0}) > coalesce(known, 0) then {1} := true; end if;",
                    array,
                    _late(beside(table)),
                ),
            ]
        )

    def _make_again(self, table: Derived) -> str:
        """Bring touched rows to what the view says, and note what of it rollups see."""
        columns = [*self._types[table.name]]
        changes = statements.changes(table)
        gone = SQL("gone as ({})").format(statements.remove_gone(table))
        put = statements.put_changed(table, columns)
        seen = self._beside.get(changed(table))
        if seen is None:
            return self._do(put, changes, gone)
        rows = statements.changed_rows(table, self._seen(table))
        return self._fill(
            seen, SQL("({})").format(rows), changes, gone, SQL("put as ({})").format(put)
        )

    def _roll_up(self, table: Rollup) -> Iterator[str]:
        """Add to a rollup what changed of its source, and remove rows of which nothing is left."""
        source = table.source
        columns = (
            self._seen(source)
            if isinstance(source, Derived)
            else statements.contributing(table, source.columns)
        )
        adding = statements.add(table, statements.differences(table, columns))
        if isinstance(source, Journal):
            yield self._do(adding)
            return
        none_left = self._beside[emptied(table)]
        added = SQL("added as ({} returning {}, lines)").format(
            adding, SQL(", ").join(SQL("old.{}").format(Identifier(name)) for name in table.key)
        )
        yield self._fill(none_left, SQL("(select * from added where lines = 0)"), added)
        yield _if_any([none_left.is_filled], self._do(statements.remove_emptied(table)))

    def _fill(self, rows: Beside, query: Composable, *parts: Composable) -> str:
        """Statements that put what a query says into rows beside a table."""
        return "\n".join([self._do(rows.fill(query), *parts), rows.look])

    def _do(self, statement: Composed, *parts: Composable) -> str:
        """A statement that sees these parts, and what of that beside tables it names."""
        words = {w for each in (statement, *parts) for w in _WORD.findall(each.as_string())}
        read = [rows.as_relation(words) for name, rows in self._beside.items() if name in words]
        seen = [*read, *parts]
        if seen:
            statement = SQL("with {} {}").format(SQL(", ").join(seen), statement)
        return _text("{};", statement)


def columns_beside(table: AnyTable) -> Sequence[str]:
    """The columns of the rows that stand beside a table."""
    match table:
        case Mirror() | Journal():
            return [*table.columns]
        case Derived():
            return table.unit
        case Rollup():
            return (*table.key, *table.amounts)


def _is_filled(name: str) -> Identifier:
    return Identifier(f"{name} is filled")


def _late(name: str) -> Identifier:
    return Identifier(f"{name} is filled late")


def _text(template: LiteralString, *parts: Composable) -> str:
    return SQL(template).format(*parts).as_string()


def _if_any(conditions: Iterable[Composable], *then: str) -> str:
    """Statements for the case that one of these conditions is true; nothing if there are none."""
    asked = SQL(" or ").join(conditions).as_string()
    done = [text for text in then if text]
    return "\n".join([f"if {asked} then", *done, "end if;"]) if asked and done else ""
