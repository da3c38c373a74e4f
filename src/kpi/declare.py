"""What a figure declares, and the catalogue of all figures: the contract about every number.

A figure is measured in one of five ways:

    Sum       what facts of the window's days add up to, kept by day in a rollup
    Balance   what all facts up to the window's end (or to its beginning) add up to
    Rows      how many rows a `.sql` file of this package finds in the window: a distinct count
    Total     other figures, added and subtracted
    Ratio     some figures over others, computed from the whole window, never from its days
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any, Final

import kpi.figures
from ledger.errors import UnknownFigure

CONTRACT_VERSION: Final = 4
"""Raised when a figure's meaning changes, so that a snapshot is compared with its own kind."""


class Unit(StrEnum):
    """What a value counts: minor units of its currency, things, units of stock, or per cent."""

    MONEY = "money"
    COUNT = "count"
    UNITS = "units"
    PERCENT = "percent"


class Kind(StrEnum):
    """How a window's value relates to its days'."""

    ADDITIVE = "additive"
    DISTINCT = "distinct"
    RATIO = "ratio"
    BALANCE = "balance"


@dataclass(frozen=True)
class Facts:
    """A table of facts, and the rollup that adds them up by day.

    `day` is the SQL of a fact's day. Facts without a currency are those of units.
    """

    projection: str
    rows: str
    daily: str
    day: str = "day"
    has_currency: bool = True


@dataclass(frozen=True)
class Sum:
    """The sum of a rollup's `column` over the window's days; `each` is one fact's part in SQL."""

    facts: Facts
    column: str
    each: str


@dataclass(frozen=True)
class Balance:
    """The sum of a rollup's `column` up to the window's last day, or before its first."""

    facts: Facts
    column: str
    each: str
    opening: bool = False


@dataclass(frozen=True)
class Rows:
    """How many rows `figures/<name>.sql` finds, by window and currency.

    The file's first line is its question; `-- reads:` names the projections whose tables it asks,
    `-- key:` the columns that name a row. It selects from `windows (n, first, last)` and answers
    `n`, the currency ('' where there is none), the key, and what else explains the row.
    """

    name: str

    @cached_property
    def sql(self) -> str:
        """The file's text."""
        file = files(kpi.figures) / f"{self.name}.sql"
        return file.read_text(encoding="utf-8")

    @property
    def question(self) -> str:
        """What the file asks, in words."""
        return self.sql.partition("\n")[0].removeprefix("-- ")

    @property
    def reads(self) -> tuple[str, ...]:
        """The projections whose tables it asks."""
        return self._head("reads")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row within a window and currency."""
        return self._head("key")

    def _head(self, name: str) -> tuple[str, ...]:
        found = re.search(rf"^-- {name}: (.+)$", self.sql, re.MULTILINE)
        assert found, f"{self.name}.sql does not say its {name}"
        return tuple(found[1].split())


@dataclass(frozen=True)
class Total:
    """The sum of some figures less the sum of others."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ratio:
    """The sum of `part` over the sum of `whole`, `times` so much; nothing where that sum is 0."""

    part: tuple[str, ...]
    whole: tuple[str, ...]
    times: int = 100


Measure = Sum | Balance | Rows | Total | Ratio


@dataclass(frozen=True)
class Clause:
    """A part of a rule that a figure follows, and where that rule is written."""

    says: str
    source: str


@dataclass(frozen=True)
class Figure:
    """A number that is shown or exported.

    `id` is its name everywhere, as a column of exports too. `formula` says in words how it is made,
    `dated_by` which time places its facts in a day, `since` in which contract it was first,
    `clauses` the rule that it follows. `uncounted_by` is the figure that says of how many things it
    leaves something out, because that is not known: it is told wherever this one is; `cure` is
    what a person does about what such a figure counts.
    """

    id: str
    label: str
    formula: str
    unit: Unit
    measure: Measure
    dated_by: str
    since: int = 1
    clauses: tuple[Clause, ...] = ()
    uncounted_by: str | None = None
    cure: str | None = None

    @property
    def kind(self) -> Kind:
        """How a window's value relates to its days': it follows from how it is measured."""
        match self.measure:
            case Sum():
                return Kind.ADDITIVE
            case Balance():
                return Kind.BALANCE
            case Rows():
                return Kind.DISTINCT
            case Ratio():
                return Kind.RATIO
            case Total(plus=parts):
                return figure(parts[0]).kind

    @property
    def has_currency(self) -> bool:
        """Whether there is one value a currency; else there is one for the whole shop."""
        match self.measure:
            case Sum(facts) | Balance(facts):
                return facts.has_currency
            case Rows():
                return "'' as currency" not in self.measure.sql
            case Total(plus=parts) | Ratio(part=parts):
                return figure(parts[0]).has_currency

    @property
    def parts(self) -> tuple[str, ...]:
        """The figures that it is computed from."""
        match self.measure:
            case Total(plus, minus):
                return plus + minus
            case Ratio(part, whole):
                return tuple(dict.fromkeys(part + whole))
            case _:
                return ()

    @property
    def facts(self) -> tuple[str, ...]:
        """The tables of facts that it is made of."""
        match self.measure:
            case Sum(facts) | Balance(facts):
                return (facts.rows,)
            case Rows() as rows:
                return rows.reads
            case Total() | Ratio():
                named = (name for part in self.parts for name in figure(part).facts)
                return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class Family:
    """Figures that belong together, under a title; families stand in the order of `place`.

    `rests_on` is a count to date without which all of them are zero, whatever Stripe shows: where
    it is none, people are not shown the family, and told so.
    """

    place: int
    title: str
    figures: tuple[Figure, ...]
    rests_on: str | None = None


@lru_cache
def families() -> tuple[Family, ...]:
    """All families: every module in `kpi.figures` declares one."""
    modules = pkgutil.iter_modules(kpi.figures.__path__)
    found = [importlib.import_module(f"kpi.figures.{module.name}").family for module in modules]
    return tuple(sorted(found, key=lambda family: family.place))


@lru_cache
def catalogue() -> dict[str, Figure]:
    """All figures by id, in the order in which they are told."""
    every = [figure for family in families() for figure in family.figures]
    found = {figure.id: figure for figure in every}
    assert len(found) == len(every), "two figures have one id"
    return found


def figure(name: str) -> Figure:
    """The figure of an id; raises `UnknownFigure`."""
    found = catalogue().get(name)
    if found is None:
        raise UnknownFigure(f"There is no figure {name[:100]!r}; `ledger kpi definitions` has all.")
    return found


def definition(figure: Figure) -> dict[str, Any]:
    """What a figure is, for programs."""
    return {
        "id": figure.id,
        "label": figure.label,
        "family": next(each.title for each in families() if figure in each.figures),
        "formula": figure.formula,
        "unit": figure.unit,
        "kind": figure.kind,
        "dated_by": figure.dated_by,
        "has_currency": figure.has_currency,
        "facts": list(figure.facts),
        "parts": list(figure.parts),
        "since": figure.since,
        "clauses": [{"says": each.says, "source": each.source} for each in figure.clauses],
        "uncounted_by": figure.uncounted_by,
        "cure": figure.cure,
    }


def with_parts(figures: Iterable[Figure]) -> list[Figure]:
    """These figures, all that they are computed from and what they leave out, parts first."""
    found: dict[str, Figure] = {}
    for each in figures:
        needed = (*each.parts, *filter(None, [each.uncounted_by]))
        for part in with_parts(map(figure, needed)):
            found[part.id] = part
        found[each.id] = each
    return list(found.values())


def projections_of(figures: Sequence[Figure]) -> list[str]:
    """The projections whose tables these figures are read from."""
    return list(dict.fromkeys(name for each in figures for name in _projections(each)))


def _projections(each: Figure) -> Iterator[str]:
    match each.measure:
        case Sum(facts) | Balance(facts):
            yield facts.projection
        case Rows() as rows:
            yield from rows.reads
        case Total() | Ratio():
            for part in each.parts:
                yield from _projections(figure(part))
