"""Text from outside: nothing in it steers a terminal, reverses a line or hides."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.text import ascii_json, visible, visible_lines

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ada Byron", "Ada Byron"),
        ("\x1b[31mred", r"\e[31mred"),
        ("a\u202eb", r"a\u202eb"),
        ("\x9b2J", r"\x9b2J"),
        ("two\nlines\tand\rmore", r"two\nlines\tand\rmore"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ],
)
def test_what_is_shown(given: str, shown: str) -> None:
    assert visible(given) == shown


@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Cs", "Lu"]), max_size=20))
def test_no_control_or_format_character_is_left(text: str) -> None:
    left = [c for c in visible(text) if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"}]
    assert left == []
    marks = {"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u200e"}
    assert not marks & set(visible(text))


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_json_says_the_same(text: str) -> None:
    written = ascii_json(json.dumps({"text": text}, ensure_ascii=False, indent=2))
    assert json.loads(written) == {"text": text}
    assert visible_lines(written) == written


def test_lines_stay_lines() -> None:
    assert visible_lines("one\ntwo\x1b") == "one\ntwo\\e"
