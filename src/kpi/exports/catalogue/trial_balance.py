"""The trial balance of each month: what every account began with, moved by and came to."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from books.trial import READS
from kpi.exports.books import OWN, Around, framed, own_columns, plain_text
from kpi.exports.declare import Blocks, Column, Export, Kind, Row, Selection
from kpi.exports.plain_text import POSTING, Line
from projections.engine.tables import AnyCursor


@contextmanager
def _rows(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
    around, found = framed(cursor, selection)
    rows: list[Row] = [
        (
            each.period,
            balance.account,
            balance.opening_minor,
            balance.debit_minor,
            balance.credit_minor,
            balance.closing_minor,
            balance.late_minor,
            balance.currency,
            each.state,
            *own_columns(found, balance.account, each.period),
        )
        for each in around.trials
        for balance in each.balances
    ]
    size = selection.block_rows
    yield (rows[start : start + size] for start in range(0, len(rows), size))


@contextmanager
def _entries(
    _cursor: AnyCursor, selection: Selection, around: Around
) -> Generator[Iterator[list[Row]]]:
    """An entry a currency: what all of the months moved each account by."""
    last, name = selection.window.last, f"Movements of {around.frame.months}"
    moved = sorted(around.moved.items(), key=lambda item: item[0][::-1])
    lines: list[Row] = [
        Line(POSTING, last, f"{name} {currency}", account, minor, currency)
        for (account, currency), minor in moved
        if minor
    ]
    yield iter([lines])


export = Export(
    "trial_balance",
    "Trial balance of the books",
    "trial_balance",
    columns=(
        Column("Period", Kind.TEXT),
        Column("Account", Kind.TEXT),
        Column("Opening", Kind.DECIMAL),
        Column("Debit", Kind.DECIMAL),
        Column("Credit", Kind.DECIMAL),
        Column("Closing", Kind.DECIMAL),
        Column("Late", Kind.DECIMAL),
        Column("Currency", Kind.CURRENCY),
        Column("State", Kind.TEXT),
        *OWN,
    ),
    filters=("currency",),
    reads=READS,
    rows=_rows,
    about="What did each account begin with, move by and come to, in each of these months?",
    plain_text=plain_text(_entries),
)
