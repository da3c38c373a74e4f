"""Operations: what does not fit is refused, and the document says what fits."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from api.operations import MAX_BODY, Problem, Schema, code, operation, problem
from api.permissions import Permission
from ledger.errors import (
    FieldError,
    InvalidCommand,
    LedgerError,
    OutOfStock,
    PayloadTooLarge,
    StoreUnavailable,
)


class Order(StrEnum):
    """Which comes first."""

    UP = "up"
    DOWN = "down"


class Page(Schema):
    """Which part of a list."""

    order: Order = Order.UP
    limit: Annotated[int, Field(ge=1, le=100, description="Rows on a page.")] = 20
    name: str | None = None


class Thing(Schema):
    """A thing."""

    name: Annotated[str, Field(min_length=1)]
    size: int
    parts: tuple["Part", ...] = ()


class Part(Schema):
    """A part of a thing."""

    number: int


class Made(Schema):
    """What was made of it."""

    label: str


@operation(Permission.PUBLIC, "things", status=201, errors=(OutOfStock,), idempotent=True)
def make_thing(request: Request, body: Thing) -> Made:
    """Make a thing.

    It is made at once.
    """
    return Made(label=f"{body.name}/{body.size}/{len(body.parts)}/{request.path_params['id']}")


@operation(Permission.PUBLIC, "things", errors=(StoreUnavailable, PayloadTooLarge))
def list_things(request: Request, query: Page) -> Response:
    """List things."""
    return PlainTextResponse(f"{query.limit} {query.name}")


@operation(Permission.PUBLIC, "things")
async def look_at_thing(request: Request) -> Made:
    """Look at one thing."""
    return Made(label=(await request.body()).decode() or "nothing")


def no_operation(request: Request) -> Response:
    return PlainTextResponse("hello")


routes = [
    Route("/things/{id:int}", make_thing, methods=["POST"]),
    Route("/things", list_things),
    Route("/things/{id:int}", look_at_thing),
    Route("/hello", no_operation),
]


def refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    return problem(error, 413 if isinstance(error, PayloadTooLarge) else 422)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes, exception_handlers={LedgerError: refuse})) as client:
        yield client


def test_what_fits_reaches_the_endpoint(client: TestClient) -> None:
    thing = {"name": "cup", "size": 3, "parts": [{"number": 1}]}
    answer = client.post("/things/7", json=thing)
    assert (answer.status_code, answer.json()) == (201, {"label": "cup/3/1/7"})
    assert client.get("/things").text == "20 None"
    assert client.get("/things?limit=5&name=cup").text == "5 cup"
    assert client.get("/things/7").json() == {"label": "nothing"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"name": "cup"}, "body.size"),
        ({"name": "cup", "size": "3"}, "body.size"),
        ({"name": "cup", "size": 3.0}, "body.size"),
        ({"name": "cup", "size": True}, "body.size"),
        ({"name": "", "size": 3}, "body.name"),
        ({"name": "cup", "size": 3, "colour": "red"}, "body.colour"),
        ({"name": "cup", "size": 3, "parts": [{"number": 1}, {}]}, "body.parts.1.number"),
        ([], "body"),
        ("cup", "body"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_the_field(
    client: TestClient, body: Any, names: str
) -> None:
    answer = client.post("/things/7", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["detail"].startswith(f"{names}: ")
    wrong = answer.json()["errors"][0]
    assert wrong["field"] == names.removeprefix("body").removeprefix(".")
    assert wrong["code"]
    assert wrong["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name": "cup", "size": 1, "size": 9}', "size"),
        (b'{"name": "cup", "size": 9, "size": 9}', "size"),
        (b'{"name": "cup", "size": 1, "s\\u0069ze": 9}', "size"),
        (
            b'{"name": "cup", "size": 1, "parts": [{"number": 1}, {"number": 2, "number": 3}]}',
            "parts.1.number",
        ),
        (b'{"parts": [], "name": "cup", "size": 1, "parts": [{"number": 1}]}', "parts"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_its_place(
    client: TestClient, body: bytes, field: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/things/7", headers=headers, content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"body.{field}: stands twice")
    (wrong,) = answer.json()["errors"]
    assert (wrong["field"], wrong["code"]) == (field, "repeated")


def test_a_refusal_does_not_repeat_what_was_sent(client: TestClient) -> None:
    answer = client.post("/things/7", json={"name": "cup", "size": "ada@example.com"})
    assert "ada" not in answer.text
    assert answer.json()["errors"] == [
        {"field": "size", "code": "int_type", "detail": "must be a whole number"}
    ]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=1&limit=2", "colour=red", "limit=1.5"]
)
def test_a_query_that_does_not_fit_is_refused_by_its_name(client: TestClient, query: str) -> None:
    answer = client.get(f"/things?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"query.{query.partition('=')[0]}")


def test_a_word_that_is_not_known_is_answered_by_those_that_are(client: TestClient) -> None:
    (error,) = client.get("/things?colour=red").json()["errors"]
    assert error["detail"].startswith("there is none of that name; there are ")
    assert set(error["detail"].rpartition("there are ")[2].split(", ")) == set(Page.model_fields)
    missing = client.post("/things/7").json()["detail"]
    assert missing.startswith("Send the body as JSON (`{}` where there is nothing to say)")


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({}, b'{"name": "cup", "size": 3}'),
        ({"content-type": "text/plain"}, b'{"name": "cup", "size": 3}'),
        ({"content-type": "application/json"}, b'{"name": "cup", "size": 3'),
        ({"content-type": "application/json"}, b'{"name": "\xff", "size": 3}'),
        ({"content-type": "application/json"}, b""),
    ],
)
def test_a_body_is_json_and_says_so(
    client: TestClient, headers: dict[str, str], content: bytes
) -> None:
    """A web page of somebody else can make a browser send text, but not JSON without asking."""
    assert client.post("/things/7", headers=headers, content=content).status_code == 422


def test_json_may_name_its_encoding(client: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = client.post("/things/7", headers=headers, content=b'{"name": "cup", "size": 3}')
    assert answer.status_code == 201


def test_a_body_has_a_limit(client: TestClient) -> None:
    thing = {"name": "x" * MAX_BODY, "size": 3}
    assert client.post("/things/7", json=thing).status_code == 413


def test_a_problem_says_what_and_why(client: TestClient) -> None:
    answer = problem(OutOfStock("3 of MUG missing."), 409)
    assert answer.media_type == "application/problem+json"
    assert bytes(answer.body) == (
        b'{"type":"urn:ledger:problem:out_of_stock",'
        b'"title":"There is not enough stock for every line.","status":409,'
        b'"detail":"3 of MUG missing.","code":"out_of_stock"}'
    )


def test_a_problem_names_the_fields_and_their_bounds() -> None:
    wrong = FieldError("amount_minor", "out_of_range", "must be from 1 to 5.", 9, 1, 5, "gbp")
    answer = json.loads(bytes(problem(InvalidCommand("No.", wrong), 422).body))
    assert answer["errors"] == [wrong._asdict()]
    Problem.model_validate(answer)


def test_an_error_without_a_detail_says_its_title() -> None:
    title = (
        b"The database cannot be reached just now; try again, with the same idempotency key or id."
    )
    assert b'"detail":"%b"' % title in bytes(problem(StoreUnavailable(), 503).body)
    assert code(StoreUnavailable) == "store_unavailable"
