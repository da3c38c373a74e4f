"""What is wrong with a value is said in plain words, wherever pydantic found it."""

import re
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import BaseModel, ValidationError

from api.operations import operations
from app.asgi import routes
from ledger.domain.limits import PATTERNS
from ledger.settings import Settings
from ledger.wrong_values import UNKNOWN, in_words

SHAPES = sorted(
    {
        shape
        for _, _, declared in operations(routes)
        for shape in (declared.query, declared.body)
        if shape is not None
    },
    key=lambda shape: shape.__name__,
)
JUNK = st.recursive(
    st.sampled_from(
        [None, True, -1, 1.5, 10**30, "", "x" * 2000, "\0", "GBP1", "abc", "1.5", "2026-13-01"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
PYDANTIC = re.compile(
    r"[Ii]nput|should|parse|[Ff]ield required|Extra inputs|instance|type=|dictionary|\{|\^"
)
"""What pydantic's own sentences have, and ours have not; and a pattern, which is no plain word."""


def junk_for(shape: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    names = [each.alias or name for name, each in shape.model_fields.items()]
    return st.dictionaries(st.sampled_from([*names, "colour"]), JUNK, max_size=4)


@given(data=st.data())
def test_whatever_a_call_says_its_refusal_is_in_plain_words(data: st.DataObject) -> None:
    """Every query and body of every operation, with values of every wrong kind."""
    shape = data.draw(st.sampled_from(SHAPES))
    try:
        shape.model_validate(data.draw(junk_for(shape)), strict=data.draw(st.booleans()))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            told = in_words(each)
            assert told != UNKNOWN, each
            assert not PYDANTIC.search(told), told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ledger_port", "abc", "LEDGER_PORT: must be a whole number"),
        ("ledger_port", "0", "LEDGER_PORT: must be 1 or more"),
        ("ledger_write_seconds", "long", "LEDGER_WRITE_SECONDS: must be a number"),
        ("ledger_repeated_skus", "perhaps", "LEDGER_REPEATED_SKUS: must be true or false"),
        ("ledger_mode", "best", "LEDGER_MODE: must be 'test' or 'live'"),
        ("ledger_time_zone", "Mars", "LEDGER_TIME_ZONE: must be a time zone, as Europe/Berlin"),
        ("ledger_engine", "dask", "LEDGER_ENGINE: must be `processes`, or a cluster's address, as"),
        ("ledger_host", "a b", "LEDGER_HOST: must be a host's name or address"),
    ],
)
def test_so_are_settings(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    from ledger.errors import SettingsError
    from ledger.settings import load

    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith(told)


def patterns_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "pattern" and isinstance(value, str):
                yield value
            yield from patterns_in(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from patterns_in(each)


def test_every_pattern_has_words() -> None:
    found = {p for shape in (*SHAPES, Settings) for p in patterns_in(shape.model_json_schema())}
    assert len(found) > 8
    assert found <= PATTERNS.keys()
