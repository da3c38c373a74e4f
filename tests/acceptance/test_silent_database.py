"""A database that is silent, not gone: every surface answers within its deadline, and recovers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any, NamedTuple, Self

import psycopg
import pytest
import uvicorn
from pydantic import SecretStr

from app.asgi import create_app
from app.health import MEMORY_SECONDS
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from ledger.tokens import issue
from simulator import SimulatedStripe, sign
from tests.support.proxy import Proxy, before
from tests.support.servers import Server, short_lived_home
from tests.support.waiting import wait_for

SECRET = "whsec_of_the_silence"
WRITE, READ = 1.0, 2.0
PATIENT = 30.0
"""How long a caller here waits: far beyond every deadline, so that only a hang fails the test."""

JSON = {"Content-Type": "application/json"}
ORDER = {
    "currency": "gbp",
    "lines": [{"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1250}],
}


class Answer(NamedTuple):
    """What came back, and after how many seconds."""

    status: int
    headers: dict[str, str]
    text: str
    seconds: float

    @property
    def document(self) -> Any:
        return json.loads(self.text)


class Service:
    """The whole service in a thread, on a port of its own."""

    def __init__(self, settings: Settings, database: Database, token: str) -> None:
        self._stripe = SimulatedStripe("silence")
        self._token = token
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(create_app(settings, database), log_config=None, lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] = JSON
    ) -> Answer:
        started = time.monotonic()
        given = {"Authorization": f"Bearer {self._token}"} | headers
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT)
        with closing(caller):
            caller.request(method, path, body, given)
            answer = caller.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            text = answer.read().decode()
        return Answer(answer.status, told, text, time.monotonic() - started)

    def write(self, path: str, body: object, method: str = "POST") -> Answer:
        return self.call(method, path, json.dumps(body).encode())

    def deliver(self) -> Answer:
        (event, *_) = self._stripe.do_something_new()
        header = {"Stripe-Signature": sign(event.body, SECRET, int(time.time()))}
        return self.call("POST", "/webhooks/stripe", event.body, header)


def surfaces(service: Service) -> dict[str, Callable[[], Answer]]:
    """Of everything that rests on the database, one call each."""
    read, write = partial(service.call, "GET"), service.write
    return {
        "webhook": service.deliver,
        "order": partial(write, "/orders", ORDER),
        "cancel": partial(write, "/orders/A1/cancel", {}),
        "stock": partial(write, "/stock/MUG/receive", {"quantity": 1}),
        "list": partial(read, "/orders"),
        "detail": partial(read, "/orders/A1"),
        "as of": partial(read, "/orders/A1?as_of=2"),
        "history": partial(read, "/orders/A1/history"),
        "figures": partial(read, "/kpi"),
        "export": partial(read, "/exports/orders"),
        "checks": partial(read, "/checks"),
        "log": partial(read, "/events"),
        "proof": partial(write, "/verify", {}),
        "readyz": partial(read, "/readyz"),
    }


WRITES = ("webhook", "order", "stock")


def call_all(calls: Mapping[str, Callable[[], Answer]]) -> dict[str, Answer]:
    """All at the same time, as callers do."""
    time.sleep(MEMORY_SECONDS)  # what was seen of the service's health before is forgotten
    with ThreadPoolExecutor(len(calls)) as threads:
        coming = {name: threads.submit(call) for name, call in calls.items()}
        return {name: answer.result() for name, answer in coming.items()}


class World(NamedTuple):
    """A service whose database is reached over a network that one can break."""

    service: Service
    network: Proxy
    database: Database
    settings: Settings


def settings_of(conninfo: str) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(conninfo),
        stripe_webhook_secrets=(SecretStr(SECRET),),
        ledger_write_seconds=WRITE,
        ledger_read_seconds=READ,
    )


@contextmanager
def world_on(database: Database) -> Generator[World]:
    with ExitStack() as stack:
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        token = issue(log, Role.ADMIN, "tester", Metadata(actor="test")).token
        network, conninfo = stack.enter_context(before(database.admin_conninfo))
        settings = settings_of(conninfo)
        through = Database(conninfo, limits=settings.limits)
        service = stack.enter_context(Service(settings, through, token))
        stack.callback(network.thaw)
        mug = {"name": "Blue mug", "prices": {"gbp": 1250}}
        assert service.write("/products/MUG", mug, "PUT").status == 200
        assert service.write("/stock/MUG/receive", {"quantity": 50}).status == 200
        assert service.write("/orders", ORDER | {"id": "A1"}).status == 201
        yield World(service, network, database, settings)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with world_on(database) as made:
        yield made


def expect_unavailable(name: str, answer: Answer) -> None:
    assert answer.status == 503, (name, answer)
    assert int(answer.headers["retry-after"]) >= 1, name
    assert answer.document["code"] in {"store_unavailable", "not_caught_up"}, (name, answer)
    assert answer.seconds < PATIENT / 2, (name, answer.seconds)


def is_well(service: Service) -> bool:
    return all(
        service_call().status == 200
        for service_call in (
            partial(service.call, "GET", "/orders"),
            service.deliver,
            partial(service.call, "GET", "/readyz"),
        )
    )


@pytest.mark.timeout(240)
def test_over_a_network_that_swallows_everything_every_surface_answers(world: World) -> None:
    """Connections stay open and say nothing; new ones are accepted and say nothing either."""
    service = world.service
    world.network.freeze()
    for _ in range(2):  # with connections of before, and with none
        for name, answer in call_all(surfaces(service)).items():
            expect_unavailable(name, answer)
        assert service.call("GET", "/healthz").status == 200
        assert "ledger_store_up 0.0" in service.call("GET", "/metrics").text
        page = service.call("GET", "/console/orders", headers={})
        assert page.seconds < PATIENT / 2
    world.network.thaw()
    wait_for(lambda: is_well(service))


@pytest.mark.timeout(240)
def test_where_another_session_holds_the_head_writes_say_so_and_reads_go_on(world: World) -> None:
    """A caller who was told 503 may send the same again, and it is stored once."""
    service = world.service
    body = json.dumps(ORDER | {"id": "K1"}).encode()
    keyed = partial(
        service.call, "POST", "/orders", body, JSON | {"Idempotency-Key": "the-same-key"}
    )
    (event, *_) = SimulatedStripe("again").do_something_new()
    header = {"Stripe-Signature": sign(event.body, SECRET, int(time.time()))}
    delivery = partial(service.call, "POST", "/webhooks/stripe", event.body, header)
    with psycopg.connect(world.database.admin_conninfo) as holder:
        holder.execute("select from ledger.head for update")
        calls = {name: surfaces(service)[name] for name in (*WRITES, "readyz", "list", "detail")}
        answers = call_all(calls | {"keyed": keyed, "delivery": delivery})
        for name in (*WRITES, "readyz", "keyed", "delivery"):
            expect_unavailable(name, answers[name])
        assert answers["list"].status == 200
        head = holder.execute("select position from ledger.head").fetchone()
    wait_for(lambda: service.call("GET", "/readyz").status == 200)
    assert [keyed().status for _ in range(2)] == [201, 201]
    assert [delivery().status for _ in range(2)] == [200, 200]
    with psycopg.connect(world.database.admin_conninfo) as conn:
        stored = conn.execute(
            "select originator_id, count(*) from ledger.stored_events"
            " where originator_id = any(%s) group by 1",
            [["order/K1", f"stripe/{event.id}"]],
        ).fetchall()
        assert sorted(stored) == [("order/K1", 1), (f"stripe/{event.id}", 1)]
    assert head is not None


@pytest.mark.timeout(240)
def test_many_who_wait_in_vain_do_not_queue_behind_each_other(world: World) -> None:
    """Four times as many callers as there are threads: nobody waits for the others' deadlines."""
    service = world.service
    world.network.freeze()
    calls = {f"{n}": partial(service.write, "/orders", ORDER) for n in range(160)}
    for name, answer in call_all(calls).items():
        expect_unavailable(name, answer)
    world.network.thaw()
    wait_for(lambda: is_well(service))


@pytest.mark.timeout(240)
def test_a_server_whose_processes_are_frozen_is_answered_for_and_thaws() -> None:
    """The postmaster accepts no session, and its sessions say nothing (SIGSTOP)."""
    with short_lived_home() as home, EmbeddedPostgres(home) as postgres:
        database = Server(postgres).create()
        with world_on(database) as world:
            with frozen(postgres):
                for name, answer in call_all(surfaces(world.service)).items():
                    expect_unavailable(name, answer)
                assert world.service.call("GET", "/healthz").status == 200
                told = subprocess.run(
                    [sys.executable, "-m", "app.cli", "status"],
                    env=os.environ | {"DATABASE_URL": database.admin_conninfo},
                    capture_output=True, check=False, timeout=PATIENT, text=True, cwd=home,
                )  # fmt: skip
                assert told.returncode == 3
                assert "StoreUnavailable" in told.stderr
            wait_for(lambda: is_well(world.service))


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Generator[None]:
    """The server's processes stand still for the block: it takes no session, and none answers."""
    with psycopg.connect(postgres.conninfo("postgres")) as conn:
        running = conn.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()")
        stopped = [postgres.pid, *(pid for (pid,) in running)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
