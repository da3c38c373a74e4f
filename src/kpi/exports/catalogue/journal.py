"""The journal of whole months: a row a posting, and what came late."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache

from books.journal import Frame
from books.names import Names
from books.trial import READS
from kpi.exports.books import LATE, OWN, Around, framed, own_columns, plain_text
from kpi.exports.declare import Blocks, Column, Export, Kind, Query, Row, Selection
from kpi.exports.plain_text import POSTING
from ledger.domain.period import Month
from projections.engine.tables import AnyCursor

FILTERS = ("currency",)
POSTINGS = Query("journal", FILTERS)


@contextmanager
def _rows(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
    around, found = framed(cursor, selection)
    with closing(_by_day(cursor, selection)) as blocks:
        yield _with_own(_with_late(blocks, selection, around), found)


def _by_day(cursor: AnyCursor, selection: Selection) -> Generator[Sequence[Row]]:
    """Postings a day at a time: none is waited for until all of a year are sorted."""
    for day in selection.window.each_day():
        with POSTINGS(cursor, selection._replace(window=day)) as blocks:
            yield from blocks


def _with_late(blocks: Blocks, selection: Selection, around: Frame) -> Blocks:
    yield from blocks
    last, entry, unknown = selection.window.last, f"{LATE} {around.months}", (None,) * 5
    late: list[Row] = [
        (last, entry, None, LATE, account, max(minor, 0), max(-minor, 0), currency, *unknown)
        for (account, currency), minor in around.late.items()
    ]
    if late:
        yield late


def _with_own(blocks: Blocks, found: Names) -> Blocks:
    @cache
    def own(account: str, year: int, number: int) -> tuple[str | None, ...]:
        return own_columns(found, account, str(Month(year, number)))

    for block in blocks:
        yield [(*row, *own(row[4], row[0].year, row[0].month)) for row in block]


@contextmanager
def _entries(
    cursor: AnyCursor, selection: Selection, around: Around
) -> Generator[Iterator[list[Row]]]:
    def line(row: Row) -> Row:
        day, entry, transaction_id, part, account, debit, credit, currency, category = row[:9]
        order_id = row[11]
        told = (transaction_id, category, part, order_id)
        return (POSTING, day, entry, around.path(account), debit - credit, currency, *told)

    with closing(_by_day(cursor, selection)) as blocks:
        yield (list(map(line, block)) for block in blocks)


export = Export(
    "journal",
    "Journal of the books",
    "journal",
    columns=(
        Column("Day", Kind.DAY),
        Column("EntryID", Kind.TEXT),
        Column("TransactionID", Kind.TEXT),
        Column("Part", Kind.TEXT),
        Column("Account", Kind.TEXT),
        Column("Debit", Kind.DECIMAL),
        Column("Credit", Kind.DECIMAL),
        Column("Currency", Kind.CURRENCY),
        Column("Category", Kind.TEXT),
        Column("Type", Kind.TEXT),
        Column("SourceID", Kind.TEXT),
        Column("OrderID", Kind.TEXT),
        Column("At", Kind.TIME),
        *OWN,
    ),
    filters=FILTERS,
    reads=(*READS, "transactions", "charges", "refunds", "disputes", "payments"),
    rows=_rows,
    about=POSTINGS.question,
    plain_text=plain_text(_entries),
)
