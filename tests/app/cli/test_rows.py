"""Rows at any width: nothing is cut, no line is longer than the terminal."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.cli.output import table

HEADS = ["=id", "state", ">amount", "says", "=when"]
CELLS = st.text("abcdefg hij", max_size=60).map(str.strip)


def shown(
    width: int, rows: Sequence[tuple[object, ...]], heads: Sequence[str] = HEADS
) -> list[str]:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(table(heads, rows))
    return captured.get().splitlines()


def letters(text: str) -> str:
    return re.sub(r"[\s─·]", "", text)


@given(
    width=st.integers(40, 120),
    rows=st.lists(
        st.tuples(CELLS, CELLS, st.integers(0, 10**12), CELLS, st.none() | CELLS), max_size=4
    ),
)
def test_every_value_is_there_and_no_line_is_too_long(
    width: int, rows: Sequence[tuple[object, ...]]
) -> None:
    lines = shown(width, rows)
    assert max(map(len, lines)) <= max(width, max((len(str(r[0])) for r in rows), default=0))
    text = letters("".join(lines))
    for row in rows:
        for value in row:
            if isinstance(value, int):
                assert f"{value:,}" in text


def test_sentences_that_do_not_fit_stand_below_their_row() -> None:
    rows = [("paid_twice:A1", "open", 5, "Order A1 costs 50.00 gbp and holds 100.00 gbp.", "now")]
    assert shown(40, rows) == [
        "id              state   amount",
        "──────────────────────────────",
        "paid_twice:A1   open         5",
        "    says Order A1 costs 50.00 gbp and",
        "    holds 100.00 gbp.  ·  when now",
    ]


def test_a_short_value_that_alone_does_not_fit_has_its_head() -> None:
    (*_, line) = shown(20, [("po_1Mkgo0r0a0n9", True)], ["=payout id", "state known"])
    assert line == "    state known yes"


def test_control_characters_are_shown() -> None:
    (_, _, line) = shown(80, [("\x1b[2J", "\u202egbp", 5, "so", None)])
    assert line.split()[:2] == [r"\e[2J", r"\u202egbp"]


def test_what_fits_is_one_table() -> None:
    assert len(shown(100, [("A1", "open", 5, "It is so.", None)])) == 3


@pytest.mark.parametrize("width", [20, 80])
def test_without_rows_the_heads_are_shown(width: int) -> None:
    assert letters(shown(width, [])[0]).startswith("idstate")
