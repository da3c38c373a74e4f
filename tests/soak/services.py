"""Several service processes on one database, each over a network of its own that one can break."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg

from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database, open_database
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from ledger.tokens import issue
from tests.support.proxy import Proxy, before
from tests.support.servers import short_lived_home

SECRET = "whsec_soak"
START_SECONDS = 120
STOP_SECONDS = 60
VERIFY_SECONDS = 3600
CLI = (sys.executable, "-m", "app.cli")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """One `ledger serve`, which reaches its database through a proxy."""

    def __init__(self, home: Path, network: Proxy, conninfo: str) -> None:
        self.network = network
        self.port = free_port()
        self._home = home
        self._log = home / "serve.log"
        self._environment = environment(home, conninfo) | {"LEDGER_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*CLI, "serve"],
                env=self._environment,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_alive():
            assert self.process.poll() is None, f"it ended: {self._log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"not up after {START_SECONDS} s"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order, or, if that takes too long, at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_alive(self) -> bool:
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with closing(caller), suppress(OSError, http.client.HTTPException):
            caller.request("GET", "/healthz")
            return caller.getresponse().status == 200
        return False


def environment(home: Path, conninfo: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": conninfo,
        "LEDGER_HOME": str(home),
        "LEDGER_LOG_LEVEL": "warning",
        "STRIPE_WEBHOOK_SECRETS": SECRET,
    }


class World:
    """A PostgreSQL with one ledger, and the services on it."""

    def __init__(self, home: Path, database: Database, stack: ExitStack) -> None:
        self.database = database
        self.services: list[Service] = []
        self.token = _administrator(database)
        self._home = home
        self._stack = stack

    @property
    def ports(self) -> list[int]:
        return [service.port for service in self.services]

    def add_service(self) -> None:
        """Start one more service, over a network of its own."""
        home = self._home / f"service-{len(self.services)}"
        home.mkdir(mode=0o700)
        network, conninfo = self._stack.enter_context(before(self.database.admin_conninfo))
        service = Service(home, network, conninfo)
        self._stack.callback(service.stop)
        service.start()
        self.services.append(service)

    def start_postgres(self) -> None:
        """Start the server where it is down."""
        self._stack.enter_context(EmbeddedPostgres(self._home))

    def postmaster(self) -> int:
        """The process id of the server."""
        return EmbeddedPostgres(self._home).pid

    def backends(self) -> list[int]:
        """The processes of the server that serve the services' sessions."""
        asked = (
            "select pid from pg_stat_activity where backend_type = 'client backend'"
            " and datname = current_database() and pid <> pg_backend_pid() order by pid"
        )
        with psycopg.connect(self.database.admin_conninfo) as conn:
            return [pid for (pid,) in conn.execute(asked)]

    def verify(self) -> tuple[bool, str]:
        """Whether `ledger verify` holds, and what it said."""
        done = subprocess.run(
            [*CLI, "verify", "--json"],
            env=environment(self._home, self.database.admin_conninfo),
            cwd=self._home,
            capture_output=True,
            check=False,
            timeout=VERIFY_SECONDS,
        )
        told = (done.stdout or done.stderr).decode()
        return done.returncode == 0 and json.loads(told)["holds"] is True, told


@contextmanager
def world(services: int) -> Generator[World]:
    """So many services on a new ledger, on a PostgreSQL of their own."""
    with short_lived_home() as folder, ExitStack() as stack:
        home = folder / "ledger"
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
            database_url=None,
            ledger_home=home,
        )
        database = stack.enter_context(open_database(settings))
        made = World(home, Database(database.admin_conninfo), stack)
        for _ in range(services):
            made.add_service()
        yield made


def _administrator(database: Database) -> str:
    with closing(Log(database.conninfo("app"))) as log:
        return issue(log, Role.ADMIN, "soak", Metadata(actor="soak")).token
