"""The demo's shop on the real service, with people of each role, for browsers to look at."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from app.demo.account import DemoAccount
from app.demo.client import Client
from app.demo.history import ShopHistory
from app.demo.history_import import import_history
from app.demo.months import close_months
from app.demo.runner import Item, play
from app.demo.script import Script
from app.wiring import make_engine
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.locks import exclusive
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from ledger.tokens import issue
from projections.engine.build import ProjectionContext
from simulator import SimulatedStripe
from tests.support.servers import Server, name_of, short_lived_home
from tests.support.waiting import wait_for

HOST: Final = "127.0.0.1"
SECRET: Final = "whsec_of_the_browser"
NAMES: Final = {
    Role.OPS: "Olga Petrova",
    Role.ANALYST: "Anna Lind",
    Role.ACCOUNTANT: "Agnes Roth",
    Role.AUDITOR: "Aldo Ricci",
    Role.ADMIN: "Ada Byron",
}
META: Final = Metadata(actor="cli", reason="to look at the console")
STAMP_MINOR: Final = 135
"""The demo's price of a book of stamps, of which it has plenty."""


class World:
    """A shop with a past and a day, the tokens of its people, and what its own programs do."""

    def __init__(self, log: Log, client: Client, tokens: Mapping[Role, str]) -> None:
        self.log = log
        self.url = client.url
        self.tokens = tokens
        self._client = client
        self._stripe = SimulatedStripe("browser", start=int(time.time()))
        self._numbers = count(1)

    @property
    def client(self) -> Client:
        """An administrator's; the service hangs up where nothing was said for a while."""
        self._client.close()
        return self._client

    def one(self, path: str, **query: Any) -> dict[str, Any]:
        """The first of a list."""
        return self.client.get(path, limit=1, **query)["items"][0]

    def order(self, quantity: int = 1) -> str:
        """A new order of stamps that nobody paid; answers its id."""
        line = {"sku": "STAMPS", "name": "Book of stamps", "quantity": quantity}
        body = {"currency": "gbp", "lines": [line | {"unit_minor": STAMP_MINOR}]}
        placed = self.client.send("POST", "/orders", body | {"id": f"B-{next(self._numbers)}"})
        self.seen(placed["position"])
        return placed["id"]

    def pay(self, order_id: str | None, quantity: int = 1, description: str | None = None) -> str:
        """Stripe says that stamps are paid, for an order or for none; answers the payment's id."""
        amount_minor = quantity * STAMP_MINOR
        payment, started = self._stripe.create_payment(
            amount_minor, "gbp", order_id=order_id, description=description
        )
        events = [*started, *self._stripe.pay_by_card(payment)]
        self.seen(max(self.client.deliver(event.body) for event in events))
        assert payment.intent_id is not None
        return payment.intent_id

    def paid_order(self, quantity: int = 1) -> str:
        """A new order of stamps that is paid; answers its id."""
        order_id = self.order(quantity)
        self.pay(order_id, quantity)
        return order_id

    def sent_order(self, quantity: int = 1) -> str:
        """A new order of stamps that left; answers its id."""
        order_id = self.paid_order(quantity)
        self.seen(self.client.send("POST", f"/orders/{order_id}/fulfil", {})["position"])
        return order_id

    def seen(self, position: int) -> None:
        """Wait until the pages show what stands there."""
        self.client.get("/orders", limit=1, after=position)


@contextmanager
def open_world(server: Server) -> Generator[World]:
    """A shop of two years: see `_fill`."""
    with ExitStack() as stack:
        database = _kept(stack, server, server.create())
        yield _open(stack, database, _fill(database, with_past=True))


@contextmanager
def open_shared(home: Path) -> Generator[World]:
    """A shop of ninety days in a database of this process's own.

    It is the copy of one that the first of those who share the folder `home` fills.
    """
    home.mkdir(exist_ok=True)
    with EmbeddedPostgres(home) as postgres, ExitStack() as stack:
        with exclusive(home / "filling.lock"):
            filled = home / "filled.json"
            if not filled.exists():
                template = Server(postgres).create()
                filled.write_text(json.dumps([name_of(template), _fill(template)]))
        name, tokens = json.loads(filled.read_text())
        server = Server(postgres, is_new=False)
        database = _kept(stack, server, server.clone(server.database(name)))
        yield _open(stack, database, {Role(role): token for role, token in tokens.items()})


@contextmanager
def open_empty(server: Server) -> Generator[World]:
    """A ledger of which nothing is known but who may sign in."""
    with ExitStack() as stack:
        database = _kept(stack, server, server.create())
        yield _open(stack, database, _let_in(database))


def _kept(stack: ExitStack, server: Server, database: Database) -> Database:
    """It stays until the stack ends."""
    stack.callback(server.drop_now, database)
    return database


def _fill(database: Database, *, with_past: bool = False) -> dict[Role, str]:
    """A shop of ninety days and one day more, its balance at Stripe pulled, and it was checked.

    `with_past`: also the year before those days, as its Stripe account tells it, and two months of
    the books are closed. Answers the tokens of its people, by role.
    """
    with ExitStack() as stack:
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        engine, now = _engine(database, log), int(time.time())
        account, history, script = DemoAccount(now), ShopHistory(now), Script(1)
        if with_past:
            account.pull_past(engine, lambda _done, _all: None)
        import_history(engine, history, _untold)
        tokens = _let_in(database)
        world = _open(stack, database, tokens)
        play(world.client, script, _untold)
        account.pull_rest(engine, [*history.booked, *script.stripe.booked], int(time.time()))
        world.seen(log.head())
        world.client.send("POST", "/checks/run", {})
        if with_past:
            close_months(world.client)
        since = {"period": f"{datetime.now(UTC):%Y-%m}", "reason": "as our chart of accounts"}
        stamps = {"sku": "STAMPS", "category": "stamps", **since}
        world.client.send("POST", "/books/categories", stamps)
        world.seen(log.head())
    return tokens


def _let_in(database: Database) -> dict[Role, str]:
    """The tokens of people of each role, by role."""
    with closing(Log(database.conninfo("app"))) as log:
        return {role: issue(log, role, name, META).token for role, name in NAMES.items()}


def _open(stack: ExitStack, database: Database, tokens: Mapping[Role, str]) -> World:
    """Serve it."""
    log = stack.enter_context(closing(Log(database.conninfo("app"))))
    client = stack.enter_context(_serving(database))
    client.token = tokens[Role.ADMIN]
    world = World(log, client, tokens)
    world.seen(log.head())
    return world


def _engine(database: Database, log: Log) -> ProjectionContext:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    return make_engine(settings, database, log)


def _untold(_label: str, items: Iterable[Item]) -> Iterable[Item]:
    return items


@contextmanager
def _serving(database: Database) -> Generator[Client]:
    """`ledger serve` in a process of its own, where no `.env` is; it ends when its stdin does."""
    port = _free_port()
    with short_lived_home() as home:
        child = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--with-parent"],
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": database.admin_conninfo,
                "STRIPE_WEBHOOK_SECRETS": SECRET,
                "LEDGER_PORT": str(port),
                "LEDGER_LOG_LEVEL": "warning",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        try:
            with closing(Client(HOST, port, SECRET)) as client:
                wait_for(lambda: _is_ready(client, child), seconds=60)
                yield client
        finally:
            assert child.stdin is not None
            child.stdin.close()
            child.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return probe.getsockname()[1]


def _is_ready(client: Client, child: subprocess.Popen[bytes]) -> bool:
    assert child.poll() is None, "the service did not start"
    with suppress(OSError):
        client.get("/readyz")
        return True
    return False
