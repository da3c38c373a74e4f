"""The worst day, rehearsed: the runbook's restore and lost-database steps, on another server."""

import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from ledger.postgres.cluster import wheel_bin_folder
from ledger.postgres.database import Database
from ledger.postgres.supervisor import EmbeddedPostgres
from simulator import SimulatedEvent, SimulatedStripe
from tests.app.cli.conftest import Run
from tests.support.servers import short_lived_home
from tests.support.stripe_api import API_KEY, StripeApi, stripe_api

RunJson = Callable[..., Any]
NUMBERS = count(1)


@pytest.fixture(scope="module")
def another_server() -> Iterator[EmbeddedPostgres]:
    """A server that never saw a ledger: it has none of its roles."""
    with short_lived_home() as home, EmbeddedPostgres(home) as server:
        yield server


@pytest.fixture
def move(another_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Makes an empty database there, and lets the command line use it; answers its address."""

    def make() -> str:
        name = f"ledger_{next(NUMBERS)}"
        with psycopg.connect(another_server.conninfo("postgres"), autocommit=True) as admin:
            admin.execute(SQL("create database {} template template0").format(Identifier(name)))
        address = another_server.conninfo(name)
        monkeypatch.setenv("DATABASE_URL", address)
        return address

    return make


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeApi]:
    with stripe_api() as api:
        monkeypatch.setenv("STRIPE_API_BASE", api.base)
        monkeypatch.setenv("STRIPE_API_KEY", API_KEY)
        yield api


class Shop:
    """A shop that has sold something for 40 days; Stripe lists the last 30 of them."""

    def __init__(self, run: Run, address: str, api: StripeApi, folder: Path) -> None:
        self.run = run
        self.address = address
        self.api = api
        self.folder = folder
        self.stripe = SimulatedStripe(
            "worst day", start=int(time.time()) - 40 * 86_400, compact=True
        )
        folder.mkdir()
        run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
        run("stock", "receive", "MUG", "40")
        run("token", "issue", "ops", "--name", "Omar")

    def sell(self, order_id: str, *, listed: bool = True) -> None:
        """An order that is paid; Stripe's events reach the ledger, and a file."""
        self.run("order", "place", "--id", order_id, "--currency", "gbp", "--line", "MUG:2")
        self.keep(self.pay(order_id), listed=listed)

    def pay(self, order_id: str) -> list[SimulatedEvent]:
        payment, events = self.stripe.create_payment(2500, "gbp", order_id=order_id)
        return [*events, *self.stripe.pay_by_card(payment)]

    def keep(self, events: list[SimulatedEvent], *, listed: bool) -> None:
        file = self.folder / f"{events[0].id}.jsonl"
        file.write_bytes(b"\n".join(event.body for event in events))
        self.run("import", str(file))
        self.api.events += [event.body for event in events if listed]


@pytest.fixture
def shop(run: Run, database: Database, api: StripeApi, tmp_path: Path) -> Shop:
    shop = Shop(run, database.admin_conninfo, api, tmp_path / "kept")
    shop.sell("A1", listed=False)
    shop.stripe.advance(35 * 86_400)
    shop.sell("A2")
    return shop


def program(name: str, *arguments: str) -> None:
    ended = subprocess.run(
        [wheel_bin_folder() / name, *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def digests(run_json: RunJson) -> dict[str, str]:
    return {name: each["sha256"] for name, each in run_json("digest")["tables"].items()}


# ── Restore from a backup ───────────────────────────────────────────────────────────────────────

RESTORE = ("--clean", "--if-exists", "--single-transaction")


@pytest.mark.parametrize("left_out", [(), ("--exclude-table-data=read_models.*",)])
def test_a_backup_is_restored_and_stripe_tells_what_came_since(
    shop: Shop, move: Callable[[], str], run_json: RunJson, left_out: tuple[str, ...]
) -> None:
    """With the read models, or without them and a rebuild; in the end all is proven."""
    run = shop.run
    dump = f"{shop.folder}.dump"
    before, head = digests(run_json), run_json("status")["head"]
    program("pg_dump", "--format=custom", f"--file={dump}", *left_out, shop.address)
    since = shop.pay("A1")
    shop.api.events += [event.body for event in since]

    address = move()
    run("migrate")
    program("pg_restore", *RESTORE, f"--dbname={address}", dump)
    if left_out:
        run("rebuild")
    assert digests(run_json) == before
    assert run_json("verify")["position"] == head
    run("doctor")
    filled = run_json("backfill", "--since", "30d")
    assert filled["appended"] == len(since)
    assert filled["duplicates"] > 0
    run("verify")
    assert run_json("checks", "run")["crashed"] == []
    assert "paid_twice" in run("issues", "list").stdout
    run("order", "place", "--id", "A3", "--currency", "gbp", "--line", "MUG:1")


# ── The database is lost ────────────────────────────────────────────────────────────────────────


def test_without_a_backup_stripes_side_comes_back_from_files_and_its_list(
    shop: Shop, move: Callable[[], str], run_json: RunJson, run_list: RunJson
) -> None:
    """Files hold what Stripe forgot; the payments of orders that are lost wait for a link."""
    run = shop.run
    for file in shop.folder.iterdir():
        if b"A2" in file.read_bytes():
            file.unlink()

    move()
    run("migrate")
    run("doctor")
    run("token", "issue", "admin", "--name", "Ada")
    assert run_json("import", str(shop.folder))["appended"] > 0
    filled = run_json("backfill", "--since", "30d")
    assert (filled["appended"], filled["gap"]) == (len(shop.api.events), None)
    run("verify")
    run("checks", "run")
    listed = run_list("issues", "list")
    unlinked = [each["evidence"] for each in listed if each["check"] == "unlinked_payments"]
    assert sum(each["payments_count"] for each in unlinked) == 2
