"""Parquet, by row groups; pyarrow is an optional extra, and imported when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from io import RawIOBase
from typing import Any, Final

from kpi.exports.cells import columns_of
from kpi.exports.declare import Export, Kind, Row
from ledger.archive.store import arrow

MONEY_DIGITS: Final = (22, 3)
"""All digits of a bigint, and three behind the point: one column holds all currencies."""
PERCENT_DIGITS: Final = (22, 2)


class Parquet:
    """A Parquet file: money as decimal128 of three digits, times as timestamps in UTC."""

    block_rows = 20_000

    def __init__(self, export: Export) -> None:
        self._arrow = arrow()
        self._export = export
        self._schema = self._arrow.schema(
            [(column.name, _type(self._arrow, column.kind)) for column in export.columns]
        )
        self._sink = _Sink()
        self._writer = arrow("pyarrow.parquet").ParquetWriter(self._sink, self._schema)

    def head(self) -> bytes:
        """The mark of the format."""
        return self._sink.taken()

    def block(self, rows: Sequence[Row]) -> bytes:
        """A row group."""
        columns = zip(columns_of(self._export, rows), self._schema.types, strict=True)
        arrays = [self._arrow.array(values, kind) for values, kind in columns]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        return self._sink.taken()

    def tail(self) -> bytes:
        """Where each row group stands."""
        self._writer.close()
        return self._sink.taken()


def _type(pa: Any, kind: Kind) -> Any:
    match kind:
        case Kind.TEXT | Kind.CURRENCY:
            return pa.string()
        case Kind.COUNT | Kind.MINOR:
            return pa.int64()
        case Kind.DECIMAL:
            return pa.decimal128(*MONEY_DIGITS)
        case Kind.PERCENT:
            return pa.decimal128(*PERCENT_DIGITS)
        case Kind.TIME:
            return pa.timestamp("us", tz="UTC")
        case Kind.DAY:
            return pa.date32()


class _Sink(RawIOBase):
    """A file that is only written to, and emptied as it grows."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since this was asked before."""
        written = bytes(self._written)
        self._written.clear()
        return written
