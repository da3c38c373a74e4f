"""The outermost layer: hosts, request ids, headers, and what broke."""

import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api.middleware import HEADERS, RequestMiddleware


def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.headers["x-request-id"])


def _break(_: Request) -> PlainTextResponse:
    raise ValueError("ada@example.com")


async def _half() -> AsyncIterator[bytes]:
    yield b"half"
    raise ValueError("ada@example.com")


def _break_late(_: Request) -> StreamingResponse:
    return StreamingResponse(_half())


@pytest.fixture
def client() -> TestClient:
    app = Starlette(
        routes=[Route("/", _echo), Route("/broken/{id}", _break), Route("/late", _break_late)],
        middleware=[
            Middleware(
                RequestMiddleware, hosts=["127.0.0.1", "localhost", "[::1]", "Shop.example.com"]
            )
        ],
    )
    return TestClient(app, base_url="http://127.0.0.1:8420")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8420", "LOCALHOST", "[::1]:8420"])
def test_our_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1]x", "", "::1"])
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    """A page that made its own name point here (DNS rebinding) gets nothing."""
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "misdirected_request"
    assert "LEDGER_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("second", ["127.0.0.1", "evil.example"])
def test_a_call_for_two_hosts_is_refused(client: TestClient, second: str) -> None:
    """A proxy before us may have gone by the one, and we by the other."""
    answer = client.get("/", headers=[("host", "127.0.0.1"), ("host", second)])
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/missing", "/broken"):
        answer = client.get(path)
        assert all(answer.headers[name.decode()] == value.decode() for name, value in HEADERS)
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("host", "only"), [("shop.example.com", True), ("SHOP.example.com:443", True), ("[::1]", False)]
)
def test_who_calls_us_by_a_public_name_shall_do_so_over_tls(
    client: TestClient, host: str, *, only: bool
) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 200
    assert ("strict-transport-security" in answer.headers) == only


def test_the_callers_request_id_is_kept(client: TestClient) -> None:
    answer = client.get("/", headers={"x-request-id": "shop-7:a.b_c"})
    assert answer.headers["x-request-id"] == answer.text == "shop-7:a.b_c"


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "line\tfeed"])
def test_any_other_is_replaced_and_the_endpoint_sees_the_new_one(
    client: TestClient, given: str | None
) -> None:
    answer = client.get("/", headers={} if given is None else {"x-request-id": given})
    assert len(answer.text) == 32
    assert answer.headers["x-request-id"] == answer.text != given


def test_two_requests_have_two_ids(client: TestClient) -> None:
    assert client.get("/").text != client.get("/").text


def test_what_breaks_is_logged_with_its_place_and_answered_without_details(
    client: TestClient,
) -> None:
    with capture_logs() as logs:
        answer = client.get("/broken/ada@example.com", headers={"x-request-id": "r9"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_server_error"
    (line,) = logs
    assert (line["event"], line["error"], line["route"]) == (
        "request_failed",
        "ValueError",
        "/broken/{id}",
    )
    assert "test_middleware.py" in line["where"][-1]
    assert "ada@example.com" not in json.dumps(logs) + answer.text


def test_what_breaks_half_way_cuts_the_answer_off(client: TestClient) -> None:
    """Half an answer must not look like a whole one."""
    with capture_logs() as logs, pytest.raises(ValueError, match="ada"):
        client.get("/late")
    assert logs[0]["event"] == "request_failed"
