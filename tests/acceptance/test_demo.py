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
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.servers import short_lived_home

DEMO = [sys.executable, "-m", "ledger.cli", "demo", "--once"]
VERIFIED = r"verified: [\d,]+ events, \d+ tables equal to a rebuild from event 1, log intact"


@pytest.fixture
def home() -> Iterator[Path]:
    with short_lived_home() as folder:
        yield folder


def demo(home: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LEDGER_HOME": str(home), "COLUMNS": "100"}
    return subprocess.run(
        [*DEMO, *options],
        cwd=home,
        env=environment | {"LEDGER_PORT": str(free_port())} | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_the_demo_plays_where_calls_need_a_token(home: Path) -> None:
    """With one of its own, since the first one closed the doors."""
    issued = subprocess.run(
        [*DEMO[:3], "token", "issue", "admin", "--name", "Ada"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "LEDGER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    with demo_that_goes_on(home) as document:
        assert re.search(VERIFIED, document["verdict"])
        assert document["played"]["past_orders"] == 0, "this log was not empty"
        for role, token in document["tokens"].items():
            assert whose(document["url"], token) == role
        with urlopen(document["console"], timeout=10) as page:  # noqa: S310 - ours
            assert "Access token" in page.read().decode()
    assert document["tokens"].keys() == {"analyst", "ops", "auditor", "admin"}
    assert issued.stdout.startswith("lgr_")


@contextmanager
def demo_that_goes_on(home: Path) -> Generator[dict[str, Any]]:
    """The demo, still serving after what it showed; ended with Ctrl-C, in good order."""
    environment = {"PATH": os.environ["PATH"], "LEDGER_HOME": str(home)}
    with subprocess.Popen(
        [*DEMO[:-1], "--json"],
        cwd=home,
        env=environment | {"LEDGER_PORT": str(free_port())},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        try:
            yield json.loads("".join(iter(running.stdout.readline, "}\n")) + "}")
        finally:
            running.send_signal(signal.SIGINT)
    assert running.returncode == 0


def whose(url: str, token: str) -> str:
    asked = Request(f"{url}/me", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - ours
    with urlopen(asked, timeout=10) as answer:  # noqa: S310 - ours
        return json.load(answer)["role"]


def test_the_demo_plays_shows_and_proves_and_does_so_again(home: Path) -> None:
    """On an empty folder, then on the same one with its port taken; nothing keeps running.

    Only the empty one gets a past.
    """
    first = demo(home)
    assert first.returncode == 0, first.stderr
    assert re.search(VERIFIED, first.stdout)
    assert "Where to look next" in first.stdout
    for shown in ("fulfilled", "expired", "won", "lost", "gbp", "jpy", "kwd", "MUG-BLUE", "MRR"):
        assert shown in first.stdout
    assert max(map(len, first.stdout.splitlines())) <= 100
    assert first.stderr == ""
    past = re.search(r"Moved in with (\d+) orders of the last 90 days\.", first.stdout)
    assert past

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = demo(home, "--json", LEDGER_PORT=str(port))
    assert second.returncode == 0, second.stderr
    assert f"Port {port} is taken" in second.stderr
    document = json.loads(second.stdout)
    assert re.search(VERIFIED, document["verdict"])
    played = document["played"]
    assert played["past_orders"] == 0
    assert sum(document["orders"].values()) == int(past[1]) + 2 * played["orders"]
    week, month, quarter = (document["figures"][n]["currencies"]["gbp"] for n in ("7", "30", "90"))
    for figure in ("revenue", "orders", "refunded_amount", "unique_customers", "repeat_customers"):
        assert 0 < week[figure]["value"] < month[figure]["value"] < quarter[figure]["value"]
    assert document["money"].keys() == {"gbp", "usd", "jpy", "kwd"}
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_a_live_ledger_is_no_stage(home: Path) -> None:
    refused = demo(home, LEDGER_MODE="live")
    assert refused.returncode == 3
    assert "LEDGER_MODE is live" in refused.stderr
    assert not (home / "postgres").exists()
