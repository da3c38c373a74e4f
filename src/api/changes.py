"""What an event changed in the rows within an object, such as an order's lines, to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

Row = Mapping[str, Any]
NAMES: Final = ("sku",)
"""Columns that stand beside a row's first one, so that a person knows which is meant."""


class RowChange(NamedTuple):
    """A row that an event made, changed or took away; `changed` is empty where it is gone."""

    name: str
    is_new: bool
    changed: dict[str, tuple[Any, Any]]
    currency: str | None


def is_of_rows(pair: Sequence[Any]) -> bool:
    """Whether values are rows of a part, or None for one that is not there; not lists of words."""
    return all(isinstance(side, list) and _are_rows(cast("list[object]", side)) for side in pair)


def _are_rows(values: Sequence[object]) -> bool:
    return all(row is None or isinstance(row, dict) for row in values)


def rows_changed(pair: Sequence[Sequence[Row | None]]) -> Iterator[RowChange]:
    """Each row that differs, with the value before and after it of each column that does."""
    for before, after in zip(*pair, strict=True):
        row = after or before
        assert row is not None, "a row is there before, after, or both"
        first = next(iter(row))
        name = ", ".join(str(row[column]) for column in (first, *NAMES) if column in row)
        yield RowChange(name, before is None, _columns(before, after, first), row.get("currency"))


def _columns(before: Row | None, after: Row | None, first: str) -> dict[str, tuple[Any, Any]]:
    pairs = {column: ((before or {}).get(column), value) for column, value in (after or {}).items()}
    pairs.pop(first, None)
    return {column: pair for column, pair in pairs.items() if pair[0] != pair[1]}
