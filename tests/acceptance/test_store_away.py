"""PostgreSQL goes away for a while: 503 and when to come again, then all goes on by itself."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.command_handler import CommandHandler
from ledger.domain.events import Line, Metadata
from ledger.domain.order_commands import PlaceOrder
from ledger.log import Log
from ledger.postgres.database import Database, open_database
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from simulator import SimulatedStripe, sign
from tests.app.cli.test_serve import free_port
from tests.support.servers import short_lived_home
from tests.support.waiting import wait_for

SECRET = "whsec_of_the_bad_day"
JSON = {"Content-Type": "application/json"}
ORDER = {
    "currency": "gbp",
    "lines": [{"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1250}],
}


class Answer(NamedTuple):
    """What the service said."""

    status: int
    headers: dict[str, str]
    body: Any


class Service(NamedTuple):
    """`ledger serve` on a database that is none of its business to start again."""

    port: int
    stripe: SimulatedStripe
    home: Path

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, self._token() | (headers or {}))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, json.loads(answer.read()))

    def write(self, path: str, body: object, method: str = "POST") -> Answer:
        return self.call(method, path, json.dumps(body).encode(), JSON)

    def deliver(self) -> Answer:
        (event, *_) = self.stripe.do_something_new()
        signature = sign(event.body, SECRET, int(time.time()))
        return self.call("POST", "/webhooks/stripe", event.body, {"Stripe-Signature": signature})

    def _token(self) -> dict[str, str]:
        """The first one, which the service made."""
        file = self.home / "admin-token"
        return {"Authorization": f"Bearer {file.read_text().strip()}"} if file.exists() else {}

    def answers(self) -> bool:
        with suppress(OSError):
            return self.call("GET", "/healthz").status == 200
        return False


@contextmanager
def serving(folder: Path, database: Database) -> Generator[Service]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--json"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database.admin_conninfo,
            "LEDGER_HOME": str(folder),
            "LEDGER_PORT": str(port),
            "LEDGER_EXPIRE_SECONDS": "1",
            "LEDGER_LOG_LEVEL": "error",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        service = Service(port, SimulatedStripe("bad day"), folder)
        wait_for(service.answers)
        yield service
        assert process.poll() is None, "no restart was needed"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def home() -> Iterator[Path]:
    with short_lived_home() as folder:
        yield folder


def place_overdue(database: Database) -> None:
    """An order that the timer must expire."""
    then = datetime.now(UTC) - timedelta(hours=1)
    line = Line(sku="MUG", name="Blue mug", quantity=1, unit_minor=1250)
    order = PlaceOrder(
        order_id="overdue",
        at=then,
        currency="gbp",
        lines=(line,),
        expires_at=then + timedelta(minutes=30),
    )
    with Log(database.conninfo("app")) as log:
        CommandHandler(log, lambda _: pytest.fail("placing rests on no money")).execute(
            order, Metadata()
        )


READS = ("/orders", "/orders/A1", "/events", "/status", "/orders/A1/history", "/readyz")


@pytest.mark.timeout(180)
def test_everything_says_503_while_postgres_is_away_and_goes_on_when_it_is_back(
    home: Path,
) -> None:
    """Reads, writes, the webhook, the follower and the timers; nobody restarts the service."""
    settings = Settings(ledger_home=home / "ledger", database_url=None)
    with open_database(settings) as database, serving(home, database) as service:
        mug = {"name": "Blue mug", "prices": {"gbp": 1250}}
        assert service.write("/products/MUG", mug, "PUT").status == 200
        assert service.write("/stock/MUG/receive", {"quantity": 5}).status == 200
        placed = service.write("/orders", ORDER | {"id": "A1"})
        assert service.call("GET", f"/orders/A1?after={placed.body['position']}").status == 200

        _kill_postgres(home / "ledger", database)
        calls = [partial(service.call, "GET", path) for path in READS]
        calls += [partial(service.write, "/orders", ORDER), service.deliver]
        calls += [partial(service.write, "/orders/A1/cancel", {})]
        with ThreadPoolExecutor(len(calls)) as threads:
            for answered in [threads.submit(call) for call in calls]:
                expect_unavailable(answered.result())
        assert service.call("GET", "/healthz").status == 200

        with EmbeddedPostgres(home / "ledger"):  # the next one starts what is down
            wait_for(lambda: service.call("GET", "/readyz").status == 200)
            delivered = service.deliver()
            assert delivered.status == 200
            after = delivered.body["position"]
            assert service.call("GET", f"/orders/A1?after={after}").status == 200
            assert service.write("/orders/A1/cancel", {}).status == 200
            place_overdue(database)
            wait_for(lambda: _state(service, "overdue") == "expired")


def expect_unavailable(answer: Answer) -> None:
    """503 with the time to come again, as a problem document."""
    assert (answer.status, answer.body["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"


def _kill_postgres(folder: Path, database: Database) -> None:
    pid_file = folder / "postgres/data/postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    wait_for(lambda: not _is_up(database))


def _is_up(database: Database) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(database.admin_conninfo).close()
        return True
    return False


def _state(service: Service, order_id: str) -> str | None:
    answer = service.call("GET", f"/orders/{order_id}")
    return answer.body.get("state")
