"""What is wrong with a value, in plain words: pydantic's own speak of its types and its parser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.domain.limits import PATTERNS

UNKNOWN: Final = "is not what this takes"

# By the names of https://docs.pydantic.dev/latest/errors/validation_errors/; one that begins so has
# the words too, the longest beginning first: `int_parsing_size` those of `int_`.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "there is none of that name",
    "none_required": "must be left out",
    "string_unicode": "must be text in UTF-8",
    "string_": "must be a text",
    "string_too_short": "must have {min_length:,} {characters} or more",
    "string_too_long": "must have {max_length:,} {characters} at most",
    "int_": "must be a whole number",
    "float_": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_": "must be a number",
    "bool_": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must hold {min_length:,} or more",
    "too_long": "must hold {max_length:,} at most",
    "dict_type": "must be an object: names with values",
    "model_": "must be an object: names with values",
    "json_": "is no JSON",
    "date_": "must be a date, as 2026-03-01",
    "datetime_": "must be a time, as 2026-03-01T12:00:00Z",
    "timezone_": "must be a time with its zone, as 2026-03-01T12:00:00Z",
    "path_": "must be the path of a file",
    "zoneinfo_": "must be a time zone, as Europe/Berlin",
}


def in_words(error: Mapping[str, Any]) -> str:
    """One of the `errors()` of a `ValidationError`, as a clause without the value.

    A refusal of our own (`value_error`) has words already.
    """
    kind: str = error["type"]
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(error["ctx"]["pattern"], UNKNOWN)
    words = next((_WORDS[kind[:n]] for n in range(len(kind), 0, -1) if kind[:n] in _WORDS), None)
    if words is None:
        return UNKNOWN
    given = dict(error.get("ctx", {}))
    length = given.get("min_length", given.get("max_length"))
    return words.format(**given, characters="character" if length == 1 else "characters")
