"""What a newcomer sees first: `ledger demo --once`, on nothing but a folder."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
    played = demo(home)
    assert played.returncode == 0, played.stderr
    assert re.search(VERIFIED, played.stdout)
    assert issued.stdout.startswith("lgr_")


def test_the_demo_plays_shows_and_proves_and_does_so_again(home: Path) -> None:
    """On an empty folder, then on the same one with its port taken; nothing keeps running."""
    first = demo(home)
    assert first.returncode == 0, first.stderr
    assert re.search(VERIFIED, first.stdout)
    assert "Where to look next" in first.stdout
    for shown in ("fulfilled", "expired", "won", "lost", "gbp", "jpy", "kwd", "MUG-BLUE"):
        assert shown in first.stdout
    assert max(map(len, first.stdout.splitlines())) <= 100
    assert first.stderr == ""

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = demo(home, "--json", LEDGER_PORT=str(port))
    assert second.returncode == 0, second.stderr
    assert f"Port {port} is taken" in second.stderr
    document = json.loads(second.stdout)
    assert re.search(VERIFIED, document["verdict"])
    assert sum(document["orders"].values()) == 2 * document["played"]["orders"]
    assert document["money"].keys() == {"gbp", "usd", "jpy", "kwd"}
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_a_live_ledger_is_no_stage(home: Path) -> None:
    refused = demo(home, LEDGER_MODE="live")
    assert refused.returncode == 3
    assert "LEDGER_MODE is live" in refused.stderr
    assert not (home / "postgres").exists()
