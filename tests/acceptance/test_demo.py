"""What a newcomer sees first: `ledger demo --once`, on nothing but a folder."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest

from ledger.postgres.supervisor import EmbeddedPostgres
from tests.support.servers import short_lived_home

DEMO = [sys.executable, "-m", "app.cli", "demo", "--once"]
VERIFIED = r"verified: [\d,]+ events, \d+ tables equal to a rebuild from event 1, the log"


@pytest.fixture
def home() -> Iterator[Path]:
    with short_lived_home() as folder:
        yield folder


def demo(home: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "100"}
    return subprocess.run(
        [*DEMO, *options],
        cwd=home,
        env=environment | {"LEDGER_PORT": str(free_port())} | more,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def demo_that_goes_on(home: Path, port: int) -> Generator[dict[str, Any]]:
    """The demo, still serving after what it showed; ended with Ctrl-C, in good order.

    The port is taken: it says so.
    """
    with subprocess.Popen(
        [*DEMO[:-1], "--json"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "LEDGER_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            yield json.loads("".join(iter(running.stdout.readline, "}\n")) + "}")
            running.send_signal(signal.SIGINT)
            assert f"Port {port} is taken" in running.communicate(timeout=60)[1]
        finally:
            running.kill()
    assert running.returncode == 0


def whose(url: str, token: str) -> str:
    asked = Request(f"{url}/me", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - ours
    with urlopen(asked, timeout=60) as answer:  # noqa: S310 - ours
        return json.load(answer)["role"]


def test_the_demo_plays_shows_and_proves_and_does_so_again(home: Path) -> None:
    """On an empty folder, then on the same one, where it goes on serving for each role.

    Only the empty one gets a past. Without a service that goes on there is no address to look at.
    """
    first = demo(home)
    assert first.returncode == 0, first.stderr
    plain = " ".join(first.stdout.split())
    assert re.search(VERIFIED, plain)
    assert re.search(r"[1-9]\d* Stripe signatures right, 0 wrong", plain)
    assert "not covered: " in plain
    assert "export STRIPE_RETIRED_WEBHOOK_SECRETS=$(cat .ledger-demo/webhook-signer)" in plain
    assert "Where to look next" in first.stdout
    for shown in ("fulfilled", "expired", "won", "lost", "GBP", "JPY", "KWD", "MUG-BLUE", "MRR"):
        assert shown in first.stdout
    assert max(map(len, first.stdout.splitlines())) <= 100
    assert first.stderr == ""
    assert "http://" not in first.stdout
    past = re.search(r"Imported (\d+) orders of the last 90 days\.", first.stdout)
    assert past
    closed = re.search(r"Closed (\d{4}-\d\d) and (\d{4}-\d\d) of the books\.", plain)
    assert closed
    assert_that_the_books_agree(home / ".ledger-demo", [*closed.groups()])

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        demo_that_goes_on(home, taken.getsockname()[1]) as document,
    ):
        for role, token in document["tokens"].items():
            assert whose(document["url"], token) == role
        with urlopen(document["console"], timeout=60) as page:  # noqa: S310 - ours
            assert "Access token" in page.read().decode()
    assert document["tokens"].keys() == {"analyst", "accountant", "ops", "auditor", "admin"}
    assert re.search(VERIFIED, document["verdict"])
    played = document["played"]
    assert played["past_orders"] == 0
    assert sum(document["orders"].values()) == int(past[1]) + 2 * played["orders"]
    week, month, quarter = (document["figures"][n]["currencies"]["gbp"] for n in ("7", "30", "90"))
    for figure in ("revenue", "orders", "refunded_amount", "unique_customers", "repeat_customers"):
        assert 0 < week[figure]["value"] < month[figure]["value"] < quarter[figure]["value"]
    assert document["money"].keys() == {"gbp", "usd", "jpy", "kwd"}
    assert not (home / ".ledger").exists(), "the demo's ledger is a folder of its own"
    assert not (home / ".ledger-demo" / "postgres" / "data" / "postmaster.pid").exists()
    assert_that_times_agree(home / ".ledger-demo")
    assert (
        signatures(home, signer=(home / ".ledger-demo" / "webhook-signer").read_text().strip()) > 50
    )
    assert signatures(home, signer="") == 0


def signatures(home: Path, signer: str) -> int:
    """How many `ledger verify` calls right, in the ledger of both plays; none is wrong."""
    found = subprocess.run(
        [*DEMO[:-2], "verify", "--json"],
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "LEDGER_HOME": ".ledger-demo",
            "STRIPE_RETIRED_WEBHOOK_SECRETS": signer,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    said = json.loads(found.stdout)["log"]["signatures"]
    assert said.get("wrong", 0) == 0
    assert bool(said.get("unknown_secret", 0)) is not bool(signer)
    return said.get("right", 0)


def assert_that_the_books_agree(home: Path, closed: list[str]) -> None:
    """With what Stripe, as it was played, holds in each currency; the present month is open."""
    with EmbeddedPostgres(home) as server, psycopg.connect(server.conninfo("ledger")) as conn:
        held = conn.execute(
            """
            select b.account, b.currency, b.minor, coalesce(sum(p.amount_minor), 0)
            from read_models.stripe_balances as b
            left join read_models.postings as p on p.account = b.account
                and p.currency = b.currency and p.at <= b.asked_at
            group by b.account, b.currency
            """
        ).fetchall()
        sold = conn.execute(
            """
            select to_char(day, 'YYYY-MM'), array_agg(distinct currency order by currency)
            from read_models.account_days
            where account = 'income:sales' and credit_minor > 0
            group by 1
            order by 1 desc
            limit 3
            """
        ).fetchall()
    assert {currency for _, currency, *_ in held} == {"gbp", "jpy", "kwd", "usd"}
    assert all(told == booked for *_, told, booked in held), held
    months = [month for month, _ in sold]
    assert months == [f"{datetime.now(UTC):%Y-%m}", *reversed(closed)]
    assert all(len(currencies) == 4 for _, currencies in sold[1:]), sold


def assert_that_times_agree(home: Path) -> None:
    """Nothing was recorded before it happened, and no event was signed before it was made."""
    with EmbeddedPostgres(home) as server, psycopg.connect(server.conninfo("ledger")) as conn:
        rows = conn.execute("select topic, recorded_at, state from ledger.stored_events").fetchall()
    signed = 0
    for topic, recorded_at, state in rows:
        envelope = json.loads(state)
        assert datetime.fromisoformat(envelope["at"]) <= recorded_at, envelope
        if topic == "stripe.event_received.v1" and envelope["data"].get("signature"):
            signed += 1
            (second,) = re.findall(r"t=(\d+)", envelope["data"]["signature"])
            assert int(second) >= envelope["data"]["body"]["created"], envelope
    assert signed > 50


def test_a_ledger_that_no_demo_made_is_refused_and_stays_as_it_was(home: Path) -> None:
    """Whichever way it is pointed at; the ledger of the settings is not even looked at."""
    real = home / "real"
    environment = {"PATH": os.environ["PATH"], "LEDGER_HOME": str(real)}
    define = ["stock", "define", "MUG", "--name", "Mug", "--price", "9.00 gbp"]
    made = subprocess.run(
        [*DEMO[:3], *define], cwd=home, env=environment, capture_output=True, timeout=60, check=True
    )
    assert made.returncode == 0
    before = sorted(path.name for path in real.iterdir())
    refused = demo(home, "--home", str(real))
    assert refused.returncode == 2
    assert "did not make" in refused.stderr
    assert sorted(path.name for path in real.iterdir()) == before
    with EmbeddedPostgres(real) as server, psycopg.connect(server.conninfo("ledger")) as conn:
        assert conn.execute("select position from ledger.head").fetchone() == (1,)


def test_a_live_ledger_is_no_stage(home: Path) -> None:
    refused = demo(home, LEDGER_MODE="live")
    assert refused.returncode == 3
    assert "LEDGER_MODE is live" in refused.stderr
    assert not list(home.iterdir())
