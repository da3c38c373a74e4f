"""What tasks run on: processes of this machine, or a cluster's. An engine is a `map`, no more.

    processes             the cores of this machine; the default, with nothing to install
    dask://host:8786      a cluster; each file of `clusters/` is a kind of one

A task answers a `Done`, and what it made lies in the archive's store: engines move no rows, and
may run a task twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from ledger.errors import EngineUnavailable, InvalidRequest
from ledger.workers import processes, results
from projections.engine import cluster
from projections.engine.cluster import RETRIES
from projections.engine.fold_objects import Done

Engine = Callable[[Callable[[Any], Done], Sequence[Any]], Iterator[Done]]
"""Runs a function for each of the tasks, and yields what they answer as they end."""

PROCESSES: Final = "processes"


@contextmanager
def opened(address: str) -> Generator[Engine]:
    """The engine of an address; raises `InvalidRequest`, or `EngineUnavailable`."""
    check(address)
    if address == PROCESSES:
        yield _on_processes
        return
    kind = cluster.kinds()[urlsplit(address).scheme]
    with cluster.connected(kind, address) as there:
        yield partial(cluster.run, kind, address, there)


def check(address: str) -> None:
    """Raise `InvalidRequest` for what is no engine's address."""
    kinds, parts = cluster.kinds(), urlsplit(address)
    try:
        is_one = parts.scheme in kinds and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_one = False
    if address != PROCESSES and not is_one:
        examples = ", ".join(dict.fromkeys(kind.example for kind in kinds.values()))
        raise InvalidRequest(
            f"{address!r} is no engine: it is `processes`, or a cluster's address, such as"
            f" {examples}."
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
