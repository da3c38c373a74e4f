"""The OpenAPI document: it tells what is checked, and refers to nothing that it lacks."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.openapi import describe
from api.operations import Schema, operation
from api.permissions import Permission
from ledger.errors import InvalidRequest, LedgerError, Refused, StoreUnavailable
from tests.api.test_operations import routes


def test_the_document_tells_what_the_door_checks() -> None:
    statuses: dict[type[LedgerError], int] = {
        Refused: 409,
        StoreUnavailable: 503,
        InvalidRequest: 422,
    }
    document = describe(routes, "Things", "1.2", statuses)
    assert document["openapi"] == "3.1.0"
    assert (document["info"]["title"], document["info"]["version"]) == ("Things", "1.2")
    assert set(document["paths"]) == {"/things/{id}", "/things"}
    schemas = {"Thing", "Part", "Made", "Problem", "FieldProblem", "Order"}
    assert set(document["components"]["schemas"]) == schemas

    made = document["paths"]["/things/{id}"]["post"]
    assert (made["operationId"], made["tags"]) == ("make_thing", ["things"])
    assert (made["summary"], made["description"]) == ("Make a thing.", "It is made at once.")
    assert [(p["in"], p["name"]) for p in made["parameters"]] == [
        ("path", "id"),
        ("header", "Idempotency-Key"),
    ]
    schema = made["parameters"][0]["schema"]
    assert schema == {"type": "integer", "format": "int64", "minimum": 0}
    assert made["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
    }
    assert set(made["responses"]) == {"201", "409", "422", "default"}
    assert made["responses"]["409"] == {
        "description": "`out_of_stock`: There is not enough stock for every line.",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }

    listed = document["paths"]["/things"]["get"]
    assert set(listed["responses"]) == {"200", "503", "422", "default"}
    order, limit, _ = listed["parameters"]
    assert order["schema"]["$ref"] == "#/components/schemas/Order"
    assert (limit["name"], limit["in"], limit["required"]) == ("limit", "query", False)
    assert limit["schema"]["maximum"] == 100


class Span(Schema):
    """From a day to another."""

    first: Annotated[str, Field(serialization_alias="from")]


@operation(Permission.PUBLIC, "things")
def show_span(_: Request) -> Span:
    """Show a span."""
    return Span(first="2026-03-01")


def test_an_answer_is_described_as_it_is_written() -> None:
    document = describe([Route("/span", show_span)], "Things", "1.2")
    assert set(document["components"]["schemas"]["Span"]["properties"]) == {"from"}


def test_every_reference_of_the_document_has_its_schema() -> None:
    document = describe(routes, "Things", "1.2")
    references = [value for key, value in _pairs(document) if key == "$ref"]
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    if isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)
