"""Values of rows, column by column: money in major units, text that no spreadsheet runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from kpi.exports.declare import Export, Kind, Row
from ledger.domain.money import decimals

Values = Sequence[Any]

ZERO_PERCENT: Final = Decimal("0.00")

# owasp.org/www-community/attacks/CSV_Injection: what a spreadsheet program takes for the beginning
# of a formula, and what it may skip before it: blanks, quotes, marks without a width.
_RUNS: Final = re.compile(r"""[\t\r\n]|[\s"'\ufeff\u200b-\u200f\u2060]*[=+\-@＝＋－＠]""").match  # noqa: RUF001 - the wide signs count as well


def major(amount_minor: int, currency: str) -> Decimal:
    """An amount in major units, with exactly the digits that its currency has."""
    return Decimal(amount_minor).scaleb(-decimals(currency))


def harmless(text: str) -> str:
    """Text as a cell of CSV that no spreadsheet program takes for a formula."""
    return f"'{text}" if _RUNS(text) else text


def columns_of(export: Export, rows: Sequence[Row], *, zeros: bool = False) -> Iterator[Values]:
    """The columns of a block: money as decimals, times in whole seconds, as Stripe's all are.

    With `zeros`, ratios over zero are 0.00.
    """
    columns = list(zip(*rows, strict=True))
    currencies = () if export.currency is None else columns[export.currency]
    for column, values in zip(export.columns, columns, strict=True):
        if column.kind is Kind.DECIMAL:
            yield _majors(values, currencies, 0 if zeros else None)
        elif column.kind is Kind.TIME:
            yield [None if time is None else time.replace(microsecond=0) for time in values]
        elif column.kind is Kind.PERCENT and zeros:
            yield [ZERO_PERCENT if value is None else value for value in values]
        else:
            yield values


def _majors(values: Values, currencies: Values, nothing: int | None) -> Values:
    amounts = (nothing if minor is None else minor for minor in values)
    return [
        None if minor is None else major(minor, currency)
        for minor, currency in zip(amounts, currencies, strict=True)
    ]


def as_text(export: Export, rows: Sequence[Row]) -> Iterator[Values]:
    """The columns of a block as cells of CSV, which `str` can write; times are in UTC."""
    for column, values in zip(export.columns, columns_of(export, rows, zeros=True), strict=True):
        cells = _CELLS.get(column.kind)
        yield values if cells is None else cells(values)


def _texts(values: Values) -> Values:
    """Most texts begin with a letter or digit, which is quick to tell."""
    return [text if text is None or text[:1].isalnum() else harmless(text) for text in values]


_CELLS: Final[dict[Kind, Callable[[Values], Values]]] = {
    Kind.TEXT: _texts,
    Kind.CURRENCY: _texts,
    Kind.TIME: msgspec.to_builtins,  # ISO 8601, three times as fast as `isoformat`
}
