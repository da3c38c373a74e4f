"""The statements of a flush, made from what the tables declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.engine.declare import AnyTable, Derived, Journal, Mirror, Rollup
from projections.engine.tables import names, trusted

IS_NEW: Final = "is_new"
"""Of changed rows: whether one is there now; what was there before is not."""
OLD, NEW = Identifier("old row"), Identifier("new row")


def beside(table: AnyTable) -> str:
    """The name of the rows that stand beside a table while a batch is taken in."""
    match table:
        case Mirror() | Journal():
            return f"staged_{table.name}"
        case Derived():
            return f"touched_{table.name}"
        case Rollup():
            return f"before_{table.name}"


def changed(table: Derived) -> str:
    """The name of a derived table's rows that changed: as they were, and as they are."""
    return f"changed_{table.name}"


def emptied(table: Rollup) -> str:
    """The name of the keys into which nothing is put any longer."""
    return f"emptied_{table.name}"


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
    return SQL(
        "insert into {} as old ({columns}) select {columns} from {} order by {key}"
        " on conflict ({key}) do {}"
    ).format(
        Identifier(table.name),
        staged,
        _update(moves),
        columns=names(table.columns),
        key=names(table.key),
    )


def _update(moves: Sequence[Composable]) -> Composable:
    return SQL("update set {}").format(SQL(", ").join(moves)) if moves else SQL("nothing")


def append(table: Journal, staged: Composable) -> Composed:
    """Staged lines into the journal."""
    return SQL("insert into {} ({columns}) select {columns} from {}").format(
        Identifier(table.name), staged, columns=names(table.columns)
    )


def touched(table: Derived, query: str) -> Composed:
    """The derived rows that are noted, and those of a query more, each once."""
    return SQL(
        "select {unit} from {} union"
        " select {unit} from ({}) as t ({unit}) where ({unit}) is not null"
    ).format(Identifier(beside(table)), trusted(query), unit=names(table.unit))


def each_once(table: Derived) -> Composed:
    """The derived rows that are noted, each once."""
    return SQL("select distinct {} from {}").format(names(table.unit), Identifier(beside(table)))


def changes(table: Derived) -> Composed:
    """The touched rows of which the table has others than the view, byte by byte, as `changes`."""
    return SQL(
        "changes as (select {old}, {new} from ({}) as {old} full join ({}) as {new} on {}"
        " where {old}.{first} is null or {new}.{first} is null or {old} *<> {new})"
    ).format(
        touched_of(table.name, table.unit, beside(table)),
        touched_of(f"{table.name}_view", table.unit, beside(table)),
        _same(table.key, OLD, NEW),
        old=OLD,
        new=NEW,
        first=Identifier(table.key[0]),
    )


def remove_gone(table: Derived) -> Composed:
    """Rows that the view has no longer."""
    return SQL("delete from {} as r using changes as c where {} is null and {}").format(
        Identifier(table.name),
        _column(NEW, table.key[0]),
        SQL(" and ").join(
            SQL("r.{} = {}").format(Identifier(name), _column(OLD, name)) for name in table.key
        ),
    )


def put_changed(table: Derived, columns: Sequence[str]) -> Composed:
    """Rows that the view has, and the table not, or others.

    They take the places of the old ones: where no indexed column changed, no index is written.
    """
    others = [name for name in columns if name not in table.key]
    return SQL(
        "insert into {} ({}) select {} from changes as c where {} is not null"
        " on conflict ({}) do {}"
    ).format(
        Identifier(table.name),
        names(columns),
        _columns(NEW, columns),
        _column(NEW, table.key[0]),
        names(table.key),
        _update([SQL("{0} = excluded.{0}").format(Identifier(name)) for name in others]),
    )


def changed_rows(table: Derived, columns: Sequence[str]) -> Composed:
    """The rows that changed in one of these columns: as they were, and as they are."""
    was, now = (SQL("{} is not null").format(_column(row, table.key[0])) for row in (OLD, NEW))
    return SQL(
        "select {}, false as {is_new} from changes as c where {was} and {differ}"
        " union all select {}, true from changes as c where {now} and {differ}"
    ).format(
        olds := _columns(OLD, columns),
        news := _columns(NEW, columns),
        is_new=Identifier(IS_NEW),
        was=was,
        now=now,
        differ=SQL("(not ({} and {}) or row({}) is distinct from row({}))").format(
            was, now, olds, news
        ),
    )


def _column(row: Identifier, name: str) -> Composed:
    return SQL("(c.{}).{}").format(row, Identifier(name))


def _columns(row: Identifier, columns: Iterable[str]) -> Composed:
    return SQL(", ").join(_column(row, name) for name in columns)


def _same(columns: Iterable[str], one: Identifier, other: Identifier) -> Composed:
    return SQL(" and ").join(
        SQL("{1}.{0} = {2}.{0}").format(Identifier(name), one, other) for name in columns
    )


def touched_of(relation: str, columns: Sequence[str], touched: str) -> Composed:
    """The rows of a table or view that are touched, by an index, one value of `columns` at a time.

    `offset 0` keeps it so: the planner does not know how many are touched, and may else read all of
    what a view reads for a few rows of it.
    """
    return SQL(
        "select r.* from (select {} from {}) as t"
        " cross join lateral (select * from {} as r where {} offset 0) as r"
    ).format(
        names(columns),
        Identifier(touched),
        Identifier(relation),
        _same(columns, Identifier("r"), Identifier("t")),
    )


def contributing(table: Rollup, columns: Iterable[str]) -> list[str]:
    """Which of its source's columns a rollup may read."""
    words = set(re.findall(r"\w+", table.contribution))
    return [name for name in columns if name in words]


def contribution(table: Rollup, source: Composable) -> Composed:
    """What rows of a rollup's source put into it."""
    return SQL("select * from (with source as ({}) {}) as c").format(
        source, trusted(table.contribution)
    )


def contribution_of_mirror(table: Rollup, source: Mirror) -> Composed:
    """What the rows of a mirror that a batch changes put into a rollup, as they are now."""
    return contribution(table, touched_of(source.name, source.key, beside(source)))


def differences(table: Rollup, columns: Sequence[str]) -> Composed:
    """What rows put in now, and less what they put in before."""
    source = table.source
    match source:
        case Journal():
            lines = contribution(
                table, SQL("select {} from {}").format(names(columns), Identifier(beside(source)))
            )
            return SQL("select c.*, 1 as lines from ({}) as c").format(lines)
        case Mirror():
            now = contribution_of_mirror(table, source)
            before = SQL("select * from {}").format(Identifier(beside(table)))
        case Derived():
            rows = SQL("select {} from {} where {}")
            rows = [
                rows.format(names(columns), Identifier(changed(source)), condition)
                for condition in (Identifier(IS_NEW), SQL("not {}").format(Identifier(IS_NEW)))
            ]
            now, before = (contribution(table, each) for each in rows)
    minus = SQL(", ").join(SQL("-{}").format(Identifier(a)) for a in table.amounts)
    return SQL(
        "select n.*, 1 as lines from ({}) as n union all select {}, {}, -1 from ({}) as b"
    ).format(now, names(table.key), minus, before)


def add(table: Rollup, rows: Composable) -> Composed:
    """Differences into a rollup, by its key."""
    sums = SQL(", ").join(SQL("sum({})").format(Identifier(a)) for a in table.amounts)
    adds = [
        SQL("{0} = old.{0} + excluded.{0}").format(Identifier(a)) for a in (*table.amounts, "lines")
    ]
    return SQL(
        "insert into {} as old ({}, lines) select {key}, {}, sum(lines) from ({}) as d"
        " group by {key} order by {key} on conflict ({key}) do {}"
    ).format(
        Identifier(table.name),
        names((*table.key, *table.amounts)),
        sums,
        rows,
        _update(adds),
        key=names(table.key),
    )


def remove_emptied(table: Rollup) -> Composed:
    """Rows into which nothing is put any longer."""
    return SQL("delete from {} where ({key}) in (select {key} from {})").format(
        Identifier(table.name), Identifier(emptied(table)), key=names(table.key)
    )
