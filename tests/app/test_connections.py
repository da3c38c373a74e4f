"""Floods on loopback, all bounded: callers that keep the service waiting make room for others."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app import connections
from app.connections import SECONDS, Connection, Connections, Phase
from tests.support.waiting import wait_for

ROOM = 20
HOST = "127.0.0.1"


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def size(request: Request) -> Response:
    taken: list[bytes] = [chunk async for chunk in request.stream()]
    return PlainTextResponse(str(sum(map(len, taken))))


async def too_large(_: Request) -> Response:
    return PlainTextResponse("too large", 413)


async def slow(_: Request) -> Response:
    async def numbers() -> AsyncGenerator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0.1)
            yield b"x"

    return StreamingResponse(numbers())


async def endless(_: Request) -> Response:
    async def much() -> AsyncGenerator[bytes]:
        while True:
            await asyncio.sleep(0)  # who hung up is noticed
            yield b"x" * 65536

    return StreamingResponse(much())


ROUTES = [
    Route("/hello", hello),
    Route("/size", size, methods=["POST"]),
    Route("/too-large", too_large, methods=["POST"]),
    Route("/slow", slow),
    Route("/endless", endless),
]


class Served:
    """A service with room for few, and sockets that its callers hold."""

    def __init__(self, port: int, connections: Connections, stack: ExitStack) -> None:
        self.port = port
        self.connections = connections
        self._stack = stack

    def connect(self, said: bytes = b"") -> socket.socket:
        caller = self._stack.enter_context(socket.create_connection((HOST, self.port), timeout=20))
        caller.sendall(said)
        return caller

    def hello(self) -> tuple[int, bytes]:
        return self.call("GET", "/hello")

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=20)) as caller:
            caller.request(method, path, body, headers)
            answer = caller.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Connections(ROOM)) as served:
        yield served


@contextmanager
def serving(connections: Connections) -> Iterator[Served]:
    given = partial(Connection, connections)
    config = uvicorn.Config(
        Starlette(routes=ROUTES),
        http=given,  # pyright: ignore[reportArgumentType] - called, as a class would be
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        wait_for(lambda: server.started)
        yield Served(listener.getsockname()[1], connections, stack)


def ended(caller: socket.socket) -> bytes:
    """What came until the service hung up."""
    taken = b""
    try:
        while part := caller.recv(65536):
            taken += part
    except ConnectionResetError:
        pass
    return taken


def soon(monkeypatch: pytest.MonkeyPatch, phase: Phase) -> None:
    """A short deadline, looked for often; what is true does not rest on how short it is."""
    monkeypatch.setitem(SECONDS, phase, 0.3)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.05)


HEAD = b"GET /hello HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


# ── How many ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "said",
    [b"", b"G", HEAD, POST % 100, POST % 100 + b"x" * 99],
    ids=["nothing", "a letter", "half a head", "no body", "half a body"],
)
def test_who_keeps_us_waiting_makes_room_for_who_comes(served: Served, said: bytes) -> None:
    """However many there are, and however little of a call they send."""
    idle = [served.connect(said) for _ in range(3 * ROOM)]
    for _ in range(3):
        assert served.hello() == (200, b"hello")
    assert len(served.connections.open) <= ROOM
    assert ended(idle[0]) == b"", "the first one to come was the first one to go"


def test_who_is_being_answered_goes_on(served: Served) -> None:
    busy = served.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    busy.recv(1)
    for _ in range(3 * ROOM):
        served.connect()
    assert ended(busy).count(b"1\r\nx\r\n") == 10


def test_where_all_are_busy_the_next_one_is_told_to_come_again(served: Served) -> None:
    for _ in range(ROOM // 2):
        served.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").recv(1)
    answer = ended(served.connect(HEAD + b"\r\n"))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after" in answer
    assert b"application/problem+json" in answer


def test_one_address_takes_no_more_than_its_share(served: Served) -> None:
    connections = served.connections
    for _ in range(3 * ROOM):
        served.connect()
    wait_for(lambda: connections.addresses[HOST] == ROOM // 2)
    assert len(connections.open) == ROOM // 2


def test_nothing_is_counted_once_all_are_gone(served: Served) -> None:
    with ExitStack() as callers:
        for said in (b"", HEAD, POST % 100 + b"x" * 50):
            callers.enter_context(served.connect(said))
        served.hello()
    connections = served.connections
    wait_for(lambda: not connections.open)
    assert (dict(connections.waiting), dict(connections.addresses), connections.body_bytes) == (
        {},
        {},
        0,
    )


# ── How long ────────────────────────────────────────────────────────────────────────────────────


def test_headers_that_come_byte_by_byte_have_a_deadline(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(monkeypatch, Phase.HEAD)
    caller = served.connect(HEAD)
    caller.settimeout(0.02)
    taken = b""
    deadline = time.monotonic() + 60
    while not taken:
        assert time.monotonic() < deadline
        caller.sendall(b"a: b\r\n")
        try:
            taken = caller.recv(4096)
        except TimeoutError:
            continue
    assert taken.startswith(b"HTTP/1.1 408 ")


def test_who_says_nothing_at_all_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(monkeypatch, Phase.HEAD)
    assert ended(served.connect()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("after", [b"", b"\r\n" * 3], ids=["silence", "empty lines"])
def test_who_says_nothing_after_an_answer_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch, after: bytes
) -> None:
    soon(monkeypatch, Phase.IDLE)
    caller = served.connect(HEAD + b"\r\n")
    assert caller.recv(4096).startswith(b"HTTP/1.1 200 ")
    caller.sendall(after)
    assert ended(caller) == b""


def test_a_body_has_a_deadline(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    soon(monkeypatch, Phase.BODY)
    assert ended(served.connect(POST % 100 + b"x" * 99)).startswith(b"HTTP/1.1 408 ")
    wait_for(lambda: served.connections.body_bytes == 0)


def test_an_answer_has_none_whatever_is_waiting_behind_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the next call's headers or body have begun."""
    for phase in (Phase.IDLE, Phase.HEAD, Phase.BODY):
        soon(monkeypatch, phase)
    long = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    for behind in (b"", HEAD, POST % 3 + b"x"):
        answer = ended(served.connect(long + behind))
        assert answer.count(b"1\r\nx\r\n") == 10


def test_who_takes_nothing_of_his_answer_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.3)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.05)
    served.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_for(lambda: bool(served.connections.open))
    wait_for(lambda: not served.connections.open)


# ── How much ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "more",
    [b"a: b\r\n", b"a: " + b"b" * 1000 + b"\r\n", b"c" * 1000],
    ids=["small headers", "larger headers", "one header without an end"],
)
def test_headers_are_limited(served: Served, more: bytes) -> None:
    """A hundred megabytes are sent; the answer comes long before, and nothing is kept."""
    caller = served.connect(HEAD + (b"d: " if b":" not in more else b""))
    sent = 0
    with suppress(ConnectionError):
        while sent < 100_000_000:
            sent += caller.send(more * (65536 // len(more)))
    assert sent < 50_000_000, "what the kernels of both sides take, and no more"
    assert served.hello() == (200, b"hello")


def test_a_long_line_is_refused_too(served: Served) -> None:
    status, _ = served.call("GET", "/hello?" + "x" * 20_000)
    assert status == 200
    answer = ended(served.connect(b"GET /hello?" + b"x" * 40_000))
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


def test_headers_that_come_with_a_body_are_counted_by_themselves(served: Served) -> None:
    assert served.call("POST", "/size", b"x" * 500_000) == (200, b"500000")
    assert served.call("POST", "/size", b"x" * 500_000, a="b" * 30_000) == (200, b"500000")


def test_of_many_bodies_those_that_wait_longest_go(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 unfinished ones of a megabyte each would be 400 MB; calls that arrive whole pass."""
    monkeypatch.setattr(connections, "BODY_BYTES", 400_000)
    large = POST % 100_000
    first = [served.connect(large + b"x" * 99_999) for _ in range(3)]
    wait_for(lambda: served.connections.body_bytes == 3 * 99_999)
    for _ in range(4):
        served.connect(large + b"x" * 99_999)
    for caller in first:
        assert ended(caller).startswith(b"HTTP/1.1 503 ")
    assert served.connections.body_bytes <= 400_000
    assert served.call("POST", "/size", b"x" * 100_000) == (200, b"100000")


def test_a_call_that_is_answered_early_still_gets_its_answer(served: Served) -> None:
    """A client may send all of its body before it listens."""
    assert served.call("POST", "/too-large", b"x" * 5_000_000) == (413, b"too large")


def test_calls_of_one_connection_are_answered_in_their_order(served: Served) -> None:
    calls = HEAD + b"\r\n" + POST % 3 + b"abc" + HEAD + b"Connection: close\r\n\r\n"
    bodies = [part.rpartition(b"\r\n")[2] for part in ended(served.connect(calls)).split(b"HTTP/")]
    assert bodies[1:] == [b"hello", b"3", b"hello"]


def test_the_limits_leave_room_for_files_and_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    limit: Callable[[int], tuple[int, int]] = lambda _: (256, 4096)  # noqa: E731 - one line says it
    monkeypatch.setattr("resource.getrlimit", limit)
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    assert Connections().room == connections.CONNECTIONS
    assert asked == [(connections.CONNECTIONS + connections.SPARE_FILES, 4096)]
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 256))
    assert Connections().room == 256 - connections.SPARE_FILES
