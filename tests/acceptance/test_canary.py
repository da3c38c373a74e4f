"""Canaries: marked personal values and secrets go in everywhere, and none comes out in a log."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from ledger import telemetry
from ledger.command_handler import CommandHandler
from ledger.postgres.supervisor import EmbeddedPostgres
from simulator import SimulatedStripe, sign
from tests.acceptance.conftest import Service
from tests.acceptance.test_hostile import DOCUMENT, OPERATIONS, Operation, name_of
from tests.app.cli.test_serve import free_port
from tests.support.servers import short_lived_home
from tests.support.waiting import wait_for

MARK = "c4n4ry"
PERSON = f"{MARK}.person@example.com"
SECRET = f"whsec_{MARK}_webhook"
CODE = sys.executable, "-m", "app.cli"


class Shop(NamedTuple):
    """A service whose every setting that may hold a secret holds a marked one."""

    home: Path
    port: int
    token: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LEDGER_HOME": str(self.home / "ledger"),
            "LEDGER_PORT": str(self.port),
            "LEDGER_LOG_LEVEL": "debug",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "STRIPE_API_KEY": f"rk_test_{MARK}",
            "STRIPE_API_BASE": "http://127.0.0.1:9",
        }

    @property
    def log(self) -> Path:
        return self.home / "serve.log"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CODE, *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def ask(self, operation: Operation, body: object = None) -> int:
        """An operation with marks in its path, its query and its headers."""
        path = operation.path
        for name, schema in operation.parameters("path").items():
            path = path.replace(f"{{{name}}}", "1" if schema["type"] == "integer" else MARK)
        query = "&".join(f"{name}={MARK}" for name in operation.parameters("query"))
        headers = {
            "Authorization": f"Bearer {self.token}",
            "User-Agent": f"{MARK}-browser",
            "Cookie": f"session={MARK}",
            "Idempotency-Key": f"{MARK}-{operation.path}",
            "Content-Type": "application/json",
        }
        sent = None if operation.body is None else json.dumps(body).encode()
        return self.call(operation.method.upper(), f"{path}?{query}", sent, headers)

    def deliver(self, body: bytes, secret: str = SECRET) -> int:
        signature = sign(body, secret, int(time.time()))
        return self.call("POST", "/webhooks/stripe", body, {"Stripe-Signature": signature})

    def ready(self) -> bool:
        with suppress(OSError):
            return self.call("GET", "/readyz", None, {}) == 200
        return False


@contextmanager
def serving(shop: Shop) -> Generator[None]:
    with shop.log.open("ab") as output:
        process = subprocess.Popen(
            [*CODE, "serve", "--json"],
            cwd=shop.home,
            env=shop.environment,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    try:
        wait_for(shop.ready)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with short_lived_home() as home:
        made = Shop(home, free_port(), "")
        name = f"{MARK} Person"
        issued = made.run("token", "issue", "admin", "--name", name, "--json")
        assert issued.returncode == 0, issued.stderr
        yield made._replace(token=json.loads(issued.stdout)["token"])


# ── Marked values ───────────────────────────────────────────────────────────────────────────────


def marked(schema: dict[str, Any]) -> Any:
    """A value that fits the schema, its texts marked where they may be free."""
    if reference := schema.get("$ref"):
        return marked(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]])
    if choices := schema.get("anyOf"):
        return marked(choices[0])
    if not schema:
        return None
    if fields := schema.get("properties"):
        return {name: marked(field) for name, field in fields.items()}
    currency = "[a-z]{3" in json.dumps(schema)
    of_type = {
        "object": {"gbp" if currency else MARK: 1},
        "array": [marked(schema.get("items", {}))],
        "string": "gbp" if currency else f"{MARK}-text",
        "integer": 1,
        "boolean": True,
    }
    return of_type.get(schema.get("type", "string"))


def stripe_events() -> Iterator[bytes]:
    """A customer and a payment with marks, and events that are not what they should be."""
    stripe = SimulatedStripe("canary")
    customer, created = stripe.create_customer(PERSON, f"{MARK} Person")
    payment, started = stripe.create_payment(1000, "gbp", order_id=MARK)
    events = [*created, *started, *stripe.pay_by_card(payment)]
    events += stripe.change_email(customer, f"new.{PERSON}")
    for number, event in enumerate(events):
        yield event.body
        broken = json.loads(event.body)
        broken["data"]["object"]["created"] = PERSON
        yield json.dumps(broken).encode()  # another content under the same id
        yield json.dumps(broken | {"id": f"evt_{number}"}).encode()  # cannot be read
        yield json.dumps(broken | {"object": PERSON, "id": f"evt_n{number}"}).encode()  # no event


# ── The laws ────────────────────────────────────────────────────────────────────────────────────


def told(shop: Shop) -> list[dict[str, Any]]:
    """What the service logged; every line is JSON."""
    return [json.loads(line) for line in shop.log.read_text().splitlines()]


def expect_no_mark(text: str, shop: Shop) -> None:
    for secret in (MARK, shop.token):
        assert secret not in text, text[max(0, text.index(secret) - 200) :][:400]


def test_no_mark_reaches_the_log_of_the_service(shop: Shop) -> None:
    """Through every route, valid or not, the webhook, a dead database and a dead follower."""
    with serving(shop):
        for operation in OPERATIONS:
            shop.ask(operation, marked(operation.body or {}))
            shop.ask(operation, {"reason": 1, MARK: PERSON})
        for body in stripe_events():
            assert shop.deliver(body) in {200, 400}
            assert shop.deliver(body, f"whsec_{MARK}_another") in {400, 429}
        pid_file = shop.home / "ledger/postgres/data/postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        for operation in OPERATIONS:
            shop.ask(operation, marked(operation.body or {}))
        wait_for(shop.ready)
        assert MARK in shop.run("audit", "--json").stdout, "the marks went in"
    kinds = {line["event"] for line in told(shop)}
    assert "SameIdOtherContent" in kinds, "the log is the one that was looked for"
    assert "request_failed" not in kinds
    expect_no_mark(shop.log.read_text(), shop)


def test_no_mark_reaches_what_the_terminal_says_of_errors(shop: Shop) -> None:
    """Verbs that work, that are refused, and that fail."""
    file = shop.home / "events.jsonl"
    file.write_bytes(b"\n".join(stripe_events()))
    verbs = [
        ("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp", "--reason", MARK),
        ("order", "place", "--currency", "gbp", "--line", "MUG:9", "--email", PERSON),
        ("order", "place", "--currency", "gbp", "--line", "NONE:1", "--email", PERSON),
        ("order", "cancel", "A1", "--reason", MARK),
        ("token", "issue", "ops", "--name", MARK),
        ("import", str(file)),
        ("backfill", "--since", "1d"),
        ("doctor",),
        ("status",),
    ]
    with EmbeddedPostgres(shop.home / "ledger"):  # stays up between the verbs
        for verb in verbs:
            expect_no_mark(shop.run(*verb).stderr, shop)


def test_what_breaks_is_logged_without_what_it_broke_on(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug's message, and the path and body of the call, may be a customer's."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError(PERSON)

    monkeypatch.setattr(CommandHandler, "execute", broken)
    telemetry.configure("debug", lines=True)
    for operation in OPERATIONS:
        if operation.body is not None:
            _break(service.client, operation)
    errors = capsys.readouterr().err
    said = [json.loads(line) for line in errors.splitlines()]
    assert {line["event"] for line in said} <= {"request_failed", "webhook_calls_rejected"}
    failed = [line for line in said if line["event"] == "request_failed"]
    assert len({line["route"] for line in failed}) > 5
    assert MARK not in errors


def _break(client: TestClient, operation: Operation) -> None:
    path = operation.path
    for name in operation.parameters("path"):
        path = path.replace(f"{{{name}}}", MARK)
    answer = client.request(operation.method, path, json=marked(operation.body or {}))
    assert MARK not in answer.text or answer.status_code != 500, name_of(operation)
