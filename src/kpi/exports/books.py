"""What exports of the books share: months, what came late, own names, lines around entries."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import cache
from itertools import chain
from typing import Final, NamedTuple

from psycopg.rows import dict_row

from books.journal import Frame, Sums, frame
from books.names import Names, names
from kpi.exports.declare import Blocks, Column, Kind, Row, Selection, Source
from kpi.exports.plain_text import ACCOUNT, CLOSING, CURRENCY, NOTE, POSTING, Line
from projections.engine.tables import AnyCursor


class Around(NamedTuple):
    """What stands around entries, and what files call accounts: as the last month has it.

    Its sums are by the names of files: of accounts that are called the same, they are one.
    """

    frame: Frame
    opening: Sums
    closing: Sums
    moved: Sums
    late: Sums
    path: Callable[[str], str]


Entries = Callable[[AnyCursor, Selection, Around], AbstractContextManager[Iterator[list[Row]]]]
"""Opens the `POSTING` lines of these months, in blocks."""

LATE = "late"
OWN: Final = (
    Column("OwnCode", Kind.TEXT),
    Column("OwnName", Kind.TEXT),
    Column("OwnKind", Kind.TEXT),
)
"""What the shop's own chart of accounts has for an account in the month of the row."""


def framed(cursor: AnyCursor, selection: Selection) -> tuple[Frame, Names]:
    """The trial balances around what is asked for, and own names; raises InvalidWindow."""
    first, last = selection.window
    with cursor.connection.cursor(row_factory=dict_row) as asking:
        return frame(asking, first, last, selection.filters.get("currency")), names(asking)


def own_columns(found: Names, account: str, period: str) -> tuple[str | None, ...]:
    """The values of `OWN` for an account in a month."""
    own = found.of(account, period)
    return own.code, own.name, own.kind


def _around(cursor: AnyCursor, selection: Selection) -> Around:
    made, found = framed(cursor, selection)
    last = made.trials[-1].period

    @cache
    def path(account: str) -> str:
        return found.path(account, last)

    def by_path(sums: Sums) -> Sums:
        together: Sums = {}
        for (account, currency), minor in sums.items():
            key = (path(account), currency)
            together[key] = together.get(key, 0) + minor
        return together

    return Around(
        made,
        opening=by_path(made.opening),
        closing=by_path(made.closing),
        moved=by_path(made.moved),
        late=by_path(made.late),
        path=path,
    )


def plain_text(entries: Entries) -> Source:
    """Whole files of plain text accounting around these entries."""

    @contextmanager
    def opened(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
        around = _around(cursor, selection)
        with entries(cursor, selection, around) as blocks:
            yield filter(
                None, chain([_before(around, selection)], blocks, [_after(around, selection)])
            )

    return opened


def _before(around: Around, selection: Selection) -> list[Row]:
    """What is declared, and what accounts begin with."""
    first = selection.window.first
    touched = _touched(around)
    states = [
        f"{each.period} ({each.zone}): {each.state.replace('_', ' ')}"
        + ("" if each.version is None else f", version {each.version}")
        for each in around.frame.trials
    ]
    return [
        *(Line(NOTE, first, state) for state in states),
        *(Line(NOTE, first, called) for called in _called(around)),
        *(Line(CURRENCY, first, currency=each) for each in sorted({key[1] for key in touched})),
        *(Line(ACCOUNT, first, account=each) for each in sorted({key[0] for key in touched})),
        *_entries(first, f"Opening balances of {around.frame.months}", around.opening),
    ]


def _after(around: Around, selection: Selection) -> list[Row]:
    """What came late, and what accounts must come to."""
    last = selection.window.last
    closing = [
        Line(CLOSING, last, "", account, around.closing.get((account, currency), 0), currency)
        for account, currency in _touched(around)
    ]
    late = f"Learnt of after a close, {around.frame.months}"
    return [*_entries(last, late, around.late), *closing]


def _entries(day: date, name: str, sums: Sums) -> Iterator[Row]:
    """An entry a currency, by which accounts come to these sums."""
    for (account, currency), minor in sorted(sums.items(), key=lambda item: item[0][::-1]):
        yield Line(POSTING, day, f"{name} {currency}", account, minor, currency)


def _called(around: Around) -> list[str]:
    """Which accounts have other names in this file."""
    made = around.frame
    accounts = sorted({account for account, _ in (*made.opening, *made.moved, *made.closing)})
    return [f"{each} is {around.path(each)}" for each in accounts if around.path(each) != each]


def _touched(around: Around) -> list[tuple[str, str]]:
    return sorted({*around.opening, *around.moved, *around.closing})
