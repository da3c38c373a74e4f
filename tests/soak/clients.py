"""Clients that try again until they are answered, and remember what was acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple
from uuid import uuid4

from simulator import SimulatedStripe, sign
from simulator.traffic import traffic
from tests.soak.services import SECRET, World

PATIENCE_SECONDS: Final = 20
"""Longer than any deadline of the service; what lasts longer is sent again as well."""

PAUSE_SECONDS: Final = 0.02
SKUS: Final = tuple(f"SKU-{n}" for n in range(6))
PRICE_MINOR: Final = 1250
WEBHOOK_CLIENTS: Final = 2
COMMAND_CLIENTS: Final = 1
AGAIN: Final = {"conflict", "store_unavailable", "not_caught_up"}
"""Codes of refusals that say: send the same again."""

WEBHOOK: Final = "webhook"


class Entry(NamedTuple):
    """What an acknowledgement promises: one event in this stream, of this kind."""

    stream: str
    kind: str


class Call(NamedTuple):
    """A request, made afresh for each attempt since a signature has the time; its promise."""

    send: Callable[[], tuple[str, str, bytes, dict[str, str]]]
    promise: Callable[[Any], Entry]


class Acknowledged:
    """All that was acknowledged, by whom and when; shared by the clients."""

    def __init__(self, services: int) -> None:
        self._lock = Lock()
        self._entries: Counter[Entry] = Counter()
        self._last = [0.0] * services
        self.refusals: list[str] = []

    def add(self, service: int, entry: Entry) -> None:
        with self._lock:
            self._entries[entry] += 1
            self._last[service] = time.monotonic()

    def entries(self) -> Counter[Entry]:
        with self._lock:
            return self._entries.copy()

    def counts(self) -> tuple[int, int]:
        """How many webhooks and how many commands."""
        with self._lock:
            webhooks = sum(n for entry, n in self._entries.items() if entry.kind == WEBHOOK)
            return webhooks, self._entries.total() - webhooks

    def last(self, service: int) -> float:
        """When this service acknowledged anything the last time, by the monotonic clock."""
        return self._last[service]


class Client:
    """Sends to a service of its own first; what is not acknowledged goes to the next one."""

    def __init__(
        self, ports: Sequence[int], first: int, calls: Generator[Call, Any], known: Acknowledged
    ) -> None:
        self._ports = ports
        self._first = first
        self._calls = calls
        self._known = known
        self._stop = Event()
        self.ended_well = False
        self.thread = Thread(target=self._run, daemon=True)

    def stop(self) -> None:
        """Finish the call in hand, and begin no other one."""
        self._stop.set()

    def _run(self) -> None:
        call = next(self._calls)
        while True:
            answer = self.until_acknowledged(call)
            if answer is None:
                return
            if self._stop.wait(PAUSE_SECONDS):
                self.ended_well = True
                return
            call = self._calls.send(answer)

    def until_acknowledged(self, call: Call) -> Any:
        """The answer's document; None where the call was refused, which ends this client."""
        service = self._first
        while True:
            status, text = self._attempt(self._ports[service], call)
            if status in {200, 201}:
                document = json.loads(text)
                self._known.add(service, call.promise(document))
                return document
            if status is not None and not _is_temporary(text):
                self._known.refusals.append(f"{status} {text[:300]}")
                return None
            service = (service + 1) % len(self._ports)
            time.sleep(PAUSE_SECONDS)

    def _attempt(self, port: int, call: Call) -> tuple[int | None, str]:
        caller = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        with closing(caller):
            try:
                caller.request(*call.send())
                answer = caller.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException):
                return None, ""


def _is_temporary(text: str) -> bool:
    try:
        return json.loads(text)["code"] in AGAIN
    except (ValueError, KeyError, TypeError):
        return False


def webhooks(seed: str) -> Generator[Call, Any]:
    """The events of a busy Stripe account without end, each signed when it is sent."""
    for event in traffic(SimulatedStripe(seed)):

        def send(body: bytes = event.body) -> tuple[str, str, bytes, dict[str, str]]:
            header = sign(body, SECRET, int(time.time()))
            return "POST", "/webhooks/stripe", body, {"Stripe-Signature": header}

        def promise(_: Any, stream: str = f"stripe/{event.id}") -> Entry:
            return Entry(stream, WEBHOOK)

        yield Call(send, promise)


def commands(seed: str, token: str) -> Generator[Call, Any]:
    """Orders whose ids the service gives, every second one canceled, and units counted in.

    None of the three is the same when done twice: only its key makes a second attempt harmless.
    """
    chance = random.Random(seed)
    for number in count():
        sku = chance.choice(SKUS)
        line = {"sku": sku, "name": sku, "quantity": 1, "unit_minor": PRICE_MINOR}
        order = {"currency": "gbp", "lines": [line]}
        placed = yield _command(
            token, "/orders", order, lambda answer: Entry(f"order/{answer['id']}", "order.placed")
        )
        canceled = Entry(f"order/{placed['id']}", "order.canceled")
        if number % 2:
            path = f"/orders/{placed['id']}/cancel"
            yield _command(token, path, {}, lambda _, entry=canceled: entry)
        received = Entry(f"stock/{sku}", "stock.received")
        path = f"/stock/{sku}/receive"
        yield _command(token, path, {"quantity": 1}, lambda _, entry=received: entry)


def _command(
    token: str, path: str, body: object, promise: Callable[[Any], Entry], method: str = "POST"
) -> Call:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": uuid4().hex,
    }
    content = json.dumps(body).encode()
    return Call(lambda: (method, path, content, headers), promise)


def _shelf(token: str) -> Generator[Call, Any]:
    """The products, with more units than will be sold."""
    for sku in SKUS:
        product = {"name": sku, "prices": {"gbp": PRICE_MINOR}}
        listed = Entry(f"stock/{sku}", "stock.product_listed")
        received = Entry(f"stock/{sku}", "stock.received")
        yield _command(token, f"/products/{sku}", product, lambda _, e=listed: e, "PUT")
        path = f"/stock/{sku}/receive"
        yield _command(token, path, {"quantity": 10**6}, lambda _, e=received: e)


def fill_shelves(world: World, known: Acknowledged) -> None:
    """List the products and count their first units in, before any fault."""
    calls = _shelf(world.token)
    client = Client(world.ports, 0, calls, known)
    for call in calls:
        assert client.until_acknowledged(call) is not None, known.refusals


@contextmanager
def load(world: World, known: Acknowledged) -> Generator[None]:
    """Clients at every service for the block; each finishes at its end what it has in hand."""
    clients = [
        Client(world.ports, service, calls, known)
        for service in range(len(world.ports))
        for calls in (
            *(webhooks(f"soak-{service}-{n}") for n in range(WEBHOOK_CLIENTS)),
            *(commands(f"{service}-{n}", world.token) for n in range(COMMAND_CLIENTS)),
        )
    ]
    for client in clients:
        client.thread.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop()
        deadline = time.monotonic() + 5 * PATIENCE_SECONDS
        for client in clients:
            client.thread.join(max(0, deadline - time.monotonic()))
    assert all(client.ended_well for client in clients), (
        known.refusals or "a client went unanswered"
    )
