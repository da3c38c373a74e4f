"""Calls of the service's own API, within the process: no socket, the same checks and records."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlencode
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.auth import SESSION

T = TypeVar("T")
_KEPT: Final = (b"host", b"user-agent", b"x-request-id")


class Problem(Exception):
    """The API refused: an HTTP status and a problem document (RFC 9457), with the wrong fields."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code: str = document.get("code", "")
        self.title: str = document.get("title", "")
        self.detail: str = document.get("detail", "")
        self.errors: list[dict[str, Any]] = document.get("errors", [])
        super().__init__(f"{status} {self.code}: {self.detail}")


class Api:
    """The API as one who signed in may use it; raises `Problem` where it refuses."""

    def __init__(self, request: Request, token_id: str | None) -> None:
        self._request = request
        self._token_id = token_id

    async def get(self, path: str, **query: Any) -> Any:
        """Read something; a query's value of None or '' is left out, `from_` means `from`."""
        return await self._call("GET", path, _query(query))

    async def whose(self, token: str) -> Any:
        """Read who holds a token: the answer of `GET /me`."""
        bearer = b"Bearer " + token.encode("ascii", "replace")
        return await self._call("GET", "/me", "", headers=[(b"authorization", bearer)])

    async def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Any:
        """Do something; `key` makes a repeat of it harmless."""
        return await self._send("POST", path, body, key)

    async def put(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Any:
        """Say what something is; `key` makes a repeat of it harmless."""
        return await self._send("PUT", path, body, key)

    async def delete(self, path: str, *, key: str | None = None, **query: Any) -> Any:
        """Take something back; `key` makes a repeat of it harmless."""
        headers = [(b"idempotency-key", key.encode())] if key else []
        return await self._call("DELETE", path, _query(query), headers=headers)

    async def forward(self, path: str, query: str, receive: Receive, send: Send) -> None:
        """Hand on a whole answer as it comes, such as a download."""
        await self._request.app(self._scope("GET", path, query, []), receive, send)

    async def _send(self, method: str, path: str, body: Mapping[str, Any], key: str | None) -> Any:
        headers = [(b"content-type", b"application/json")]
        headers += [(b"idempotency-key", key.encode())] if key else []
        return await self._call(method, path, "", msgspec.json.encode(body), headers)

    async def _call(
        self,
        method: str,
        path: str,
        query: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> Any:
        status, answer = 0, bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                answer.extend(message.get("body", b""))

        scope = self._scope(method, path, query, headers or [])
        await self._request.app(scope, receive, send)
        document = msgspec.json.decode(bytes(answer)) if answer else None
        if status >= 400:
            raise Problem(status, document or {})
        return document

    def _scope(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]]
    ) -> Scope:
        outer = self._request.scope
        kept = [header for header in outer["headers"] if header[0] in _KEPT]
        return {
            "type": "http",
            "asgi": outer.get("asgi", {"version": "3.0"}),
            "http_version": outer["http_version"],
            "method": method,
            "scheme": outer["scheme"],
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [*kept, (b"accept", b"application/json"), *headers],
            "client": outer["client"],
            "server": outer["server"],
            "state": dict(outer["state"]),
            SESSION: self._token_id,
        }


async def if_there(asked: Awaitable[T]) -> T | None:
    """What the API answers; None where it says that there is no such thing."""
    try:
        return await asked
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


def part(name: str) -> str:
    """An id as one part of a path; none with a slash in it reaches another path."""
    return quote(name.replace("/", "%2F"), safe="")


def new_key() -> str:
    """An idempotency key for a form: sent twice, it is done once."""
    return uuid4().hex


def _query(query: Mapping[str, Any]) -> str:
    given = {name.rstrip("_"): value for name, value in query.items() if value not in {None, ""}}
    return urlencode({n: str(v).lower() if isinstance(v, bool) else v for n, v in given.items()})
