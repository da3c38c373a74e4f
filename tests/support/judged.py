"""A client whose every answer must be what the API's document says of its operation."""

import json
import re
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import jsonschema_rs
from httpx2 import Response
from starlette.testclient import TestClient

from api.openapi import describe
from api.operations import operations
from app.asgi import STATUSES, routes

DOCUMENT = describe(routes, "Ledger", "0", STATUSES)
EVERYWHERE = {400, 404, 405, 421, 500}
"""What a call is answered that no operation takes, and where something broke: plain problems."""


_COMPONENT = re.compile(r'"#/components/schemas/([^"]+)"')


class Operation(NamedTuple):
    """An operation of the document, and the paths that are its own."""

    method: str
    paths: re.Pattern[str]
    path: str

    @property
    def answers(self) -> dict[str, Any]:
        """What the document says of its answers, by status."""
        return DOCUMENT["paths"][self.path][self.method.lower()]["responses"]


OPERATIONS = [
    Operation(method, route.path_regex, route.path_format)
    for route, method, _ in operations(routes)
]


class JudgedClient(TestClient):
    """A client in the service's process; raises where an answer is not as the document says."""

    def request(self, method: str, url: Any, **more: Any) -> Response:
        """Call, and judge the answer."""
        answer = super().request(method, url, **more)
        judge(method.upper(), answer.request.url.path, answer)
        return answer


def judge(method: str, path: str, answer: Response) -> None:
    """Raise where an answer of an operation is not what the document says."""
    operation = operation_of(method, path)
    if operation is None:
        return
    status = str(answer.status_code)
    told = operation.answers.get(status)
    if told is None:
        assert answer.status_code in EVERYWHERE, f"{method} {path} answers {status}, undocumented"
        return
    kind = answer.headers.get("content-type", "").partition(";")[0]
    content = told.get("content", {})
    assert kind in content or not answer.content, f"{method} {path} {status} sends {kind}"
    if kind.endswith("json") and "schema" in content.get(kind, {}):
        found = errors(operation.path, operation.method, status, kind, answer.json())
        assert not found, f"{method} {path} {status} is not as documented: {found}"


def operation_of(method: str, path: str) -> Operation | None:
    """The first operation whose path this is, as the service looks for it."""
    return next((o for o in OPERATIONS if o.method == method and o.paths.match(path)), None)


def errors(path: str, method: str, status: str, kind: str, value: Any) -> list[str]:
    """Where a value is not as the schema says, at most three places."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    found = _validator(json.dumps(responses[status]["content"][kind]["schema"])).iter_errors(value)
    return [f"{list(e.instance_path)}: {e.message[:300]}" for e in islice(found, 3)]


@cache
def _validator(schema: str) -> Any:
    """The validator of a schema, which many answers share, with the components that it needs.

    One of all components takes 3 MB and 15 ms to make.
    """
    needed: dict[str, Any] = {}
    unread = [schema]
    while unread:
        for name in _COMPONENT.findall(unread.pop()):
            if name not in needed:
                needed[name] = DOCUMENT["components"]["schemas"][name]
                unread.append(json.dumps(needed[name]))
    whole = json.loads(schema) | {"components": {"schemas": needed}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
