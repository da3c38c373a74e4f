"""Kill -9 of the service and of PostgreSQL under load: what was answered is there, and proven."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from simulator import SimulatedEvent, sign, some_traffic
from tests.support.servers import short_lived_home

SECRET = "whsec_crash_test"
ROUNDS = ("service", "postgres", "service")
CONNECTIONS = 8


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shop:
    """A ledger's home and port, and the commands of its terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.environment = os.environ | {
            "LEDGER_HOME": str(home),
            "LEDGER_PORT": str(self.port),
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "DATABASE_URL": "",
        }

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.cli", "serve"]
        with (self.home.parent / "serve.log").open("ab") as output:
            service = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 60
        while not self.is_healthy():
            assert service.poll() is None, (self.home.parent / "serve.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return service

    def is_healthy(self) -> bool:
        with (
            closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection,
            suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        return False

    def run(self, *arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments, "--json"],
            env=self.environment, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def postmaster(self) -> int:
        (pid_file,) = self.home.rglob("postmaster.pid")
        return int(re.match(r"\d+", pid_file.read_text())[0])  # pyright: ignore[reportOptionalSubscript]


class Stripe:
    """Delivers events over several connections, and again until each is answered with 200."""

    def __init__(self, port: int, events: Iterator[SimulatedEvent]) -> None:
        self.port = port
        self.events = events
        self.answered: list[str] = []
        self.unavailable = 0
        self.stop = Event()

    def deliver_all(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            for event in self.events:
                while not self.stop.is_set() and not self._deliver(connection, event):
                    self.unavailable += 1
                    time.sleep(0.02)
                if self.stop.is_set():
                    return

    def _deliver(self, connection: http.client.HTTPConnection, event: SimulatedEvent) -> bool:
        header = sign(event.body, SECRET, int(time.time()))
        try:
            connection.request("POST", "/webhooks/stripe", event.body, {"Stripe-Signature": header})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return False
        assert answer.status in (200, 503)
        if answer.status == 200:
            self.answered.append(event.id)
        return answer.status == 200


@contextmanager
def delivering(stripes: list[Stripe]) -> Iterator[None]:
    threads = [Thread(target=stripe.deliver_all) for stripe in stripes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for stripe in stripes:
            stripe.stop.set()
        for thread in threads:
            thread.join()


def answered(stripes: list[Stripe]) -> int:
    return sum(len(stripe.answered) for stripe in stripes)


def wait_for_more(stripes: list[Stripe], count: int) -> None:
    wanted, deadline = answered(stripes) + count, time.monotonic() + 60
    while answered(stripes) < wanted:
        assert time.monotonic() < deadline, "the service did not recover"
        time.sleep(0.02)


@pytest.mark.timeout(240)
def test_every_answered_webhook_survives_and_the_books_are_proven():
    with short_lived_home() as folder:
        shop = Shop(folder / "ledger")
        stripes = [Stripe(shop.port, some_traffic(seed, 20_000)) for seed in range(CONNECTIONS)]
        service = shop.start()
        try:
            with delivering(stripes):
                for victim in ROUNDS:
                    wait_for_more(stripes, 300)
                    if victim == "service":
                        service.kill()
                        service.wait()
                        service = shop.start()
                    else:
                        os.kill(shop.postmaster(), signal.SIGKILL)
                    wait_for_more(stripes, 300)
        finally:
            service.terminate()
            service.wait()
        stored = stored_ids(shop)
        proof = shop.run("verify")
        assert sum(stripe.unavailable for stripe in stripes) > 0, "the kills were felt"
        missing = {i for stripe in stripes for i in stripe.answered} - stored
        assert not missing
        assert proof["holds"] is True
        assert proof["position"] == len(stored), "positions without a gap"


def stored_ids(shop: Shop) -> set[str]:
    from ledger.log import Log
    from ledger.postgres.database import open_database
    from ledger.settings import Settings

    with (
        open_database(Settings(ledger_home=shop.home)) as database,
        Log(database.conninfo("reader")) as log,
    ):
        after, found = 0, set[str]()
        while events := log.read(after, limit=5000):
            found |= {event.stream.removeprefix("stripe/") for event in events}
            after = events[-1].position
        return found
