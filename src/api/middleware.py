"""The outermost layer of the service: which requests it accepts, and headers of every answer.

Pure ASGI, a few microseconds a call: every signed webhook passes through here.
"""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from os import urandom
from typing import Final

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.operations import Problem
from ledger.postgres.failures import told
from ledger.telemetry import where

HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")
"""For names that others call us by: a year of nothing but TLS. A browser heeds it over TLS only."""

LOOPBACK: Final = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
BROKEN: Final = "Something broke; the log of the service says more."
_REQUEST_ID: Final = re.compile(rb"[\w.:-]{1,128}")
_PORT: Final = re.compile(rb":\d+$")

logger = structlog.get_logger(__name__)


def http_problem(status: int, detail: str) -> JSONResponse:
    """Problem details (RFC 9457) of a plain HTTP status, which needs no type of its own."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(
        type="about:blank",
        title=phrase,
        status=status,
        detail=detail,
        code=phrase.lower().replace(" ", "_"),
    )
    return JSONResponse(
        problem.model_dump(exclude={"errors"}), status, media_type="application/problem+json"
    )


def broken(_scope: Scope) -> Response:
    """What a caller reads where something failed that should not."""
    return http_problem(500, BROKEN)


class RequestMiddleware:
    """Refuses foreign hosts, names every request, adds headers, and answers for what broke.

    `broken` makes that answer, after the failure was logged.

    A request keeps the `X-Request-Id` that it brings, or gets one; the endpoint sees it as if the
    caller had sent it, so that log, events and answer name the same.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str], broken: Callable[[Scope], Response] = broken
    ) -> None:
        self.app = app
        self.broken = broken
        self.hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call through, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host, request_id = _read_headers(scope)
        headers = [*HEADERS, (b"x-request-id", request_id)]
        if host not in LOOPBACK:
            headers.append(HTTPS_ONLY)
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name for name, _ in message["headers"]}
                ours = [header for header in headers if header[0] not in given]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            refused = http_problem(400, "The call names several hosts; which one is meant?")
            await refused(scope, receive, answer)
            return
        if host not in self.hosts:
            refused = http_problem(
                421, "This service does not answer for that host name; LEDGER_HOSTS says for which."
            )
            await refused(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            _report(scope, error)
            if started:
                raise
            await self.broken(scope)(scope, receive, answer)


def _read_headers(scope: Scope) -> tuple[bytes, bytes]:
    """Host (without a port) and request id; a call that brings no proper id is given one."""
    host = given = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = _PORT.sub(b"", value.lower())
        elif name == b"x-request-id":
            given = value
    if _REQUEST_ID.fullmatch(given):
        return host, given
    request_id = urandom(16).hex().encode()
    kept = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    scope["headers"] = [*kept, (b"x-request-id", request_id)]
    return host, request_id


def _report(scope: Scope, error: Exception) -> None:
    """Name the route, not the path: that may hold a customer's id."""
    logger.error(
        "request_failed",
        method=scope["method"],
        route=getattr(scope.get("route"), "path", None),
        error=told(error),
        where=where(error),
    )
