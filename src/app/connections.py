"""Connections to the service: how many, how long each may keep us waiting, how much it may send.

Where all places are taken, the connection that we have waited for the longest is closed for the new
one: a flood of idle or half-sent calls keeps no caller out, and a call that arrived whole is never
given up.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from math import inf
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

CONNECTIONS: Final = 1_000
SPARE_FILES: Final = 200
"""Descriptors for what else there is: the log, the database, sockets that were just accepted."""

OF_ONE_ADDRESS: Final = 0.5
"""What share of the connections one address may have; a proxy's callers share its address."""

HEAD_BYTES: Final = 32 * 1024
"""A request's line and headers."""

BODY_BYTES: Final = 64 * 1024 * 1024
"""Bodies of all calls that are not answered yet."""

SWEEP_SECONDS: Final = 1.0
STALLED_SECONDS: Final = 60.0
"""How long a caller may take nothing of his answer."""

OPEN = Gauge("ledger_connections", "Connections to the service.")
CLOSED = Metric("ledger_connections_given_up", "Connections that were given up.", ["cause"])
for _cause in ("deadline", "room", "refused", "headers", "bodies", "stalled"):
    CLOSED.labels(_cause)

logger = structlog.get_logger(__name__)


class Phase(Enum):
    """What is waited for: a call, the rest of its headers, the rest of its body, our answer."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


SECONDS: Final = {Phase.IDLE: 5.0, Phase.HEAD: 10.0, Phase.BODY: 30.0, Phase.ANSWER: inf}
"""How long the other side may take in each phase; how long we may, the operation says."""


class Connections:
    """All connections of a process; `waiting` are those that we wait for, the longest first."""

    def __init__(self, room: int | None = None) -> None:
        self.room = _room() if room is None else room
        self.share = max(1, int(self.room * OF_ONE_ADDRESS))
        self.open: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}
        self.addresses: Counter[str] = Counter()
        self.body_bytes = 0
        self._sweeping = False

    def admit(self, newcomer: Connection) -> bool:
        """Take a connection in, in place of one that waits where there is no room."""
        if len(self.open) >= self.room and not self._make_room():
            return False
        address = newcomer.address
        if self.addresses[address] >= self.share and not self._make_room(address):
            return False
        self.open.add(newcomer)
        self.addresses[address] += 1
        OPEN.set(len(self.open))
        if not self._sweeping:
            self._sweeping = True
            newcomer.loop.call_later(SWEEP_SECONDS, self._sweep, newcomer.loop)
        return True

    def leave(self, gone: Connection) -> None:
        """Forget a connection; it may have been forgotten before."""
        if gone in self.open:
            self.open.remove(gone)
            self.waiting.pop(gone, None)
            self.addresses[gone.address] -= 1
            if not self.addresses[gone.address]:
                del self.addresses[gone.address]
            OPEN.set(len(self.open))
        self.give_back(gone)

    def hold(self, holder: Connection, size: int) -> None:
        """Count bytes of a body; where all hold too much, whose body waits the longest goes."""
        holder.held_bytes += size
        self.body_bytes += size
        while self.body_bytes > BODY_BYTES:
            unfinished = (each for each in self.waiting if each.held_bytes)
            if (longest := next(unfinished, None)) is None:
                return
            longest.give_up(HTTPStatus.SERVICE_UNAVAILABLE, "bodies")

    def give_back(self, holder: Connection) -> None:
        """A body is no longer held."""
        self.body_bytes -= holder.held_bytes
        holder.held_bytes = 0

    def _make_room(self, address: str | None = None) -> bool:
        """Close the one, of this address, that we wait for the longest; whether there was one."""
        for each in self.waiting:
            if address in {None, each.address}:
                each.give_up(None, "room")
                return True
        return False

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for each in list(self.open):
            each.look_at(now)
        self._sweeping = bool(self.open)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, with deadlines and limits."""

    def __init__(
        self,
        open_connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.open_connections = open_connections
        self.address = ""
        self.held_bytes = 0
        self._phase = Phase.HEAD
        self._since = self._stalled_since = 0.0
        self._head_bytes = self._headers_size = 0
        self._reads_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the caller in, or say that there is no room."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self.open_connections.admit(self):
            self._wait_for(Phase.HEAD)
        else:
            self.give_up(HTTPStatus.SERVICE_UNAVAILABLE, "refused")

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        self.open_connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; headers are counted as they come in, complete or not."""
        if self.transport.is_closing():
            return
        if not self._reads_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._reads_body and self._head_bytes > HEAD_BYTES:
            self.give_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers")

    def on_message_begin(self) -> None:
        """A request begins; behind another one it has no deadline before that is answered."""
        super().on_message_begin()
        self._headers_size = 0
        if self._phase is Phase.IDLE:
            self._wait_for(Phase.HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers by themselves too: a body may come with them, or trailers after it."""
        super().on_header(name, value)
        self._headers_size += len(name) + len(value)
        if self._headers_size > HEAD_BYTES:
            self.give_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers")

    def on_headers_complete(self) -> None:
        """The body comes next, within its deadline; none while a call before it is answered."""
        if self.transport.is_closing():
            return
        self._head_bytes, self._reads_body = 0, True
        if self._phase is not Phase.ANSWER:
            self._wait_for(Phase.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body, which counts until the call is answered."""
        if self.transport.is_closing() or self.cycle.response_complete:
            return
        super().on_body(body)
        self.open_connections.hold(self, len(body))

    def on_message_complete(self) -> None:
        """The call is whole: from now on it is us who keep the caller waiting."""
        self._head_bytes, self._reads_body = 0, False
        if self.transport.is_closing():
            return
        super().on_message_complete()
        if not self.cycle.response_complete:
            self._wait_for(Phase.ANSWER)

    def on_response_complete(self) -> None:
        """What comes next is up to the caller, unless more of his calls are here already."""
        self.open_connections.give_back(self)
        others = len(self.pipeline)
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if not others:
            self._wait_for(Phase.IDLE)
        elif others == 1 and self.cycle.more_body:
            self._wait_for(Phase.BODY)

    def pause_writing(self) -> None:
        """The caller takes nothing of the answer for now."""
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        """The caller takes some of the answer."""
        super().resume_writing()
        self._stalled_since = 0.0

    def look_at(self, now: float) -> None:
        """Give it up where it keeps us waiting for too long."""
        if self._stalled_since and now - self._stalled_since > STALLED_SECONDS:
            self.give_up(None, "stalled")
        elif now - self._since > SECONDS[self._phase]:
            quiet = self._phase is Phase.IDLE
            self.give_up(None if quiet else HTTPStatus.REQUEST_TIMEOUT, "deadline")

    def give_up(self, status: HTTPStatus | None, cause: str) -> None:
        """Hang up, with an answer where there is a status and none has begun."""
        self.open_connections.leave(self)
        if self.transport.is_closing():
            return
        CLOSED.labels(cause).inc()
        logger.debug("connection_given_up", cause=cause)
        begun = self.cycle is not None and self.cycle.response_started  # pyright: ignore[reportUnnecessaryComparison] - None until the first call
        if status is None or (begun and not self.cycle.response_complete):
            self.transport.abort()
            return
        self.transport.write(_answer(status))
        self.transport.close()

    def _wait_for(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        self.open_connections.waiting.pop(self, None)
        if phase is not Phase.ANSWER and self in self.open_connections.open:
            self.open_connections.waiting[self] = None


def _answer(status: HTTPStatus) -> bytes:
    """A problem document (RFC 9457); the connection ends with it."""
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": status.description or status.phrase,
        "code": status.phrase.lower().replace(" ", "_"),
    }
    body = msgspec.json.encode(problem)
    retry = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n"
        f"{retry}cache-control: no-store\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def _room() -> int:
    """How many connections there is room for, after asking the system for more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(1, min(CONNECTIONS, soft - SPARE_FILES))
