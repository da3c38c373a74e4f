"""What exports of the books share: months, what came late, and the lines around entries."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from itertools import chain

from psycopg.rows import dict_row

from books.journal import Frame, Sums, frame
from kpi.exports.declare import Blocks, Row, Selection, Source
from kpi.exports.plain_text import ACCOUNT, CLOSING, CURRENCY, NOTE, POSTING, Line
from projections.engine.tables import AnyCursor

Entries = Callable[[AnyCursor, Selection, Frame], AbstractContextManager[Iterator[list[Row]]]]
"""Opens the `POSTING` lines of these months, in blocks."""

LATE = "late"


def framed(cursor: AnyCursor, selection: Selection) -> Frame:
    """The trial balances around what is asked for; raises InvalidWindow for no whole months."""
    first, last = selection.window
    with cursor.connection.cursor(row_factory=dict_row) as asking:
        return frame(asking, first, last, selection.filters.get("currency"))


def plain_text(entries: Entries) -> Source:
    """Whole files of plain text accounting around these entries."""

    @contextmanager
    def opened(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
        around = framed(cursor, selection)
        with entries(cursor, selection, around) as blocks:
            yield filter(
                None, chain([_before(around, selection)], blocks, [_after(around, selection)])
            )

    return opened


def _before(around: Frame, selection: Selection) -> list[Row]:
    """What is declared, and what accounts begin with."""
    first = selection.window.first
    touched = _touched(around)
    states = [
        f"{each.period} ({each.zone}): {each.state}"
        + ("" if each.version is None else f", version {each.version}")
        for each in around.trials
    ]
    return [
        *(Line(NOTE, first, state) for state in states),
        *(Line(CURRENCY, first, currency=each) for each in sorted({key[1] for key in touched})),
        *(Line(ACCOUNT, first, account=each) for each in sorted({key[0] for key in touched})),
        *_entries(first, f"Opening balances of {around.months}", around.opening),
    ]


def _after(around: Frame, selection: Selection) -> list[Row]:
    """What came late, and what accounts must come to."""
    last = selection.window.last
    closing = [
        Line(CLOSING, last, "", account, around.closing.get((account, currency), 0), currency)
        for account, currency in _touched(around)
    ]
    late = f"Learnt of after a close, {around.months}"
    return [*_entries(last, late, around.late), *closing]


def _entries(day: date, name: str, sums: Sums) -> Iterator[Row]:
    """An entry a currency, by which accounts come to these sums."""
    for (account, currency), minor in sorted(sums.items(), key=lambda item: item[0][::-1]):
        yield Line(POSTING, day, f"{name} {currency}", account, minor, currency)


def _touched(around: Frame) -> list[tuple[str, str]]:
    return sorted({*around.opening, *around.moved, *around.closing})
