"""Hostile callers: what no schema foresees, at whichever route, is answered as documented.

What can be made of the document itself is in `test_schemathesis.py`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from httpx2 import Response

from api.openapi import describe
from api.operations import MAX_BODY
from app.asgi import STATUSES, routes
from projections.engine.follow import Follower
from tests.acceptance.conftest import Service, verify_alone
from tests.support.junk import ODD_TEXTS

DOCUMENT = describe(routes, "Ledger", "0", STATUSES)


class Operation(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    described: dict[str, Any]

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """The schemas of its parameters in the path, query or header, by name."""
        given = self.described["parameters"]
        return {each["name"]: each["schema"] for each in given if each["in"] == place}

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its body, if it takes one."""
        content = self.described.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def url(self, **parts: str) -> str:
        """Its address, of something that is there or not."""
        known = {"id": "A1", "sku": "MUG", "position": "1"}
        return self.path.format_map(dict.fromkeys(self.parameters("path"), "x") | known | parts)

    def odd_urls(self, text: str) -> Iterator[str]:
        """Addresses with this text in the place of one part of the path or query."""
        odd = quote(text, safe="", errors="surrogatepass")
        if text and "/" not in text:
            yield from (self.url(**{name: odd}) for name in self.parameters("path"))
        yield from (f"{self.url()}?{name}={odd}" for name in [*self.parameters("query"), "colour"])


OPERATIONS = [
    Operation(method, path, described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
]

WRITES = [operation for operation in OPERATIONS if operation.body is not None]


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


# ── What a caller may send ──────────────────────────────────────────────────────────────────────

BODIES = {
    "nothing": b"",
    "half": b'{"reason": "a',
    "not UTF-8": b'{"reason": "\xff\xfe"}',
    "a lone surrogate": b'{"reason": "\\ud800"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "deep in a field": b'{"reason": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    "a key twice": b'{"reason": "a", "reason": "b"}',
    "a number of many digits": b'{"quantity": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"amount_minor": NaN}',
    "many keys": b"{" + b",".join(b'"k%d": 1' % n for n in range(10_000)) + b"}",
    "larger than the limit": b'{"reason": "' + b"x" * MAX_BODY + b'"}',
}
HEADERS = {
    "an absurd key": {b"idempotency-key": b"\xff" * 300},
    "an absurd request id": {b"x-request-id": b"\xc3\x28; drop"},
    "an absurd browser": {b"user-agent": bytes(range(0x20, 0x7F)) * 4},
    "no token": {b"authorization": b"Bearer \xff\xfe"},
}
JSON = "application/json"


# ── The laws ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_an_odd_text_anywhere_in_the_address_is_answered_as_documented(
    service: Service, operation: Operation
) -> None:
    for text in ODD_TEXTS:
        for url in operation.odd_urls(text):
            expect_documented(operation, service.client.request(operation.method, url))


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_an_odd_header_is_answered_as_documented(
    service: Service, operation: Operation, headers: dict[bytes, bytes]
) -> None:
    body = {} if operation in WRITES else None
    answer = service.client.request(operation.method, operation.url(), headers=headers, json=body)
    expect_documented(operation, answer)


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-7", ""])
@pytest.mark.parametrize("operation", WRITES, ids=name_of)
def test_a_body_of_another_kind_is_answered_as_documented(
    service: Service, operation: Operation, kind: str
) -> None:
    headers = {"content-type": kind}
    answer = service.client.request(
        operation.method, operation.url(), headers=headers, content=b"{}"
    )
    expect_documented(operation, answer)


def expect_documented(operation: Operation, answer: Response) -> None:
    """A status that the document names and no failure; errors are problem documents."""
    assert answer.status_code < 500, answer.text
    assert str(answer.status_code) in operation.described["responses"], answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["code"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("operation", WRITES, ids=name_of)
def test_a_body_that_is_absurd_is_refused_as_documented(
    service: Service, operation: Operation, body: bytes
) -> None:
    answer = service.client.request(
        operation.method, operation.url(), content=body, headers={"content-type": JSON}
    )
    expect_documented(operation, answer)
    if operation.path == "/webhooks/stripe":
        assert answer.status_code == 400, "what is not signed is not read"
    else:
        assert answer.status_code in ({413} if len(body) > MAX_BODY else {200, 202, 404, 409, 422})


def test_afterwards_everything_follows_and_is_proven(service: Service) -> None:
    """What was accepted of all this stopped nothing, and a rebuild says the same."""
    Follower(service.engine).catch_up()
    proof = verify_alone(service.engine)
    assert proof.holds, proof
