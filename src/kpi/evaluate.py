"""From facts to figures: all windows that are asked for at once, a statement a table of facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from psycopg.sql import SQL, Composed, Identifier

from kpi.declare import Balance, Facts, Figure, Ratio, Rows, Sum, Total, Unit, catalogue, with_parts
from kpi.windows import Window
from projections.engine.tables import AnyCursor, trusted

NO_CURRENCY: Final = ""

Value = int | Fraction | None
Values = dict[str, Value]
"""Values by figure: integers, a ratio's exact fraction, None for a ratio over zero."""
Evaluated = dict[str, Values]
"""Values by currency; those of figures without one stand under `NO_CURRENCY`."""

WINDOWS: Final = SQL(
    "with windows as materialized (select n::integer, first, last from"
    " unnest(%(first)s::date[], %(last)s::date[]) with ordinality as w (first, last, n)) "
)


def evaluate(
    cursor: AnyCursor, windows: Sequence[Window], figures: Iterable[Figure] | None = None
) -> list[Evaluated]:
    """The figures (all, if none are named) of each window, from the tables that `cursor` reads.

    A currency is there if any of these figures has facts in it in any of the windows; where it
    has none in a window the value is 0. Rows of the cursor are dicts.
    """
    wanted = with_parts(catalogue().values() if figures is None else figures)
    counted: list[dict[str, Values]] = [defaultdict(dict) for _ in windows]
    currencies = {NO_CURRENCY}
    asked = {"first": [w.first for w in windows], "last": [w.last for w in windows]}
    for statement in _statements(wanted):
        cursor.execute(statement, asked)
        for row in cursor.fetchall():
            n, currency = row.pop("n"), row.pop("currency")
            currencies.add(currency)
            counted[n - 1][currency] |= row
    return [
        {currency: _complete(found[currency], currency, wanted) for currency in sorted(currencies)}
        for found in counted
    ]


def currencies(cursor: AnyCursor, figures: Iterable[Figure] | None = None) -> list[str]:
    """The currencies in which these figures (all, if none are named) have facts on any day."""
    wanted = with_parts(catalogue().values() if figures is None else figures)
    rollups = {
        each.measure.facts.daily
        for each in wanted
        if isinstance(each.measure, Sum | Balance) and each.measure.facts.has_currency
    }
    found = set[str]()
    for rollup in sorted(rollups):
        cursor.execute(SQL("select distinct currency from {}").format(Identifier(rollup)))
        found |= {row["currency"] for row in cursor.fetchall()}
    return sorted(found)


def shown(figure: Figure, value: Value) -> int | Decimal | None:
    """A value for people: money and counts as integers, per cent with two decimals, half-even."""
    if value is None:
        return None
    return Decimal(round(value * 100)).scaleb(-2) if figure.unit is Unit.PERCENT else round(value)


def _complete(found: Mapping[str, Value], currency: str, wanted: Sequence[Figure]) -> Values:
    """Zeros for what found no facts, and what follows from other figures; parts come first."""
    values: Values = {}
    for figure in wanted:
        if figure.has_currency is (currency != NO_CURRENCY):
            values[figure.id] = _value(figure, found, values)
    return values


def _value(figure: Figure, found: Mapping[str, Value], values: Mapping[str, Value]) -> Value:
    match figure.measure:
        case Total(plus, minus):
            return _sum(values, plus) - _sum(values, minus)
        case Ratio(part, whole, times):
            divisor = _sum(values, whole)
            return Fraction(_sum(values, part) * times, divisor) if divisor else None
        case _:
            return found.get(figure.id) or 0


def _sum(values: Mapping[str, Value], names: Iterable[str]) -> int:
    return sum(value for name in names if isinstance(value := values[name], int))


def _statements(figures: Sequence[Figure]) -> Iterator[Composed]:
    """One statement for all sums of a rollup, one for its balances, and one for each `.sql` file.

    Each answers `n` (counted from 1), `currency`, and a column named as each of its figures.
    """
    groups = defaultdict[tuple[Facts, str], dict[str, str]](dict)
    for figure in figures:
        match figure.measure:
            case Sum(facts, column):
                groups[facts, "f.day between w.first and w.last"][figure.id] = column
            case Balance(facts, column, opening=opening):
                within = "f.day < w.first" if opening else "f.day <= w.last"
                groups[facts, within][figure.id] = column
            case Rows() as rows:
                yield _count(figure.id, rows)
            case Total() | Ratio():
                pass
    for (facts, within), columns in groups.items():
        yield _sums(facts, within, columns)


def _sums(facts: Facts, within: str, columns: Mapping[str, str]) -> Composed:
    sums = [
        SQL("sum({})::bigint as {}").format(trusted(column), Identifier(name))
        for name, column in columns.items()
    ]
    return SQL(
        "{}select w.n, {} as currency, {} from windows as w join {} as f on {} group by 1, 2"
    ).format(
        WINDOWS,
        trusted("f.currency" if facts.has_currency else "''"),
        SQL(", ").join(sums),
        Identifier(facts.daily),
        trusted(within),
    )


def _count(name: str, rows: Rows) -> Composed:
    return SQL("{}select n, currency, count(*) as {} from ({}) as found group by 1, 2").format(
        WINDOWS, Identifier(name), trusted(rows.sql)
    )
