"""The demo's shop on the real service, with people of each role, for browsers to look at."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from typing import Any, Final

from pydantic import SecretStr

from app.demo.client import Door
from app.demo.history import Past
from app.demo.history_import import move_in
from app.demo.runner import Item, play
from app.demo.script import Script
from app.wiring import make_engine
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from simulator import SimulatedStripe
from tests.support.servers import Server, short_lived_home
from tests.support.waiting import wait_for

HOST: Final = "127.0.0.1"
SECRET: Final = "whsec_of_the_browser"
NAMES: Final = {
    Role.OPS: "Olga Petrova",
    Role.ANALYST: "Anna Lind",
    Role.AUDITOR: "Aldo Ricci",
    Role.ADMIN: "Ada Byron",
}
META: Final = Metadata(actor="cli", reason="to look at the console")
STAMP_MINOR: Final = 135
"""The demo's price of a book of stamps, of which it has plenty."""


class World:
    """A shop with a past and a day, the tokens of its people, and what its own programs do."""

    def __init__(self, log: Log, door: Door, tokens: Mapping[Role, str]) -> None:
        self.log = log
        self.url = door.url
        self.tokens = tokens
        self._door = door
        self._stripe = SimulatedStripe("browser", start=int(time.time()))
        self._numbers = count(1)

    @property
    def door(self) -> Door:
        """An administrator's; the service hangs up where nothing was said for a while."""
        self._door.close()
        return self._door

    def one(self, path: str, **query: Any) -> dict[str, Any]:
        """The first of a list."""
        return self.door.get(path, limit=1, **query)["items"][0]

    def order(self, quantity: int = 1) -> str:
        """A new order of stamps that nobody paid; answers its id."""
        line = {"sku": "STAMPS", "name": "Book of stamps", "quantity": quantity}
        body = {"currency": "gbp", "lines": [line | {"unit_minor": STAMP_MINOR}]}
        placed = self.door.send("POST", "/orders", body | {"id": f"B-{next(self._numbers)}"})
        self.seen(placed["position"])
        return placed["id"]

    def pay(self, order_id: str | None, quantity: int = 1) -> str:
        """Stripe says that stamps are paid, for an order or for none; answers the payment's id."""
        amount_minor = quantity * STAMP_MINOR
        payment, started = self._stripe.create_payment(amount_minor, "gbp", order_id=order_id)
        events = [*started, *self._stripe.pay_by_card(payment)]
        self.seen(max(self.door.deliver(event.body) for event in events))
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
        self.seen(self.door.send("POST", f"/orders/{order_id}/fulfil", {})["position"])
        return order_id

    def seen(self, position: int) -> None:
        """Wait until the pages show what stands there."""
        self.door.get("/orders", limit=1, after=position)


@contextmanager
def open_world(server: Server) -> Generator[World]:
    """A shop of ninety days and one day more, whose books were checked; nobody else looks at it."""
    with ExitStack() as stack:
        database = server.create()
        stack.callback(server.drop, database)
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        _move_in(database, log)
        tokens = {role: issue(log, role, name, META).token for role, name in NAMES.items()}
        door = stack.enter_context(_serving(database))
        door.token = tokens[Role.ADMIN]
        position = play(door, Script(1), _untold).position
        door.get("/orders", limit=1, after=position)
        door.send("POST", "/checks/run", {})
        world = World(log, door, tokens)
        world.seen(log.head())
        yield world


def _move_in(database: Database, log: Log) -> None:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    move_in(make_engine(settings, database, log), Past(int(time.time())), _untold)


def _untold(_label: str, items: Iterable[Item]) -> Iterable[Item]:
    return items


@contextmanager
def _serving(database: Database) -> Generator[Door]:
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
            with closing(Door(HOST, port, SECRET)) as door:
                wait_for(lambda: _is_ready(door, child), seconds=60)
                yield door
        finally:
            assert child.stdin is not None
            child.stdin.close()
            child.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return probe.getsockname()[1]


def _is_ready(door: Door, child: subprocess.Popen[bytes]) -> bool:
    assert child.poll() is None, "the service did not start"
    with suppress(OSError):
        door.get("/readyz")
        return True
    return False
