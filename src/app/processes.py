"""Supervises a child process, and reconnects when PostgreSQL comes back."""

import os
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from ledger.errors import LedgerError
from ledger.postgres.database import FOLLOW_SECONDS
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings

LOOK_SECONDS: Final = 0.5
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
END_SECONDS: Final = 4.0
"""How long a child that shall end has for it; then it is killed, and nothing is lost by that."""
POLL_SECONDS: Final = 0.1
SILENT_SECONDS: Final = 3 * FOLLOW_SECONDS
"""Without a heartbeat; between two of them a few statements may each be as slow as they may."""
HEARTBEAT: Final = "LEDGER_HEARTBEAT_FD"
"""The variable that tells a child which open file its heartbeats are written to."""

logger = structlog.get_logger(__name__)


@contextmanager
def kept_alive(command: Sequence[str]) -> Generator[Callable[[], None]]:
    """A child process for the length of the block, started again, ever later, when it ends.

    What is yielded lets it end before the block does, without waiting for it.

    A child that has written heartbeats, and writes no more for `SILENT_SECONDS`, hangs: it is
    killed, and so started again.

    Its standard input stays open as long as this process lives: a child that calls
    `when_parent_ends` ends with its parent, however that one died.
    """
    stop = threading.Event()
    with _thread(lambda: _keep_alive(command, stop), stop):
        yield stop.set


@contextmanager
def postgres_kept_running(settings: Settings) -> Generator[None]:
    """Start the embedded PostgreSQL again when it dies within the block; no other one is ours."""
    if settings.database_url is not None:
        yield
        return
    stop = threading.Event()
    with _thread(lambda: _keep_running(settings.ledger_home, stop), stop):
        yield


def heartbeat() -> Callable[[], None]:
    """What a child of `kept_alive` calls whenever its work gets on; of another parent, nothing."""
    number = os.environ.pop(HEARTBEAT, None)
    if number is None:
        return lambda: None
    pipe = int(number)
    os.set_blocking(pipe, False)
    os.set_inheritable(pipe, False)

    def beat() -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # the pipe is full, or the parent is gone
            os.write(pipe, b".")

    return beat


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
        try:
            code = _run(command, stop)
        except OSError as error:  # no memory or no process is left for a child; perhaps later
            code = error.errno
        if stop.is_set():
            return
        steady = time.monotonic() - started > STEADY_SECONDS
        pause = FIRST_PAUSE_SECONDS if steady else min(2 * pause, LONGEST_PAUSE_SECONDS)
        logger.error(
            "child_ended", command=shlex.join(command[1:]), code=code, again_in_seconds=pause
        )
        stop.wait(pause)


def _run(command: Sequence[str], stop: threading.Event) -> int:
    """Run a child to its end, or until it shall stop; its exit code.

    It has a separate session: Ctrl-C reaches it through us.
    """
    heard, beats = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(beats,),
            env={**os.environ, HEARTBEAT: str(beats)},
        )
    except OSError:
        os.close(heard)
        raise
    finally:
        os.close(beats)
    try:
        _watch(child, shlex.join(command[1:]), heard, stop)
    finally:
        os.close(heard)
    assert child.stdin is not None
    child.stdin.close()
    try:
        return child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _watch(child: subprocess.Popen[bytes], name: str, heard: int, stop: threading.Event) -> None:
    """Until it ends or shall stop; kill it when its heartbeats stop.

    Silence is counted in looks of ours: while this process was stopped itself, it heard nothing.
    """
    silent: float | None = None
    while child.poll() is None and not stop.wait(POLL_SECONDS):
        if select.select([heard], [], [], 0)[0] and os.read(heard, 65_536):
            silent = 0.0
        elif silent is not None:
            silent += POLL_SECONDS
            if silent > SILENT_SECONDS:
                logger.error("child_hangs", command=name, silent_seconds=round(silent))
                child.kill()
                return


def _keep_running(home: Path, stop: threading.Event) -> None:
    """A second user of the server for a moment, again and again: coming in starts what is down."""
    while not stop.wait(LOOK_SECONDS):
        try:
            with EmbeddedPostgres(home):
                pass
        except LedgerError as error:
            logger.warning("postgres_down", error=str(error).splitlines()[0])
