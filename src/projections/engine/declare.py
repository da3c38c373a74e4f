"""What a read model declares: its tables, the rule by which each column merges, its handlers.

Four kinds of table, in the order in which a batch of events reaches them:

    Mirror    one row an object; rows merge column by column, by rules that ignore arrival
    Journal   lines keyed by the position of the event that made them
    Derived   rows made from other tables by one SQL view, kept for the keys that were touched
    Rollup    sums by key, kept by the difference between a row before and after a batch

Merging is associative, so any part of the log folds into one row a key, and the rows of two
parts fold again. `tests/laws` prove it for every projection that is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from api.permissions import Permission
from ledger.domain.facts import AnyFact, EventContext, Fact, StatefulFact, leaves
from projections.engine.row import Part, inferred
from projections.engine.row import Row as Shown

Type = Literal["text", "bigint", "boolean", "timestamptz", "jsonb"]
"""No `integer`: psycopg's binary COPY cuts a number that does not fit into one, in silence."""

Row = tuple[Any, ...]
Change = tuple["Mirror | Journal", Row]
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


def as_json(value: Any) -> str | None:
    """What a column of jsonb takes of a value."""
    return None if value is None else msgspec.json.encode(value, order="sorted").decode()


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

    @cached_property
    def key_length(self) -> int:
        """How many columns the key has; a row begins with them."""
        return len(self.key)


class Group(NamedTuple):
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


_HIDDEN: Final = frozenset(by for by, _ in CARRIERS.values())

Merger = Callable[[list[Any], Row], None]
"""Merges a change, or another row of the same key, into a row, in place."""

Maker = Callable[..., Change]
"""Makes a change of a table from its columns, by name; a column that is not given is None."""


REPORTED: Final = ("ranked", "newest", "named")
"""The rules of columns that reports alone set: they go by what a report carries."""
MENTIONED: Final = ("greatest", "least")
"""The rules of columns that anything may set, at any time."""


def _maker(
    table: Table, name: str, arguments: str, carriers: dict[str, str], rules: Iterable[Rule]
) -> Maker:
    """Compile `table, (its columns in their order)`, as `namedtuple` does, for the rebuild's speed.

    `carriers` says how hidden columns follow from the positional arguments, as expressions. Only
    columns with one of the `rules` are taken: what else is given is refused, and not lost.
    """
    hidden = _HIDDEN | carriers.keys()
    taken = {n: c for n, c in table.columns.items() if n not in hidden}
    taken = {n: c for n, c in taken.items() if c.rule == "key" or c.rule in rules}
    named = [n if c.rule == "key" else f"{n}=None" for n, c in taken.items()]
    values = [carriers.get(n, n if n in taken else "None") for n in table.columns]
    refuse = partial(_refusal, table, name, taken)
    made = _making(table, f"{arguments} *, {', '.join(named)}, **_wrong", values, refuse)
    made.__qualname__ = f"{table.name}.{name}"  # so that Python's own refusals name the table
    return made


def _making(
    table: Table,
    arguments: str,
    values: Iterable[str],
    refuse: Callable[[Iterable[str]], TypeError] | None = None,
) -> Maker:
    refusing = "if _wrong: raise _refuse(_wrong)\n " if refuse else ""
    source = f"def make({arguments}):\n {refusing}return _table, ({', '.join(values)},)"
    return _compiled(source, "make", {"_table": table, "_refuse": refuse})


def _refusal(table: Table, name: str, taken: Iterable[str], wrong: Iterable[str]) -> TypeError:
    """That a handler gave a change what it does not take, and which kind of change does."""
    told: list[str] = []
    for each in wrong:
        column = table.columns.get(each)
        if column is None or each in _HIDDEN:
            told.append(f"the table has no column {each!r}")
        else:
            by = "a report" if column.rule in REPORTED else "an action"
            told.append(f"{each!r} is a `{column.rule}` column, which {by} sets")
    return TypeError(
        f"{table.name}.{name}: {'; '.join(told)}. It takes {', '.join(taken)} (by name)."
    )


def _compiled(source: str, name: str, scope: dict[str, Any]) -> Any:
    exec(source, scope)  # noqa: S102 - the names in it are those of our own declarations
    return scope[name]


class Mirror(Table):
    """One row an object.

    A handler answers with changes of three kinds, each made from columns by name:
    `report(at, rank, …)`: Stripe says how the object is: the columns that follow reports;
    `report_of(fact, at, …)`: the same, of a fact: columns named like its fields fill themselves;
    `action(at, …)`: the shop did something: replaces all `latest` columns of earlier actions;
    `mention(…)`: something else named the object: `known`, `greatest` and `least` columns only.
    """

    def __init__(self, name: str, /, *, indexes: tuple[str, ...] = (), **columns: Column) -> None:
        super().__init__(name, _laid_out(columns), indexes)
        names = list(self.columns)
        rules = [column.rule for column in self.columns.values()]
        self.groups = [
            Group(by, names.index(by), names.index(by) + rules.count(rule))
            for rule, (by, _) in CARRIERS.items()
            if by in self.columns
        ]
        greatest = [i for i, rule in enumerate(rules) if rule == "greatest"]
        least = [i for i, rule in enumerate(rules) if rule == "least"]
        self.merge = _merger(self.groups, greatest, least)
        self._of: dict[tuple[Any, ...], Maker] = {}
        reported = (*REPORTED, *MENTIONED)
        self.report = _maker(self, "report", "_at, _rank, /,", self._carriers({}), reported)
        acted = ("latest", *MENTIONED)
        self.action = _maker(self, "action", "_at, /,", {"latest_by": "_at.position"}, acted)
        self.mention = _maker(self, "mention", "", {}, MENTIONED)

    def report_of(self, fact: Fact, at: EventContext, /, **given: Any) -> Change:
        """A report of an object; what is not given, the fact says, or the event."""
        asked = (type(fact), *given)
        maker = self._of.get(asked)
        if maker is None:
            maker = self._of[asked] = self._maker_of(type(fact), tuple(given))
        rank = fact.state.rank if isinstance(fact, StatefulFact) else 0
        return maker(at, rank, fact, **given)

    def _maker_of(self, kind: type[Fact], given: tuple[str, ...]) -> Maker:
        if wrong := [name for name in given if name not in self.columns or name in _HIDDEN]:
            shown = [name for name in self.columns if name not in _HIDDEN]
            raise _refusal(self, "report_of", shown, wrong)
        says = {name: f"_fact.{name}" for name in self.columns if hasattr(kind, name)}
        says |= {"state": "_fact.state_name", "account": "_at.account"}
        says |= {name: name for name in given}
        says |= self._carriers(says)
        values = [says.get(name, "None") for name in self.columns]
        return _making(
            self, ", ".join(["_at", "_rank", "_fact", "/", *"*"[: len(given)], *given]), values
        )

    def _carriers(self, says: Mapping[str, str]) -> dict[str, str]:
        """How a report's hidden columns follow from it, as expressions."""
        named = next(
            (name for name, c in self.columns.items() if c.rule == "named" and name not in _HIDDEN),
            "",
        )
        return {
            "ranked_by": "_at.ranked(_rank)",
            "newest_by": "_at.newest(_rank)",
            "named_by": f"None if {says.get(named, named)} is None else _at.newest(_rank)",
        }


def _merger(groups: Sequence[Group], greatest: Sequence[int], least: Sequence[int]) -> Merger:
    """Compile the rules of a mirror's columns: `merge(row, change)` changes the row in place."""
    lines = ["def merge(row, change):"]
    for _, start, stop in groups:
        lines.append(f" if {_moves(start, '>')}: row[{start}:{stop}] = change[{start}:{stop}]")
    for rule, columns in ((">", greatest), ("<", least)):
        lines += [f" if {_moves(i, rule)}: row[{i}] = change[{i}]" for i in columns]
    return _compiled("\n".join([*lines, " return"]), "merge", {})


def _moves(i: int, than: str) -> str:
    """That a change knows a column, and the row does not or has to give way."""
    return f"change[{i}] is not None and (row[{i}] is None or change[{i}] {than} row[{i}])"


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
    """Lines that never change, each keyed by its key columns and the position of its event.

    `line(at, …)` makes one, from columns by name; what an event says twice is one line.
    """

    def __init__(self, name: str, /, *, indexes: tuple[str, ...] = (), **columns: Column) -> None:
        key = {name: column for name, column in columns.items() if column.rule == "key"}
        position = {"position": Column("bigint", "key", bookkeeping=True)}
        super().__init__(name, key | position | columns, indexes)
        self.line = _maker(self, "line", "_at, /,", {"position": "_at.position"}, ("line",))

    def merge(self, row: list[Any], change: Row) -> None:
        """Nothing: two lines of one key are the same line."""
        assert row == list(change), f"two lines of {self.name} have the key {self.key}"


@dataclass(frozen=True, eq=False)
class Derived:
    """Rows made by a view, kept materialised.

    `view` is a select over tables of this and of read projections; it must give one row a key. Rows
    are made together for one value of `by`, the first columns of the key (all of it where not
    given): the view must be quick for one. `touched` selects these columns for the rows that a
    batch may have changed, from the batch's staged changes (`staged_<table>` has the columns of the
    mirror or journal) and what it touched of other derived rows (`touched_<table>` has the columns
    of their `by`); it runs before the batch and after it.
    """

    name: str
    key: tuple[str, ...]
    view: str
    touched: str
    by: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.key[: len(self.by)] == self.by, f"{self.name}.by: not the key's first columns"

    @property
    def unit(self) -> tuple[str, ...]:
        """The columns for one value of which rows are made together."""
        return self.by or self.key


@dataclass(frozen=True, eq=False)
class Rollup:
    """Sums by key over the rows of one table, of its own projection or of one that that reads.

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
FROM_STRIPE: Final = (
    "Stripe reports them: point its webhook at this service, run `ledger backfill`, or take in the"
    " whole account with `ledger stripe pull`."
)
"""What fills a list of objects of Stripe's."""
FactType = TypeVar("FactType")
Handler = Callable[[Any, EventContext], Iterable[Change]]


@dataclass(frozen=True)
class Listing:
    """What `GET /<projection>` lists: rows of `table`, newest first by `sort`, else by their key.

    `row` says which columns are shown, and what they are; a table that knows the types of its
    columns can do without. The key is one column. `filters` are columns that a caller may compare,
    `sorts` those by which he may sort besides `sort` and the key: they are never null, and each has
    an index with the key behind it. `link` is the kind of object by which the `links` projection
    knows one row's history. Where a row rests on other objects too, `rests_on` is a query for
    their `kind` and `id`, with the parameters `id`, `since` and `upto`: those that mattered to the
    row just before position `since`, or anywhere from there up to `upto`.

    `noun` is what one row is called, `filled_by` says in whole sentences what would fill the list:
    an empty one tells it.

    `told` are columns that a person looks for in a terminal, besides key, states, amounts, time and
    filters.

    `by_calls` says that events do not bring all of it: a list says what is missing where Stripe was
    not asked.

    `parts` are queries with the parameter `id`: rows that
    `GET /<projection>/{id}` shows within the one, by the name that they have there. `pages` are
    queries with `id`, whose rows have a `position`: what `GET /<projection>/{id}/<page>` lists, the
    latest position first, by spans of each time of their rows.

    `permission` says who may see its rows, `past` who may see their histories. A customer who may
    see rows sees those where the column `owner` holds his id. `path` is the list's, where that is
    not the projection's name.
    """

    table: Mirror | Derived | Rollup
    row: type[Shown] | None = None
    noun: str = "row"
    filled_by: str = ""
    sort: str | None = None
    sorts: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    by_calls: bool = False
    link: str | None = None
    rests_on: str | None = None
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    pages: dict[str, Part] = field(default_factory=dict[str, Part])
    permission: Permission = Permission.SEE_RECORDS
    past: Permission = Permission.SEE_RECORDS
    owner: str | None = None
    path: str | None = None

    @cached_property
    def shown(self) -> type[Shown]:
        """The row as it is declared, or as the table's columns say."""
        return self.row or _row_of(self.table)

    @property
    def key(self) -> str:
        """The column that names a row."""
        name, *others = self.table.key
        assert not others, f"{self.table.name}: a list needs a key of one column"
        return name

    @property
    def nouns(self) -> str:
        """What several rows are called."""
        return f"{self.noun}es" if self.noun.endswith("sh") else f"{self.noun}s"

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns by which the list may be sorted, the usual one first."""
        return (*filter(None, [self.sort]), *self.sorts, self.key)


def _row_of(table: Mirror | Derived | Rollup) -> type[Shown]:
    match table:
        case Mirror():
            carriers = {carrier for carrier, _ in CARRIERS.values()}
            columns = {n: c.type for n, c in table.columns.items() if n not in carriers}
            return inferred(table.name, columns, table.key)
        case Rollup():
            amounts = (*table.amounts, "lines")
            kinds = dict.fromkeys(table.key, "text") | dict.fromkeys(amounts, "bigint")
            return inferred(table.name, kinds, kinds)
        case Derived():
            raise AssertionError(f"{table.name} is made by a view: its listing says what it shows")


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
        [Callable[[FactType, EventContext], Iterable[Change]]],
        Callable[[FactType, EventContext], Iterable[Change]],
    ]:
        """Register a handler for facts of these classes, or of the classes below them."""

        def register(
            handler: Callable[[FactType, EventContext], Iterable[Change]],
        ) -> Callable[[FactType, EventContext], Iterable[Change]]:
            for base in facts:
                for fact in leaves(base):  # pyright: ignore[reportArgumentType] - facts are AnyFact
                    assert fact not in self.handlers, f"{self.name} handles {fact.__name__} twice"
                    self.handlers[fact] = handler
            return handler

        return register
