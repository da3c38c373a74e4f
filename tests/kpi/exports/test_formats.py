"""Formats: a file of every kind of column, read back by others' readers."""

import csv
import io
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet
import pytest

from kpi.exports.declare import Blocks, Column, Export, Kind, Row, Selection
from kpi.exports.formats import Format, writer
from ledger.errors import InvalidRequest
from projections.engine.tables import AnyCursor

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS: list[Row] = [
    ("=1", 3, 1250, -5, Decimal("33.33"), NOON, date(2026, 3, 1), "gbp"),
    (None, 0, -1250, 0, None, None, date(2026, 3, 1), "jpy"),
    ('a "b",\r\nc', -1, None, 7, Decimal("0.00"), NOON.replace(microsecond=5), date.max, "kwd"),
]


@contextmanager
def no_rows(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
    yield iter([])


EVERY_KIND = Export(
    "things",
    "Things",
    "things",
    columns=(
        Column("Text", Kind.TEXT),
        Column("Count", Kind.COUNT),
        Column("Money", Kind.DECIMAL),
        Column("Pennies", Kind.MINOR),
        Column("Share", Kind.PERCENT),
        Column("At", Kind.TIME),
        Column("Day", Kind.DAY),
        Column("Currency", Kind.CURRENCY),
    ),
    filters=(),
    reads=(),
    rows=no_rows,
    about="What?",
)


def written(chosen: Format, *blocks: list[Row]) -> bytes:
    write = writer(EVERY_KIND, chosen)
    return b"".join([write.head(), *map(write.block, blocks), write.tail()])


def test_csv_is_rfc_4180() -> None:
    """Numbers that are ours are never quoted as formulas, negative ones neither."""
    assert written(Format.CSV, ROWS).decode() == (
        "Text,Count,Money,Pennies,Share,At,Day,Currency\r\n"
        "'=1,3,12.50,-5,33.33,2026-03-01T12:00:00Z,2026-03-01,gbp\r\n"
        ",0,-1250,0,0.00,,2026-03-01,jpy\r\n"
        '"a ""b"",\r\nc",-1,0.000,7,0.00,2026-03-01T12:00:00Z,9999-12-31,kwd\r\n'
    )


def test_csv_is_read_back() -> None:
    text = written(Format.CSV, ROWS).decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["Text"] for row in found] == ["'=1", "", 'a "b",\r\nc']


def test_json_lines_say_null_where_there_is_no_value() -> None:
    lines = written(Format.JSONL, ROWS).splitlines()
    first, second, third = map(json.loads, lines)
    assert first == {
        "Text": "=1",
        "Count": 3,
        "Money": "12.50",
        "Pennies": -5,
        "Share": "33.33",
        "At": "2026-03-01T12:00:00Z",
        "Day": "2026-03-01",
        "Currency": "gbp",
    }
    assert (second["Text"], second["Share"], second["At"]) == (None, None, None)
    assert third["Money"] is None


def test_parquet_has_types() -> None:
    table: Any = pyarrow.parquet.read_table(io.BytesIO(written(Format.PARQUET, ROWS)))
    assert {field.name: str(field.type) for field in table.schema} == {
        "Text": "string",
        "Count": "int64",
        "Money": "decimal128(22, 3)",
        "Pennies": "int64",
        "Share": "decimal128(22, 2)",
        "At": "timestamp[us, tz=UTC]",
        "Day": "date32[day]",
        "Currency": "string",
    }
    found = table.to_pylist()
    assert found[0]["Text"] == "=1"
    assert [row["Money"] for row in found] == [Decimal("12.50"), Decimal(-1250), None]
    assert [row["At"] for row in found] == [NOON, None, NOON]


@pytest.mark.parametrize("chosen", [Format.CSV, Format.JSONL])
def test_blocks_leave_no_trace(chosen: Format) -> None:
    """However the rows come in blocks, the bytes are the same."""
    assert written(chosen, *([row] for row in ROWS)) == written(chosen, ROWS)


def test_a_block_is_a_row_group() -> None:
    file: Any = pyarrow.parquet.ParquetFile(io.BytesIO(written(Format.PARQUET, ROWS, ROWS[:1])))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [3, 1]


@pytest.mark.parametrize("chosen", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_a_file_without_rows_has_its_columns(chosen: Format) -> None:
    names = [column.name for column in EVERY_KIND.columns]
    match chosen:
        case Format.CSV:
            assert written(chosen).decode() == ",".join(names) + "\r\n"
        case Format.JSONL:
            assert written(chosen) == b""
        case Format.PARQUET:
            table: Any = pyarrow.parquet.read_table(io.BytesIO(written(chosen)))
            assert (table.num_rows, table.column_names) == (0, names)


def test_without_its_extra_parquet_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidRequest, match=r"pipx install --force '\.\[parquet\]'"):
        writer(EVERY_KIND, Format.PARQUET)
    assert writer(EVERY_KIND, Format.CSV)
