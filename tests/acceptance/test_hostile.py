"""Hostile callers: whatever is sent to whichever route, the answer is one that is documented."""

import json
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest
from httpx2 import Response
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ledger.app import STATUSES, routes
from ledger.openapi import MAX_BODY, describe
from projections.engine.follow import Follower
from projections.engine.verify import verify
from tests.acceptance.conftest import Service
from tests.support.json_schema import ODD_TEXTS, broken, fitting

DOCUMENT = describe(routes, "Ledger", "0", STATUSES)
EXAMPLES = 40


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
HEADERS = st.dictionaries(
    st.sampled_from(
        [b"idempotency-key", b"x-request-id", b"user-agent", b"authorization", b"cookie"]
    ),
    st.binary(max_size=300).filter(lambda text: not set(text) & set(b"\r\n\x00")),
    max_size=2,
)
JSON = "application/json"
CONTENT_TYPES = st.sampled_from([JSON] * 8 + ["text/plain", "application/json; charset=utf-7", ""])


class Call(NamedTuple):
    """What is sent."""

    url: str
    headers: dict[bytes, bytes]
    body: bytes | None


def calls(operation: Operation, names: list[str]) -> st.SearchStrategy[Call]:
    """Calls of an operation: proper, almost proper, and absurd."""
    paths = st.fixed_dictionaries(
        {name: _path_value(s, names) for name, s in operation.parameters("path").items()}
    )
    return st.builds(
        lambda path, query, headers, kind, body: Call(
            operation.path.format_map(path) + (f"?{query}" if query else ""),
            headers if body is None else headers | {b"content-type": kind.encode()},
            body,
        ),
        paths,
        _query(operation.parameters("query")),
        HEADERS,
        CONTENT_TYPES,
        st.none() if operation.body is None else _bodies(operation.body),
    )


def _path_value(schema: dict[str, Any], names: list[str]) -> st.SearchStrategy[str]:
    known = st.sampled_from(names)
    if schema["type"] == "integer":
        return st.integers(0).map(str) | st.just("9" * 40) | known.filter(str.isdigit)
    odd = ODD_TEXTS | st.text(max_size=300)
    sound = odd.filter(lambda text: text not in {"", ".", ".."} and "/" not in text)
    return known | known | sound.map(_quoted)


def _query(schemas: dict[str, dict[str, Any]]) -> st.SearchStrategy[str]:
    """A query string; `after` waits for what the log has, so the proper ones are small."""
    values = {
        name: (fitting(schema, DOCUMENT) | ODD_TEXTS).filter(lambda value: value is not None)
        for name, schema in schemas.items()
    }
    if "after" in values:
        values["after"] = st.integers(0, 3) | st.integers(10**6, 2**70) | ODD_TEXTS
    proper = st.fixed_dictionaries({}, optional=values).map(lambda each: list(each.items()))
    odd = st.lists(st.tuples(st.sampled_from([*schemas, "colour"]), ODD_TEXTS), max_size=3)
    return (proper | odd).map(lambda pairs: urlencode(pairs, errors="surrogatepass"))


def _bodies(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    fit = fitting(schema, DOCUMENT).map(_encoded)
    return fit | fit | broken(schema, DOCUMENT).map(_encoded) | st.binary()


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


# ── The laws ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_answer_is_documented_and_none_is_a_failure(
    service: Service, operation: Operation
) -> None:
    """Valid and invalid paths, queries, headers and bodies, for every route of the document."""

    @settings(max_examples=EXAMPLES, phases=[Phase.generate])
    @given(call=calls(operation, service.names))
    def check(call: Call) -> None:
        answer = service.client.request(
            operation.method, call.url, headers=call.headers, content=call.body
        )
        expect_documented(operation, answer)

    check()


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
    url = operation.path.format(id="A1", sku="MUG", check="x", reference="x")
    answer = service.client.request(
        operation.method, url, content=body, headers={"content-type": JSON}
    )
    expect_documented(operation, answer)
    assert answer.status_code in ({413} if len(body) > MAX_BODY else {200, 404, 409, 422})


def test_afterwards_everything_follows_and_is_proven(service: Service) -> None:
    """What was accepted of all this stopped nothing, and a rebuild says the same."""
    Follower(service.engine).catch_up()
    proof = verify(service.engine)
    assert proof.holds, proof
