"""What a read model declares: its tables, the rule by which each column merges, its handlers.

Four kinds of table, in the order in which a batch of events reaches them:

    Mirror    one row an object; rows merge column by column, by rules that ignore arrival
    Journal   lines keyed by the position of the event that made them
    Derived   rows made from other tables by one SQL view, kept for the keys that were touched
    Rollup    sums by key, kept by the difference between a row before and after a batch

Merging is associative, so any stretch of the log folds into one row a key, and the rows of two
stretches fold again. `tests/laws` prove it for every projection that is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from ledger.domain.facts import AnyFact, Moment, leaves

Type = Literal["text", "bigint", "integer", "boolean", "timestamptz", "jsonb"]
Value = str | int | bool | datetime | None
Row = tuple[Any, ...]
Rule = Literal["key", "ranked", "newest", "named", "latest", "greatest", "least", "line"]


@dataclass(frozen=True)
class Column:
    """A column: its type, how two values of it merge, and whether it only speaks of our own books.

    A `bookkeeping` column (a position, a time of receipt) is left out of `digest --world`.
    """

    type: Type
    rule: Rule
    bookkeeping: bool = False


def key(kind: Type = "text") -> Column:
    """Part of the row's identity."""
    return Column(kind, "key")


def ranked(kind: Type) -> Column:
    """Follows the life cycle: the highest rank wins, then Stripe's time, then the event's id."""
    return Column(kind, "ranked")


def newest(kind: Type) -> Column:
    """A plain field: the newest report wins by Stripe's time, then rank, then the event's id."""
    return Column(kind, "newest")


def named(kind: Type) -> Column:
    """Like `newest`, but a report that does not name it leaves it; at most one in a mirror."""
    return Column(kind, "named")


def latest(kind: Type) -> Column:
    """Set by the shop's own actions, whose order in the log is their order in the world."""
    return Column(kind, "latest")


def known(kind: Type, *, bookkeeping: bool = False) -> Column:
    """Once known stays known; of two values the greater one stays, whichever came first."""
    return Column(kind, "greatest", bookkeeping)


def greatest(kind: Type, *, bookkeeping: bool = False) -> Column:
    """The greatest value that was ever reported."""
    return Column(kind, "greatest", bookkeeping)


def least(kind: Type, *, bookkeeping: bool = False) -> Column:
    """The least value that was ever reported."""
    return Column(kind, "least", bookkeeping)


def line(kind: Type, *, bookkeeping: bool = False) -> Column:
    """A column of a journal's lines, which never change."""
    return Column(kind, "line", bookkeeping)


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a read model. `indexes` are column lists, as `create index` takes them."""

    name: str
    columns: dict[str, Column]
    indexes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return tuple(name for name, column in self.columns.items() if column.rule == "key")

    def row(self, **values: Value) -> Row:
        """The values in the order of the columns, None where nothing is given."""
        assert values.keys() <= self.columns.keys(), values.keys() - self.columns.keys()
        return tuple(map(values.get, self.columns))


@dataclass(frozen=True)
class Group:
    """Columns that move together: those of the report whose `by` is the greater."""

    by: str
    start: int
    stop: int


# The column that carries a group, hidden among the declared ones.
CARRIERS: dict[Rule, tuple[str, Column]] = {
    "ranked": ("ranked_by", Column("text", "ranked")),
    "newest": ("newest_by", Column("text", "newest")),
    "named": ("named_by", Column("text", "named")),
    "latest": ("latest_by", Column("bigint", "latest", bookkeeping=True)),
}


class Mirror(Table):
    """One row an object. Its changes are reports, actions and mentions; see the three methods."""

    def __init__(self, name: str, *, indexes: tuple[str, ...] = (), **columns: Column) -> None:
        super().__init__(name, _laid_out(columns), indexes)
        names = list(self.columns)
        rules = [column.rule for column in self.columns.values()]
        self.key_length = rules.count("key")
        self.groups = [
            Group(by, names.index(by), names.index(by) + rules.count(rule))
            for rule, (by, _) in CARRIERS.items()
            if by in self.columns
        ]
        self.named = next((n for n, c in columns.items() if c.rule == "named"), None)
        self.greatest = [i for i, rule in enumerate(rules) if rule == "greatest"]
        self.least = [i for i, rule in enumerate(rules) if rule == "least"]

    def report(self, at: Moment, rank: int, **columns: Value) -> Change:
        """Stripe says how the object is: the columns that follow reports, where it is newer."""
        if "ranked_by" in self.columns:
            columns["ranked_by"] = at.ranked(rank)
        if "newest_by" in self.columns:
            columns["newest_by"] = at.newest(rank)
        if self.named is not None and columns[self.named] is not None:
            columns["named_by"] = at.newest(rank)
        return self, self.row(**columns)

    def action(self, at: Moment, **columns: Value) -> Change:
        """The shop did something: replaces all `latest` columns of earlier actions."""
        return self, self.row(latest_by=at.position, **columns)

    def mention(self, **columns: Value) -> Change:
        """Something else named the object: touches `known`, `greatest` and `least` columns only."""
        return self, self.row(**columns)

    def merge(self, row: list[Any], change: Row) -> None:
        """Merge a change (or another row of the same key) into a row, in place."""
        for group in self.groups:
            by = change[group.start]
            if by is not None and (row[group.start] is None or by > row[group.start]):
                row[group.start : group.stop] = change[group.start : group.stop]
        for i in self.greatest:
            value = change[i]
            if value is not None and (row[i] is None or value > row[i]):
                row[i] = value
        for i in self.least:
            value = change[i]
            if value is not None and (row[i] is None or value < row[i]):
                row[i] = value


def _laid_out(columns: dict[str, Column]) -> dict[str, Column]:
    """Key first, then each group behind its carrier, then the rest: groups are slices of a row."""
    laid = {name: column for name, column in columns.items() if column.rule == "key"}
    assert laid, "a mirror needs a key"
    for rule, (carrier, column) in CARRIERS.items():
        group = {name: c for name, c in columns.items() if c.rule == rule}
        if group:
            laid |= {carrier: column, **group}
    laid |= {name: c for name, c in columns.items() if c.rule in ("greatest", "least")}
    assert laid.keys() >= columns.keys(), "a mirror has no `line` columns"
    return laid


class Journal(Table):
    """Lines that never change, each keyed by its key columns and the position of its event."""

    def __init__(self, name: str, *, indexes: tuple[str, ...] = (), **columns: Column) -> None:
        position = {"position": Column("bigint", "key", bookkeeping=True)}
        super().__init__(name, columns | position, indexes)

    def line(self, at: Moment, **columns: Value) -> Change:
        """One line; lines of one event must differ in their key columns."""
        return self, self.row(position=at.position, **columns)


@dataclass(frozen=True, eq=False)
class Derived:
    """Rows made by a view, kept materialised.

    `view` is a select over tables of this and of read projections; it must give one row a key and
    be quick for one key. `touched` selects the keys of the rows that a batch may have changed,
    from the batch's staged changes (`staged_<table>` has the columns of the mirror or journal) and
    the keys of other derived rows (`touched_<table>`); it runs before the batch and after it.
    """

    name: str
    key: tuple[str, ...]
    view: str
    touched: str
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rollup:
    """Sums by key over the rows of one table (mirror, journal or derived) of the same projection.

    `contribution` selects, from a relation called `source`, the key columns and then bigint
    amounts, one row or none for each row of the source; amounts are added up by key.
    """

    name: str
    key: tuple[str, ...]
    amounts: tuple[str, ...]
    source: Mirror | Journal | Derived
    contribution: str
    indexes: tuple[str, ...] = ()


AnyTable = Mirror | Journal | Derived | Rollup
Change = tuple[Mirror | Journal, Row]
FactType = TypeVar("FactType")
Handler = Callable[[Any, Moment], Iterable[Change]]


@dataclass(frozen=True)
class Listing:
    """What `GET /<projection>` lists: rows of `table`, newest first by `sort` and the table's key.

    `filters` are columns that a caller may compare; `link` is the kind of object by which the
    `links` projection knows one row's history. `parts` are queries with the parameter `key`:
    the rows that `GET /<projection>/{key}` shows within the one, by the name that they have there.
    """

    table: Mirror | Derived | Rollup
    sort: str | None = None
    filters: tuple[str, ...] = ()
    link: str | None = None
    parts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, eq=False)
class Projection:
    """A read model: tables in the order in which they are written, and a handler a kind of fact.

    `reads` names the projections whose tables its derived rows and rollups read.
    """

    name: str
    tables: tuple[AnyTable, ...]
    reads: tuple[str, ...] = ()
    listing: Listing | None = None
    handlers: dict[type[AnyFact], Handler] = field(default_factory=dict[type[AnyFact], Handler])

    def handles(
        self, *facts: type[FactType]
    ) -> Callable[
        [Callable[[FactType, Moment], Iterable[Change]]],
        Callable[[FactType, Moment], Iterable[Change]],
    ]:
        """Register a handler for facts of these classes, or of the classes below them."""

        def register(
            handler: Callable[[FactType, Moment], Iterable[Change]],
        ) -> Callable[[FactType, Moment], Iterable[Change]]:
            for base in facts:
                for fact in leaves(base):  # pyright: ignore[reportArgumentType] - facts are AnyFact
                    assert fact not in self.handlers, f"{self.name} handles {fact.__name__} twice"
                    self.handlers[fact] = handler
            return handler

        return register
