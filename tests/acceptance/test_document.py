"""The API's document as a whole: one meaning a name, nothing left open, every list alike."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from projections.engine.registry import discover
from projections.engine.row import times
from tests.support.addresses import address
from tests.support.judged import DOCUMENT

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
SEVERAL_TYPES = {
    "before": "what stood in a column, of whatever type that is",
    "after": "what stands in a column then",
    "changed": "columns that an event changed, rows of a table that differ from their rebuild",
    "columns": "those of a file, what is wrong with those of a table",
    "first": "the first day of a window, difference of a table, or position of damage",
    "last": "the last day, or the last position",
    "missing": "what of Stripe's balance is not known, the rows that a live table lacks",
    "period": "a month of the books, the number of a period that an invoice was paid for",
    "rule": "a rule of linking as it is written, the rule that an entry was made by",
    "skipped": "the number of payments that were passed over, the same by reason",
    "upto": "the payment that a page ends with, a position",
    "received": "true as Stripe's examples of webhooks answer, units of a product in stock",
    "value": "a column's value in an explanation, a number in a figure",
}
"""Properties whose type is not the same everywhere, and why."""

OPEN = {
    "EventDetails.data": "what an event holds, by its topic",
    "HistoryLine.payload": "the same, within a history",
    "HistoryLine.changed": "by the columns of whatever the history is of",
    "Issue.evidence": "the columns of whichever check found it",
    "IssueDetails.evidence": "the same, of one issue",
}
"""Objects whose keys and values no schema says, and why."""


def types(schema: dict[str, Any]) -> set[str]:
    """The types of a value that is not null."""
    if "$ref" in schema:
        return types(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    arms = [arm for key in ("anyOf", "oneOf", "allOf") for arm in schema.get(key, ())]
    if arms:
        return set().union(*map(types, arms))
    kind = schema.get("type", "anything")
    return set() if kind == "null" else {f"{kind} {schema.get('format', '')}".strip()}


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, schema in SCHEMAS.items():
        for prop, told in schema.get("properties", {}).items():
            yield name, prop, told


def test_a_name_means_one_thing() -> None:
    found: dict[str, dict[frozenset[str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, prop, told in properties():
        found[prop][frozenset(types(told))].append(name)
    several = {prop: dict(kinds) for prop, kinds in found.items() if len(kinds) > 1}
    assert {p: kinds for p, kinds in several.items() if p not in SEVERAL_TYPES} == {}
    assert SEVERAL_TYPES.keys() <= found.keys()


def test_every_object_says_its_keys() -> None:
    closed = {
        name: s.get("additionalProperties") for name, s in SCHEMAS.items() if "properties" in s
    }
    assert {name for name, extra in closed.items() if extra is not False} == set()


def test_what_is_left_open_is_named_with_a_reason() -> None:
    found = {f"{name}.{prop}" for name, prop, told in properties() if says_nothing(told)}
    assert found == OPEN.keys()


def says_nothing(schema: Any) -> bool:
    """Whether a schema, or one within it, takes objects of any keys or values of any type."""
    within = [*schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    extra = schema.get("additionalProperties", False)
    if "items" in schema:
        within.append(schema["items"])
    if isinstance(extra, dict):
        within.append(extra)
    is_open = extra is True or {} in schema.get("prefixItems", ())
    return is_open or any(says_nothing(each) for each in within if isinstance(each, dict))


@pytest.mark.parametrize(("label", "operation"), OPERATIONS, ids=[label for label, _ in OPERATIONS])
def test_every_answer_has_a_schema_and_every_refusal_is_a_problem(
    label: str, operation: dict[str, Any]
) -> None:
    for status, told in operation["responses"].items():
        assert told["description"]
        for kind, content in told["content"].items():
            if kind == "application/json":
                assert "$ref" in content["schema"], (label, status)
            if kind == "application/problem+json":
                assert content["schema"]["$ref"].endswith("/Problem")
    assert operation["summary"].endswith(".")


def test_amounts_and_times_say_their_format() -> None:
    for name, prop, told in properties():
        if prop.endswith("_minor"):
            assert types(told) == {"integer int64"}, f"{name}.{prop}"
        if prop.endswith("_at"):
            assert types(told) == {"string date-time"}, f"{name}.{prop}"


def test_a_state_of_the_shops_is_closed_and_one_of_stripes_is_open() -> None:
    order = SCHEMAS["Order"]["properties"]["state"]["$ref"].rpartition("/")[2]
    assert SCHEMAS[order]["enum"] == ["pending", "paid", "fulfilled", "canceled", "expired"]
    refund = SCHEMAS["Refund"]["properties"]["state"]["$ref"].rpartition("/")[2]
    known, other = SCHEMAS[refund]["anyOf"]
    assert {"pending", "succeeded", "failed"} <= set(known["enum"])
    assert other == {"type": "string"}


def test_an_answer_names_what_is_always_there() -> None:
    """What may be absent is said to be: a reader need not guess."""
    absent = {
        f"{name}.{prop}"
        for name, prop, _ in properties()
        if not name.endswith("Request") and prop not in SCHEMAS[name].get("required", ())
    }
    assert {each.partition(".")[0] for each in absent} == {
        "Fact",
        "FieldProblem",
        "HistoryLine",
        "Problem",
        "ShippingAddress",
    }


LISTED = [projection for projection in discover() if projection.listing]


@pytest.mark.parametrize("projection", LISTED, ids=lambda projection: projection.name)
def test_every_list_takes_spans_of_its_times_and_sorts(projection: Any) -> None:
    listing = projection.listing
    told = DOCUMENT["paths"][address(projection.name)]["get"]["parameters"]
    parameters = {each["name"]: each["schema"] for each in told}
    for column in times(listing.shown):
        stem = column.removesuffix("_at")
        assert {f"{stem}_after", f"{stem}_before"} <= parameters.keys()
    both = [way for name in listing.sortable for way in (f"-{name}", name)]
    assert sorted(parameters["sort"]["enum"]) == sorted(both)
    assert {"limit", "cursor", "after", *listing.filters} <= parameters.keys()


@pytest.mark.parametrize("path", ["/events", "/events/unreadable", "/audit"])
def test_lists_of_events_take_a_span_and_a_direction(path: str) -> None:
    told = DOCUMENT["paths"][path]["get"]["parameters"]
    assert {"recorded_after", "recorded_before", "sort", "cursor"} <= {
        each["name"] for each in told
    }
