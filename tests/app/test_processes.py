"""Processes that look after each other."""

import os
import signal
import sys
import time
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from app import processes
from app.processes import kept_alive, postgres_kept_running
from ledger.errors import LedgerError
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from tests.support.servers import short_lived_home
from tests.support.waiting import wait_for


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


CHILD = """
import os, sys, pathlib, threading
from app.processes import when_parent_ends
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
ended = threading.Event()
when_parent_ends(ended.set)
ended.wait(30)
with open(sys.argv[1], "a") as file:
    file.write("ended well\\n")
"""


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    file = tmp_path / "diary"
    file.touch()
    return file


@pytest.fixture
def child(diary: Path) -> list[str]:
    return [sys.executable, "-c", CHILD, str(diary)]


def test_a_child_ends_in_good_order_with_the_block(diary: Path, child: list[str]) -> None:
    with kept_alive(child):
        wait_for(diary.read_text)
    pid, last = diary.read_text().splitlines()
    assert last == "ended well"
    assert not is_alive(int(pid))


def test_a_child_that_dies_is_started_again(
    diary: Path, child: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.01)
    with capture_logs() as logs, kept_alive(child):
        wait_for(diary.read_text)
        os.kill(int(diary.read_text()), signal.SIGKILL)
        wait_for(lambda: len(diary.read_text().splitlines()) == 2)
    assert (logs[0]["event"], logs[0]["code"]) == ("child_ended", -signal.SIGKILL)
    assert diary.read_text().splitlines()[2] == "ended well"


BEATING = """
import os, sys, threading
from app.processes import heartbeat, when_parent_ends
ended = threading.Event()
when_parent_ends(ended.set)
beat = heartbeat()
while not ended.wait(0.02):
    beat()
    with open(sys.argv[1]) as file:
        if str(os.getpid()) not in file.read():
            with open(sys.argv[1], "a") as file:
                file.write(f"{os.getpid()}\\n")
"""


def test_a_child_whose_heartbeats_stop_is_killed_and_started_again(
    diary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(processes, "SILENT_SECONDS", 3.0)
    child = [sys.executable, "-c", BEATING, str(diary)]
    with capture_logs() as logs, kept_alive(child):
        wait_for(diary.read_text)
        hung = int(diary.read_text())
        os.kill(hung, signal.SIGSTOP)
        wait_for(lambda: len(diary.read_text().splitlines()) == 2)
        assert not is_alive(hung)
    assert [line["event"] for line in logs] == ["child_hangs", "child_ended"]
    assert logs[1]["code"] == -signal.SIGKILL


def test_a_child_that_writes_no_heartbeats_is_left_alone(
    diary: Path, child: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SILENT_SECONDS", 0.2)
    with kept_alive(child):
        wait_for(diary.read_text)
        time.sleep(0.6)
    assert diary.read_text().splitlines()[1:] == ["ended well"]


def test_a_child_ends_when_its_parent_is_killed(diary: Path, child: list[str]) -> None:
    """Not even kill -9 of the service leaves a follower behind."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    pid = os.posix_spawn(
        child[0], child, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)]
    )
    os.close(reader)
    wait_for(diary.read_text)
    os.close(writer)  # as the kernel does for a process that was killed
    assert os.waitpid(pid, 0)[1] == 0
    assert diary.read_text().splitlines() == [str(pid), "ended well"]


def test_a_killed_postgres_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.05)
    with short_lived_home() as home, EmbeddedPostgres(home) as postgres:
        settings = Settings(ledger_home=home, database_url=None)
        with postgres_kept_running(settings):
            killed = postgres.pid
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: _answers(postgres) and postgres.pid != killed)


def _answers(postgres: EmbeddedPostgres) -> bool:
    try:
        psycopg.connect(postgres.conninfo("postgres")).close()
    except (LedgerError, psycopg.OperationalError):
        return False
    return True
