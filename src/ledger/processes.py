"""Processes that look after each other: a child kept alive, a PostgreSQL that comes back."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from ledger.errors import LedgerError
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings

LOOK_SECONDS: Final = 0.5
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
END_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1

logger = structlog.get_logger("ledger.processes")


@contextmanager
def kept_alive(command: Sequence[str]) -> Generator[None]:
    """A child process for the length of the block, started again, ever later, when it ends.

    Its standard input stays open as long as this process lives: a child that calls
    `when_parent_ends` ends with its parent, however that one died.
    """
    stop = threading.Event()
    with _thread(lambda: _keep_alive(command, stop), stop):
        yield


@contextmanager
def postgres_kept_running(settings: Settings) -> Generator[None]:
    """Start the embedded PostgreSQL again when it dies within the block; no other one is ours."""
    if settings.database_url is not None:
        yield
        return
    stop = threading.Event()
    with _thread(lambda: _keep_running(settings.ledger_home, stop), stop):
        yield


def when_parent_ends(call: Callable[[], None]) -> None:
    """Call once standard input is at its end: `kept_alive` closes it, and so does its death."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        call()

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


@contextmanager
def _thread(target: Callable[[], None], stop: threading.Event) -> Generator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_alive(command: Sequence[str], stop: threading.Event) -> None:
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        started = time.monotonic()
        code = _run(command, stop)
        if stop.is_set():
            return
        steady = time.monotonic() - started > STEADY_SECONDS
        pause = FIRST_PAUSE_SECONDS if steady else min(2 * pause, LONGEST_PAUSE_SECONDS)
        logger.error("child_ended", command=command[-1], code=code, again_in_seconds=pause)
        stop.wait(pause)


def _run(command: Sequence[str], stop: threading.Event) -> int:
    """Run a child to its end, or until it shall stop; its exit code.

    It has a session of its own: Ctrl-C reaches it through us.
    """
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own command line
    while child.poll() is None and not stop.wait(POLL_SECONDS):
        pass
    assert child.stdin is not None
    child.stdin.close()
    try:
        return child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _keep_running(home: Path, stop: threading.Event) -> None:
    """A second user of the server for a moment, again and again: coming in starts what is down."""
    while not stop.wait(LOOK_SECONDS):
        try:
            with EmbeddedPostgres(home):
                pass
        except LedgerError as error:
            logger.warning("postgres_down", error=str(error).splitlines()[0])
