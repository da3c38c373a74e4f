"""Rows for a terminal of any width: side by side where they fit, else in several lines each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

GAP: Final = 3
LEAST: Final = 30
"""So many cells a column of sentences needs; in fewer they cannot be read."""
INDENT: Final = 4


class Column(NamedTuple):
    """A head, how its values are aligned, whether they may be broken, and their widths in cells."""

    head: str
    right: bool
    whole: bool
    width: int

    @property
    def least(self) -> int:
        """How narrow it may be."""
        return self.width if self.whole or self.right else min(self.width, LEAST)


class Rows:
    """A table without lines between its rows; `columns` are heads, marked as in `output.table`."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        self._rows = rows
        self._columns = [
            Column(
                head.lstrip(">="),
                head.startswith(">"),
                head.startswith("="),
                max(len(head.lstrip(">=")), *(row[index].cell_len for row in rows), 0),
            )
            for index, head in enumerate(columns)
        ]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Between what it needs at least and what it would like."""
        wanted = min(_total(c.width for c in self._columns), options.max_width)
        return Measurement(min(_total(c.least for c in self._columns), wanted), wanted)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One table, or lines: see the module."""
        if _total(column.least for column in self._columns) <= options.max_width:
            yield self._table()
        else:
            yield from self._lines(console, options.max_width)

    def _table(self) -> Table:
        made = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            header_style="dim",
            show_header=any(column.head for column in self._columns),
        )
        for column in self._columns:
            made.add_column(
                column.head,
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=column.whole,
                min_width=column.least,
            )
        for row in self._rows:
            made.add_row(*row)
        return made

    def _lines(self, console: Console, width: int) -> Iterator[Text]:
        """The first columns side by side, and below each row what else it says."""
        count = max(
            1,
            sum(
                _total(c.width for c in self._columns[:n]) <= width
                for n in range(1, len(self._columns) + 1)
            ),
        )
        beside, below = self._columns[:count], self._columns[count:]
        heads = [Text(column.head, "dim") for column in beside]
        yield _beside(beside, heads)
        yield Text("─" * min(width, _total(column.width for column in beside)), "dim")
        for row in self._rows:
            yield _beside(beside, row[:count])
            said = Text("  ·  ").join(_said(below, row[count:]))
            for line in said.wrap(console, width - INDENT) if said else ():
                line.rstrip()
                yield Text(" " * INDENT) + line


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)


def _beside(columns: Sequence[Column], cells: Sequence[Text]) -> Text:
    line = Text(" " * GAP).join(map(_aligned, columns, cells))
    line.rstrip()
    return line


def _aligned(column: Column, cell: Text) -> Text:
    padded = cell.copy()
    padded.align("right" if column.right else "left", max(column.width, cell.cell_len))
    return padded


def _said(columns: Sequence[Column], cells: Sequence[Text]) -> Iterator[Text]:
    """What there is to say, each with its head; a single column of sentences needs none."""
    speaks = len(columns) == 1 and columns[0].width >= LEAST
    for column, cell in zip(columns, cells, strict=True):
        if cell.plain not in {"", "–"}:
            head = "" if speaks else f"{column.head} "
            yield Text.assemble((head, "dim"), cell)
