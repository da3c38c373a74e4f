"""A cheap load generator: ready-made requests over keep-alive connections, one event loop.

It shares the machine with what it measures, so it does next to nothing: a connection writes bytes
made beforehand, waits for the whole answer, notes the time, and writes the next.
"""

import asyncio
import gc
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple, cast

import uvloop

from benchmarks.measuring import RATE, Sample
from benchmarks.processes import HOST

CONNECTIONS: Final = 64
LIMIT_SECONDS: Final = 300
_LENGTH: Final = re.compile(rb"^content-length: (\d+)", re.IGNORECASE | re.MULTILINE)


class Load(NamedTuple):
    """What a load gave: a rate, times from request to answer, and how many answers of each kind.

    A kind is the HTTP status and, for a refusal, the code of its problem document.
    """

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answers: dict[str, int]

    def sample(self) -> Sample:
        """The quantities of one repetition."""
        return {RATE: self.per_second, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms}


def request(method: str, path: str, body: bytes, **headers: str) -> bytes:
    """The bytes of an HTTP/1.1 request with a JSON body; `_` in a header's name is `-`."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        "User-Agent: ledger-bench",
        "Accept: */*",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def fire(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Load:
    """Send all requests over so many connections, each as soon as the one before is answered."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_fire(port, requests, connections))
    finally:
        gc.enable()
        gc.unfreeze()


def percentile(sorted_values: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    return sorted_values[max(0, -(-len(sorted_values) * percent // 100) - 1)]


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, todo: Iterator[bytes], times: list[float], answers: Counter[str]) -> None:
        self.finished = asyncio.get_running_loop().create_future()
        self._todo = todo
        self._times = times
        self._answers = answers
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def call(self) -> None:
        """Send the next request, or finish."""
        request = next(self._todo, None)
        if request is None:
            self.finished.set_result(None)
            self._transport.close()
        else:
            self._sent = perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        kind = _kind_if_whole(self._received)
        if kind is not None:
            self._times.append(perf_counter() - self._sent)
            self._answers[kind] += 1
            self._received = b""
            self.call()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("closed before the answer"))


async def _fire(port: int, requests: Sequence[bytes], connections: int) -> Load:
    loop = asyncio.get_running_loop()
    todo, times, answers = iter(requests), list[float](), Counter[str]()
    callers: list[_Caller] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        for _ in range(connections):
            make = partial(_Caller, todo, times, answers)
            callers.append((await loop.create_connection(make, HOST, port))[1])
        started = perf_counter()
        for caller in callers:
            caller.call()
        await asyncio.gather(*(caller.finished for caller in callers))
    seconds = perf_counter() - started
    times.sort()
    p50, p95, p99 = (1000 * percentile(times, percent) for percent in (50, 95, 99))
    return Load(len(times) / seconds, p50, p95, p99, dict(answers))


def _kind_if_whole(answer: bytes) -> str | None:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return None
    length = _LENGTH.search(head)
    assert length is not None, head
    if len(body) < int(length[1]):
        return None
    status = head[9:12].decode()
    return status if status < "400" else f"{status} {json.loads(body)['code']}"
