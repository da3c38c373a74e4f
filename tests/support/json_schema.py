"""Values from JSON Schema, for tests that play a hostile caller: fitting ones, and broken ones."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]

ODD_NUMBERS = st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1e308, 0.5])
ODD_TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "🫖" * 200,
        "x" * 2000,
        "../../etc/passwd",
        "'; drop table orders; --",
        "%00",
        "null",
        "NaN",
        "-1",
        "9" * 40,
        "2026-02-30T25:61:61Z",
        "\u202e1.00",
    ]
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
SCALARS = st.none() | st.booleans() | ODD_NUMBERS | FINITE | ODD_TEXTS | st.text(max_size=40)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
"""Any JSON at all, and what Python's encoder writes beyond it (NaN, lone surrogates)."""


def fitting(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    """Values that the schema allows; `document` holds what it refers to."""
    if reference := schema.get("$ref"):
        return st.deferred(lambda: fitting(_find(reference, document), document))
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return st.one_of([fitting(choice, document) for choice in choices])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _OF_TYPE[schema.get("type", "any")](schema, document)


def broken(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    """Values of which some part is not what the schema says, or is, by chance."""
    return JUNK | fitting(schema, document).flatmap(_with_junk)


def _find(reference: str, document: Schema) -> Schema:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _with_junk(value: Any) -> st.SearchStrategy[Any]:
    """The value with junk in the place of one of its parts, or with one part more or less."""
    if isinstance(value, dict) and value:
        return st.sampled_from(sorted(value)).flatmap(
            lambda name: st.one_of(
                _with_junk(value[name]).map(lambda part: value | {name: part}),
                JUNK.map(lambda part: value | {f"{name}x": part}),
                st.just({other: value[other] for other in value if other != name}),
            )
        )
    if isinstance(value, list) and value:
        return st.one_of(
            _with_junk(value[0]).map(lambda part: [part, *value[1:]]), st.just(value * 200)
        )
    return JUNK


def _object(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    fields = {n: fitting(s, document) for n, s in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    if fields:
        return st.fixed_dictionaries(
            {name: field for name, field in fields.items() if name in needed},
            optional={name: field for name, field in fields.items() if name not in needed},
        )
    values = schema.get("additionalProperties", {})
    return st.dictionaries(
        fitting({"type": "string"} | dict(schema.get("propertyNames", {})), document),
        fitting(values, document) if isinstance(values, Mapping) else JUNK,
        min_size=schema.get("minProperties", 0),
        max_size=schema.get("minProperties", 0) + 3,
    )


def _array(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    least = schema.get("minItems", 0)
    return st.lists(fitting(schema.get("items", {}), document), min_size=least, max_size=least + 3)


def _string(schema: Schema, _: Schema) -> st.SearchStrategy[Any]:
    least, most = schema.get("minLength", 0), min(schema.get("maxLength", 60), 60)
    if pattern := schema.get("pattern"):
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) <= most)
    return st.text(min_size=least, max_size=most)


def _integer(schema: Schema, _: Schema) -> st.SearchStrategy[Any]:
    least = schema.get("minimum", -(2**31))
    return st.integers(least, schema.get("maximum", least + 2**31))


_OF_TYPE = {
    "any": lambda _schema, _document: JUNK,
    "null": lambda _schema, _document: st.none(),
    "boolean": lambda _schema, _document: st.booleans(),
    "number": lambda _schema, _document: FINITE,
    "integer": _integer,
    "string": _string,
    "array": _array,
    "object": _object,
}
