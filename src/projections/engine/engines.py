"""What tasks run on: processes of this machine, or a cluster's. An engine is a `map`, no more.

    processes             the cores of this machine; the default, with nothing to install
    dask://host:8786      a Dask scheduler and its workers (`tls://…` with its certificates)

A task answers a `Done`, and what it made lies in the archive's store: engines move no rows, and
may run a task twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ledger import waits
from ledger.errors import EngineUnavailable, InvalidRequest, LedgerError
from ledger.workers import processes, results
from projections.engine.fold import ProjectionFailed
from projections.engine.fold_objects import Done

Task = TypeVar("Task")
Engine = Callable[[Callable[[Any], Done], Sequence[Any]], Iterator[Done]]
"""Runs a function for each of the tasks, and yields what they answer as they end."""

PROCESSES: Final = "processes"
DASK: Final = ("dask", "tcp", "tls")
RETRIES: Final = 3
CONNECT_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.05
ALONE_SECONDS: Final = 30
"""How long a scheduler may be without a worker."""
NO_DASK: Final = (
    "Dask is not installed here: install Ledger again with its extra, in a checkout as"
    " pipx install --force '.[dask]'."
)


@contextmanager
def opened(address: str) -> Generator[Engine]:
    """The engine of an address; raises `InvalidRequest`, or `EngineUnavailable`."""
    check(address)
    if address == PROCESSES:
        yield _on_processes
        return
    with _dask(address) as engine:
        yield engine


def check(address: str) -> None:
    """Raise `InvalidRequest` for what is no engine's address."""
    parts = urlsplit(address)
    try:
        is_one = parts.scheme in DASK and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_one = False
    if address != PROCESSES and not is_one:
        raise InvalidRequest(
            f"{address!r} is no engine: it is `processes`, or a scheduler such as"
            " dask://host:8786 or tls://host:8786."
        )


def _on_processes(work: Callable[[Any], Done], tasks: Sequence[Any]) -> Iterator[Done]:
    """On the cores of this machine; a process that is killed has its tasks done by others."""
    left = list(tasks)
    for turn in range(RETRIES + 1):
        done = set[str]()
        try:
            with processes(min(os.cpu_count() or 1, max(1, len(left)))) as pool:
                for each in results([pool.submit(work, task) for task in left]):
                    done.add(each.name)
                    yield each
            return
        except BrokenProcessPool as broken:
            left = [task for task in left if task.name not in done]
            if turn == RETRIES:
                raise EngineUnavailable(
                    "Processes of this machine were killed again and again, the last time while"
                    f" {len(left)} of {len(tasks)} tasks were left: is there memory for"
                    f" {os.cpu_count()} of them, of half a gigabyte each? What is done is kept."
                ) from broken


@contextmanager
def _dask(address: str) -> Generator[Engine]:
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError:
        raise InvalidRequest(NO_DASK) from None
    try:
        client: Any = distributed.Client(
            address.replace("dask://", "tcp://", 1), timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError, TypeError, ValueError) as error:
        raise EngineUnavailable(
            f"There is no Dask scheduler at {address}, or it is not to be entered so"
            f" ({type(error).__name__}): start one with `dask scheduler`, and workers with"
            " `dask worker`; tls:// needs Dask's own settings for certificates."
        ) from error
    try:
        yield partial(_on_dask, address, client)
    finally:
        client.close(timeout=2)


def _on_dask(
    address: str, client: Any, work: Callable[[Any], Done], tasks: Sequence[Any]
) -> Iterator[Done]:
    running: set[Any] = set()
    done, moved = 0, time.monotonic()
    try:
        running = set(client.map(work, tasks, retries=RETRIES, pure=False, key=work.__name__))
        while running:
            waits.go_on()
            ended = {future for future in running if future.done()}
            running -= ended
            for future in ended:
                yield future.result()
                done, moved = done + 1, time.monotonic()
            _check(client, moved)
            if not ended:
                time.sleep(LOOK_SECONDS)
    except (LedgerError, ProjectionFailed, GeneratorExit):
        raise
    except Exception as lost:
        raise EngineUnavailable(
            f"{address} did not do its tasks ({type(lost).__name__}: {_first_line(lost)}):"
            f" {done} of {len(tasks)} are done and kept; run it again. Scheduler and workers need"
            " this version of Ledger, with its extra `dask`."
        ) from lost
    finally:
        for future in running:
            future.release()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _check(client: Any, moved: float) -> None:
    """Raise where nothing can come any more."""
    if client.status != "running":
        raise OSError("the scheduler is gone")
    if time.monotonic() - moved > ALONE_SECONDS and not client.nthreads():
        raise OSError(f"the scheduler has had no worker for {ALONE_SECONDS} s")
