"""The facts behind a figure: the rows that were added up or counted, the latest first, by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from kpi.declare import Balance, Figure, Rows, Sum
from kpi.evaluate import WINDOWS
from kpi.windows import Window
from ledger.errors import InvalidRequest
from projections.engine.registry import discover
from projections.engine.tables import AnyCursor, names, trusted
from projections.queries.listing import Page, bad_cursor, check_texts, decoded, encoded

HIDDEN: Final = ("fact_day", "n", "version", "seen_position")
"""Columns that put facts into an order, or only speak of our own books."""


class _Source(NamedTuple):
    """What a figure's facts are selected from, and the columns that put them into an order."""

    query: Composable
    order: tuple[str, ...]


def explain(
    cursor: AnyCursor,
    figure: Figure,
    window: Window,
    *,
    currency: str | None,
    limit: int,
    start: str | None = None,
) -> Page:
    """The facts behind a figure; `counted` is what each of them put in.

    The `counted` of all pages add up to the figure. A figure that is computed from others has no
    facts of its own: raises `InvalidRequest`, naming those.
    """
    source = _source(figure)
    last = None if start is None else decoded(start)
    if last is not None and len(last) != len(source.order):
        raise bad_cursor()
    query = _page(source, has_currency=currency is not None, is_first=last is None)
    given = {
        **dict(zip(source.order, last or (), strict=False)),
        "first": [window.first],
        "last": [window.last],
        "limit": limit + 1,
    }
    if currency is not None:
        given["currency"] = currency
    if last is not None:
        _check_cursor(cursor, query, given)
    found = cursor.execute(query, given).fetchall()
    return _cut(found, source.order, limit)


def _check_cursor(cursor: AnyCursor, query: Composed, given: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` where the values of a cursor are none of the columns' types.

    Without rows (`limit 0`) the database reads the values and computes nothing.
    """
    check_texts(given.values())
    try:
        cursor.execute(query, {**given, "limit": 0})
    except psycopg.DataError:
        raise bad_cursor() from None


def _source(figure: Figure) -> _Source:
    match figure.measure:
        case Sum(facts, _, each):
            within = "f.fact_day between w.first and w.last"
        case Balance(facts, _, each, opening):
            within = "f.fact_day < w.first" if opening else "f.fact_day <= w.last"
        case Rows() as rows:
            query = SQL("select q.*, 1 as counted from ({}) as q").format(trusted(rows.sql))
            return _Source(query, (*rows.key, "currency"))
        case _:
            parts = ", ".join(figure.parts)
            raise InvalidRequest(f"{figure.id} is computed from {parts}; explain those.")
    return _Source(
        SQL(
            "select f.*, ({each})::bigint as counted from windows as w"
            " join (select {day} as fact_day, {currency} * from {rows}) as f on {within}"
        ).format(
            each=trusted(each),
            day=trusted(facts.day),
            currency=SQL("" if facts.has_currency else "'' as currency,"),
            rows=Identifier(facts.rows),
            within=trusted(within),
        ),
        ("fact_day", *discover().tables[facts.rows].key),
    )


def _page(source: _Source, *, has_currency: bool, is_first: bool) -> Composed:
    conditions: list[Composable] = [SQL("counted <> 0")]
    if has_currency:
        conditions.append(SQL("currency = %(currency)s"))
    if not is_first:
        values = SQL(", ").join(map(Placeholder, source.order))
        conditions.append(SQL("({}) < ({})").format(names(source.order), values))
    return SQL("{}select * from ({}) as facts where {} order by {} limit %(limit)s").format(
        WINDOWS,
        source.query,
        SQL(" and ").join(conditions),
        SQL(", ").join(SQL("{} desc").format(Identifier(name)) for name in source.order),
    )


def _cut(found: list[dict[str, Any]], order: Sequence[str], limit: int) -> Page:
    following = encoded([found[limit - 1][name] for name in order]) if len(found) > limit else None
    for row in found:
        for name in HIDDEN:
            row.pop(name, None)
    return Page(found[:limit], following)
