"""What an export declares, and the catalogue of all exports: the contract about every column."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from importlib.resources import files
from typing import Any, Final, NamedTuple

from psycopg.rows import tuple_row

import kpi.exports.catalogue
from kpi.windows import Window
from ledger.errors import UnknownExport
from projections.engine.tables import AnyCursor, trusted

Row = tuple[Any, ...]


class Kind(StrEnum):
    """What the values of a column are, and how a query answers them.

    A `decimal` is money in major units, as many digits behind the point as the row's currency has;
    a query answers it in minor units. None where there is no value.
    """

    TEXT = "text"
    CURRENCY = "currency"
    COUNT = "count"
    DECIMAL = "decimal"
    MINOR = "minor"
    PERCENT = "percent"
    TIME = "time"
    DAY = "day"


class Column(NamedTuple):
    """A column of a file: its heading and kind."""

    name: str
    kind: Kind


class Selection(NamedTuple):
    """Which rows are asked for: the days, what columns must equal, and how many in a block."""

    window: Window
    filters: Mapping[str, str]
    block_rows: int


Blocks = Iterator[Sequence[Row]]
Source = Callable[[AnyCursor, Selection], AbstractContextManager[Blocks]]
"""Opens the rows of an export, in blocks that are not empty, as `cursor` sees the read models."""


@dataclass(frozen=True)
class Export:
    """A file that people take out of the books.

    `file` begins its name. `filters` are those of the page that shows the same things. `reads`
    names the projections whose tables it asks. Columns are only ever appended.
    """

    name: str
    title: str
    file: str
    columns: tuple[Column, ...]
    filters: tuple[str, ...]
    reads: tuple[str, ...]
    rows: Source
    about: str
    plain_text: Source | None = None
    """The same as lines of plain text accounting (`plain_text.Line`), where it is of the books."""

    @property
    def currency(self) -> int | None:
        """Which column holds the row's currency, counted from 0; None where there is no money."""
        kinds = [column.kind for column in self.columns]
        if Kind.CURRENCY in kinds:
            return kinds.index(Kind.CURRENCY)
        assert Kind.DECIMAL not in kinds, f"{self.name}: an amount needs a column of its currency"
        return None


class Query:
    """The rows of `catalogue/<name>.sql`, read through a cursor in the server.

    The file's first line is its question. It may use `%(first)s` and `%(last)s`, and each filter
    of the export by its name, which is null where it is not asked for.
    """

    def __init__(self, name: str, filters: Sequence[str]) -> None:
        self._file = f"{name}.sql"
        self._filters = filters

    @cached_property
    def sql(self) -> str:
        """The file's text."""
        return (files(kpi.exports.catalogue) / self._file).read_text(encoding="utf-8")

    @property
    def question(self) -> str:
        """What the file asks, in words."""
        return self.sql.partition("\n")[0].removeprefix("-- ")

    @contextmanager
    def __call__(self, cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
        """Open the query's rows; the whole of them is wanted, not the first ones soon."""
        asked = {"first": selection.window.first, "last": selection.window.last}
        filters = {name: selection.filters.get(name) for name in self._filters}
        cursor.execute(WHOLE)
        with cursor.connection.cursor("export", row_factory=tuple_row, binary=True) as found:
            found.execute(trusted(self.sql), asked | filters)
            yield iter(partial(found.fetchmany, selection.block_rows), [])


WHOLE: Final = "select set_config('cursor_tuple_fraction', '1', true)"


def from_query(
    name: str,
    title: str,
    file: str,
    *,
    columns: tuple[Column, ...],
    filters: tuple[str, ...],
    reads: tuple[str, ...],
) -> Export:
    """The export whose rows `catalogue/<name>.sql` finds, in the order of `columns`."""
    query = Query(name, filters)
    return Export(name, title, file, columns, filters, reads, query, query.question)


@lru_cache
def exports() -> tuple[Export, ...]:
    """All exports, by name: every module in `kpi.exports.catalogue` declares one."""
    modules = pkgutil.iter_modules(kpi.exports.catalogue.__path__)
    named = [importlib.import_module(f"{kpi.exports.catalogue.__name__}.{m.name}") for m in modules]
    return tuple(sorted((module.export for module in named), key=lambda export: export.name))


def export(name: str) -> Export:
    """The export of a name; raises `UnknownExport`."""
    found = {each.name: each for each in exports()}.get(name)
    if found is None:
        known = ", ".join(each.name for each in exports())
        raise UnknownExport(f"There is no export {name[:100]!r}; there are {known}.")
    return found
