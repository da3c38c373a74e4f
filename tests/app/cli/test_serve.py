"""serve and follow as processes: started, killed, stopped."""

import http.client
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.postgres.supervisor import EmbeddedPostgres
from simulator import SimulatedStripe, sign
from tests.support.servers import short_lived_home
from tests.support.waiting import wait_for

SECRET = "whsec_of_the_service"
JSON = {"Content-Type": "application/json"}
TOPICS = "select topic from ledger.stored_events order by notification_id"
LEDGER = [sys.executable, "-m", "app.cli"]


class Served(NamedTuple):
    """A service that answers."""

    process: subprocess.Popen[str]
    home: Path
    port: int

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def deliver(self, body: bytes) -> tuple[int, Any]:
        signature = sign(body, SECRET, int(time.time()))
        return self.call("POST", "/webhooks/stripe", body, **{"Stripe-Signature": signature})

    def postmaster(self) -> int | None:
        """The process id of the server, unless it is down."""
        with suppress(FileNotFoundError, IndexError):
            return int((self.home / "postgres/data/postmaster.pid").read_text().split()[0])
        return None

    def follower(self) -> int | None:
        found = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line.split() for line in found.stdout.splitlines() if " follow " in f"{line} "]
        return int(lines[0][0]) if lines else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LEDGER_HOME": str(home),
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        **more,
    }


@contextmanager
def serving(home: Path, *options: str, files: int = 1024) -> Generator[Served]:
    """A service with so many file descriptors."""
    port = free_port()
    process = subprocess.Popen(
        ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *LEDGER, "serve", "--json", *options],
        cwd=home,
        env=environment(home, LEDGER_PORT=str(port)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        served = Served(process, home, port)
        wait_for(lambda: answers(served))
        yield served
    finally:
        process.kill()
        process.communicate()


def answers(served: Served) -> bool:
    assert served.process.poll() is None, "the service ended"
    with suppress(OSError):
        return served.call("GET", "/healthz")[0] == 200
    return False


@pytest.fixture
def home() -> Generator[Path]:
    with short_lived_home() as folder:
        yield folder


def test_sigterm_stops_everything_that_was_started(home: Path) -> None:
    """Exit 0, no follower, no PostgreSQL left; stdout held one document."""
    with serving(home) as served:
        wait_for(lambda: served.call("GET", "/readyz")[0] == 200)
        wait_for(served.follower)
        follower = served.follower()
        assert served.postmaster() is not None
        served.process.terminate()
        document = json.loads(served.process.communicate(timeout=60)[0])
        assert served.process.returncode == 0
    assert document == {
        "url": f"http://127.0.0.1:{served.port}",
        "mode": "test",
        "webhook": True,
        "first_token_file": str(home / "admin-token"),
    }
    assert follower is not None
    assert not Path(f"/proc/{follower}").exists()
    assert served.postmaster() is None


# What follows, what is read and what is proven then never ends by itself.
HANG = """
create function ledger.hang() returns trigger language plpgsql as $$
begin
    perform pg_sleep(600);
    return new;
end
$$;
create trigger hang before insert on read_models.audit
for each row execute function ledger.hang();
create function ledger.hang_making() returns event_trigger language plpgsql as $$
begin
    perform pg_sleep(600);
end
$$;
create event trigger hang on ddl_command_start when tag in ('CREATE TABLE')
execute function ledger.hang_making();
alter table read_models.orders rename to hung_orders;
create view read_models.orders as
select h.* from (select pg_sleep(600)) as s left join read_models.hung_orders as h on true;
grant select on read_models.orders to ledger_reader, ledger_projector;
"""
HANGING = """
select count(*), count(distinct usename)
from pg_stat_activity
where wait_event = 'PgSleep'
"""


def test_sigterm_ends_what_hangs_in_the_middle_of_a_statement(home: Path) -> None:
    """Follower, proof and a read each wait for ten minutes; what was answered is in the log."""
    with serving(home) as served, ThreadPoolExecutor(1) as caller:
        admin = {"Authorization": f"Bearer {(home / 'admin-token').read_text().strip()}"}
        wait_for(lambda: served.call("GET", "/readyz")[1].get("lag_events") == 0)
        (event,) = SimulatedStripe(1).do_something_new()
        with psycopg.connect(EmbeddedPostgres(home).conninfo(), autocommit=True) as conn:
            conn.execute(HANG)
            assert served.deliver(event.body)[0] == 200
            status, _ = served.call("POST", "/verify", b"{}", **admin, **JSON)
            assert status == 202
            reading = caller.submit(served.call, "GET", "/orders", None, **admin)
            wait_for(lambda: conn.execute(HANGING).fetchone() == (3, 2))
        began = time.monotonic()
        served.process.terminate()
        served.process.communicate(timeout=60)
        took = time.monotonic() - began
        assert served.process.returncode == 0
        assert reading.result()[0] == 503
        assert took < 10, "5 s, and as much again for a machine that is busy"
    with EmbeddedPostgres(home) as server, psycopg.connect(server.conninfo()) as conn:
        topics = conn.execute(TOPICS).fetchall()
    ((stripe,), *proof) = [topic for topic in topics if "token" not in topic[0]]
    assert stripe.startswith("stripe.")
    assert proof == [("proof.started.v1",), ("proof.failed.v1",)]


def test_the_first_token_opens_and_is_written_nowhere_but_into_its_file(home: Path) -> None:
    """A container's output goes to what collects logs."""
    with serving(home) as served:
        assert served.call("GET", "/me")[0] == 401
        token = (home / "admin-token").read_text().strip()
        status, me = served.call("GET", "/me", Authorization=f"Bearer {token}")
        assert (status, me["role"]) == (200, "admin")
        served.process.terminate()
        output = "".join(map(str, served.process.communicate(timeout=60)))
    assert "admin-token" in output
    assert token not in output
    with serving(home) as served:
        served.process.terminate()
        document = json.loads(served.process.communicate(timeout=60)[0])
    assert document["first_token_file"] is None


def test_a_person_at_a_terminal_is_shown_the_first_token_once(home: Path) -> None:
    shown = [_on_a_terminal(home) for _ in range(2)]
    token = (home / "admin-token").read_text().strip()
    assert token in shown[0]
    assert str(home / "admin-token") in shown[0]
    assert token not in shown[1]


def _on_a_terminal(home: Path) -> str:
    """What `ledger serve` writes to a terminal until it is ready."""
    ours, theirs = pty.openpty()
    given = environment(home, LEDGER_PORT=str(free_port()), COLUMNS="200")
    process = subprocess.Popen(
        [*LEDGER, "serve", "--no-follow"], cwd=home, env=given, stdout=theirs
    )
    os.close(theirs)
    written = b""
    try:
        while b"Ctrl-C stops it." not in written or select.select([ours], [], [], 0.5)[0]:
            written += os.read(ours, 4096)
    finally:
        process.terminate()
        process.wait()
        os.close(ours)
    return written.decode().replace("\r\n", "\n")


def test_idle_connections_shut_nobody_out(home: Path) -> None:
    """More of them than the process may have descriptors."""
    (event,) = SimulatedStripe(1).do_something_new()
    with serving(home, "--no-follow", files=400) as served, ExitStack() as callers:
        for _ in range(450):
            idle = socket.create_connection(("127.0.0.1", served.port), timeout=60)
            callers.enter_context(idle).sendall(b"GET /healthz HTTP/1.1\r\n")
        assert served.call("GET", "/healthz") == (200, {"alive": True})
        assert served.deliver(event.body)[0] == 200


def test_what_is_delivered_is_read_and_survives(home: Path) -> None:
    (event,) = SimulatedStripe(1).do_something_new()
    with serving(home) as served:
        assert served.deliver(event.body) == (200, {"received": True, "position": 2})
        wait_for(lambda: served.call("GET", "/readyz")[1].get("lag_events") == 0)
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
    with serving(home, "--no-follow") as served:
        assert served.deliver(event.body) == (200, {"received": True, "position": 2})
        assert served.call("GET", "/readyz")[1]["head"] == 2


def test_a_killed_follower_is_started_again_and_dies_with_its_service(home: Path) -> None:
    (event,) = SimulatedStripe(2).do_something_new()
    with serving(home) as served:
        wait_for(served.follower)
        killed = served.follower()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: served.follower() not in {None, killed})
        assert served.deliver(event.body)[0] == 200
        wait_for(lambda: served.call("GET", "/readyz")[1].get("lag_events") == 0)
        follower = served.follower()
        served.process.kill()
        wait_for(lambda: not Path(f"/proc/{follower}").exists())


def test_a_killed_postgres_comes_back_without_a_restart(home: Path) -> None:
    """503 meanwhile, never another answer, and all that was answered is there."""
    events, delivered = SimulatedStripe(3), 0
    with serving(home) as served:
        wait_for(lambda: served.call("GET", "/readyz")[0] == 200)
        killed = served.postmaster()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 60
        status = 0
        while status != 200 or served.postmaster() in {None, killed}:
            assert time.monotonic() < deadline
            status, _ = served.deliver(events.do_something_new()[0].body)
            assert status in {200, 503}
            delivered += status == 200
            time.sleep(0.05)
        wait_for(lambda: served.call("GET", "/readyz")[1].get("lag_events") == 0)
        assert served.call("GET", "/readyz")[1]["head"] >= delivered


def test_a_taken_port_is_told_before_anything_is_started(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = subprocess.run(
            [*LEDGER, "serve"],
            cwd=home,
            env=environment(home, LEDGER_PORT=str(port)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 3
    assert f"Port {port}" in found.stderr
    assert "LEDGER_PORT" in found.stderr
    assert not (home / "postgres").exists()


def test_what_was_accepted_is_answered_before_the_end(home: Path) -> None:
    """SIGTERM under load: what was answered with 200 is in the log."""
    positions: list[int] = []

    def load(served: Served, number: int) -> None:
        stripe = SimulatedStripe(f"load {number}")
        with suppress(OSError, http.client.HTTPException):
            while True:
                status, answer = served.deliver(stripe.do_something_new()[0].body)
                if status != 200:
                    return
                positions.append(answer["position"])

    with serving(home, "--no-follow") as served:
        threads = [threading.Thread(target=load, args=(served, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(positions) > 20)
        served.process.terminate()
        served.process.communicate(timeout=60)
        for thread in threads:
            thread.join()
        assert served.process.returncode == 0
    with serving(home, "--no-follow") as served:
        assert served.call("GET", "/readyz")[1]["head"] >= max(positions)
    assert len(set(positions)) == len(positions)
