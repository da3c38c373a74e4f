"""The formats of exports: how a file begins, how a block of rows is written, how it ends."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from enum import StrEnum
from io import StringIO
from typing import Protocol

import msgspec

from kpi.exports.cells import as_text, columns_of
from kpi.exports.declare import Export, Row, exports
from kpi.exports.parquet import Parquet
from kpi.exports.plain_text import Beancount, Hledger
from ledger.errors import InvalidRequest


class Format(StrEnum):
    """A format, which is also the ending of a file's name."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"

    @property
    def media_type(self) -> str:
        """As HTTP names it: RFC 4180, jsonlines.org, what Parquet has registered, and text."""
        return {
            Format.CSV: "text/csv",
            Format.JSONL: "application/jsonl",
            Format.PARQUET: "application/vnd.apache.parquet",
            Format.BEANCOUNT: "text/plain",
            Format.HLEDGER: "text/plain",
        }[self]

    @property
    def is_plain_text(self) -> bool:
        """Whether it is a file of entries for another program's books, which has no columns."""
        return self in {Format.BEANCOUNT, Format.HLEDGER}


class Writer(Protocol):
    """Writes one file: `head`, then blocks of rows, then `tail`, each as bytes to be sent."""

    block_rows: int

    def head(self) -> bytes:
        """What stands before all rows."""
        ...

    def block(self, rows: Sequence[Row]) -> bytes:
        """Some rows, at least one."""
        ...

    def tail(self) -> bytes:
        """What stands after all rows."""
        ...


class Csv:
    """RFC 4180 in UTF-8: a line of headings, lines end with CRLF, quotes where they are needed."""

    block_rows = 2_000

    def __init__(self, export: Export) -> None:
        self._export = export
        self._text = StringIO(newline="")
        self._write = csv.writer(self._text).writerows

    def head(self) -> bytes:
        """The line of headings."""
        self._write([[column.name for column in self._export.columns]])
        return self._taken()

    def block(self, rows: Sequence[Row]) -> bytes:
        """A line a row."""
        self._write(zip(*as_text(self._export, rows), strict=True))
        return self._taken()

    def tail(self) -> bytes:
        """Nothing."""
        return b""

    def _taken(self) -> bytes:
        written = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return written


class JsonLines:
    """A JSON object a line, which ends with LF; decimals are strings, that no reader rounds them.

    What has no value, a ratio over zero too, is null.
    """

    block_rows = 2_000

    def __init__(self, export: Export) -> None:
        self._export = export
        self._names = [column.name for column in export.columns]
        self._encode = msgspec.json.Encoder(decimal_format="string").encode_lines

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def block(self, rows: Sequence[Row]) -> bytes:
        """A line a row."""
        columns = columns_of(self._export, rows)
        made = (zip(self._names, row, strict=True) for row in zip(*columns, strict=True))
        return self._encode(list(map(dict, made)))

    def tail(self) -> bytes:
        """Nothing."""
        return b""


def formats_of(export: Export) -> list[Format]:
    """The formats that an export has: those of entries only where it is of the books."""
    return [each for each in Format if export.plain_text or not each.is_plain_text]


def writer(export: Export, chosen: Format) -> Writer:
    """Writes an export in a format; raises `InvalidRequest` where its library is missing."""
    if chosen not in formats_of(export):
        known = ", ".join(each.name for each in exports() if each.plain_text)
        raise InvalidRequest(
            f"{export.name} has no entries that {chosen} could hold; these have: {known}."
        )
    match chosen:
        case Format.CSV:
            return Csv(export)
        case Format.JSONL:
            return JsonLines(export)
        case Format.PARQUET:
            return Parquet(export)
        case Format.BEANCOUNT:
            return Beancount()
        case Format.HLEDGER:
            return Hledger()
