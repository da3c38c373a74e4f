"""JSON that our decoder or PostgreSQL cannot take."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.json_text import is_too_deep, repeated_key, storable

PIECES = [r"\u0000", r"\ud83d", r"\uDE00", r"\\", r"\"", r"\/", r"\n", r"\u00e9", "a", "0000", "é"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'"plain"', rb'"plain"'),
        (rb'"\u0000"', rb'"\ufffd"'),
        (rb'"\\u0000"', rb'"\\u0000"'),
        (rb'"\\\u0000"', rb'"\\\ufffd"'),
        (rb'"\u0000\u0000"', rb'"\ufffd\ufffd"'),
        (rb'"\ud800"', rb'"\ufffd"'),
        (rb'"\uDFFF"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ud83d\n"', rb'"\ufffd\n"'),
        (rb'"\ud8"x"', rb'"\ud8"x"'),
    ],
)
def test_only_what_cannot_be_stored_is_replaced(body: bytes, expected: bytes) -> None:
    assert storable(body) == expected


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_replacing_changes_exactly_nul_and_lone_surrogates(inner: str) -> None:
    """Decoded, the text is the same but for U+FFFD in their place."""
    text = json.loads(f'"{inner}"')
    expected = text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass")
    replaced = json.loads(storable(f'"{inner}"'.encode()))
    assert replaced == expected.decode("utf-16", "replace")


@pytest.mark.parametrize(
    ("body", "too_deep"),
    [
        (b"[" * 100 + b"]" * 100, False),
        (b"[" * 101 + b"]" * 101, True),
        (b'{"a":' * 101 + b"1" + b"}" * 101, True),
        (b'[{"a":' * 101 + b"1" + b"}]" * 101, True),
        (b"[" + b"[]," * 500 + b"[]]", False),
        (b'["' + b"[" * 500 + rb"\"[" + b'"]', False),
        (b'["' + b"a" * 1_000_000 + b'",' + b"[]," * 200 + b"[]]", False),
    ],
    ids=range(7),
)
def test_depth(body: bytes, too_deep: bool) -> None:
    assert is_too_deep(body) is too_deep


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": 1, "b": 2}', None),
        (b'[{"a": 1}, {"a": 1}]', None),
        (b'{"a": {"a": {"a": []}}}', None),
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"a": {"b": 1}, "c": [0, {"d": 1, "d": 2}]}', "c.1.d"),
        (b'{"a": 1, "\\u0061": 1}', "a"),
        (b'{"": 1, "": 1}', ""),
        (b'{"a": ' + b"9" * 5000 + b"}", None),
        (b'"text"', None),
    ],
)
def test_a_key_that_stands_twice_is_found_where_it_stands(body: bytes, found: str | None) -> None:
    assert repeated_key(body) == found
