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
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar

from ledger import waits
from ledger.errors import EngineUnavailable, InvalidRequest, LedgerError
from ledger.workers import processes, results
from projections.engine.fold_objects import Done

Task = TypeVar("Task")
Engine = Callable[[Callable[[Any], Done], Sequence[Any]], Iterator[Done]]
"""Runs a function for each of the tasks, and yields what they answer as they end."""

PROCESSES: Final = "processes"
DASK: Final = ("dask", "tcp", "tls")
RETRIES: Final = 3
CONNECT_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.05
NO_DASK: Final = (
    "Dask is not installed here: install Ledger again with its extra, in a checkout as"
    " pipx install --force '.[dask]'."
)


@contextmanager
def opened(address: str) -> Generator[Engine]:
    """The engine of an address; raises `InvalidRequest`, or `EngineUnavailable`."""
    if address == PROCESSES:
        with processes(os.cpu_count() or 1) as pool:
            yield partial(_on_processes, pool)
        return
    kind, mark, _ = address.partition("://")
    if not mark or kind not in DASK:
        raise InvalidRequest(
            f"{address!r} is no engine: it is `processes`, or a scheduler such as"
            " dask://host:8786 or tls://host:8786."
        )
    with _dask(address) as engine:
        yield engine


def _on_processes(
    pool: ProcessPoolExecutor, work: Callable[[Any], Done], tasks: Sequence[Any]
) -> Iterator[Done]:
    return results([pool.submit(work, task) for task in tasks])


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
    except (OSError, TimeoutError) as error:
        raise EngineUnavailable(
            f"There is no Dask scheduler at {address} ({type(error).__name__}): start one with"
            " `dask scheduler`, and workers with `dask worker`."
        ) from error

    def run(work: Callable[[Any], Done], tasks: Sequence[Any]) -> Iterator[Done]:
        futures = client.map(work, tasks, retries=RETRIES, pure=False, key=work.__name__)
        running, done = set(futures), 0
        try:
            while running:
                waits.go_on()
                ended = {future for future in running if future.done()}
                running -= ended
                for future in ended:
                    yield future.result()
                    done += 1
                _check(client)
                if not ended:
                    time.sleep(LOOK_SECONDS)
        except LedgerError:
            raise
        except (
            OSError,
            TimeoutError,
            distributed.CancelledError,
            distributed.KilledWorker,
        ) as lost:
            raise EngineUnavailable(
                f"{address} lost its tasks ({type(lost).__name__}): {done} of {len(tasks)} are"
                " done and kept; run it again."
            ) from lost
        finally:
            for future in running:
                future.release()

    try:
        yield run
    finally:
        client.close(timeout=2)


def _check(client: Any) -> None:
    if client.status != "running":
        raise OSError("the scheduler is gone")
