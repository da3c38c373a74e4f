"""Processes that work for this one, and end with it, however it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for_tasks
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any, TypeVar

from ledger import waits
from ledger.errors import EngineUnavailable, Stopped

T = TypeVar("T")

LOOK_SECONDS = 0.2


@contextmanager
def uncollected() -> Generator[None]:
    """Look for no garbage during a task that makes very many objects, none of which is in a cycle.

    To look at them again and again takes a tenth of a fold's time. In a process that goes on it is
    looked for again afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def processes(
    count: int, begin: Callable[..., None] | None = None, *args: Any
) -> Generator[ProcessPoolExecutor]:
    """Workers for the length of the block; each calls `begin` with `args` first.

    Where the block is told to stop, they do not end what they have in hand; and none outlives this
    process, to go on with what the next one begins again. Ctrl-C is for this process alone: a
    terminal gives it to all of them, and theirs would end in a traceback.

    They are forks of one process that has only imported the modules of ours that this one had when
    it first needed workers: to import those anew would take each worker a second.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(sorted(filter(_is_ours, list(sys.modules))))
    may_work, we_work = context.Pipe(duplex=False)
    with (
        we_work,
        may_work,
        _Pool(
            count,
            mp_context=context,
            initializer=_begin,
            initargs=(may_work, {**os.environ}, begin, args),
        ) as pool,
    ):
        try:
            yield pool
        except (Stopped, KeyboardInterrupt, GeneratorExit):
            we_work.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Workers are started here: none of them, nor what forks them, ever gets SIGINT."""
        resource_tracker.ensure_running()  # which lets signals in again as it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def spread(work: Callable[..., T], tasks: Sequence[tuple[Any, ...]]) -> Iterator[T]:
    """What `work` answers for each task's arguments, as it ends, on all cores; one alone here."""
    if len(tasks) == 1:
        yield work(*tasks[0])
    elif tasks:
        try:
            with processes(min(os.cpu_count() or 1, len(tasks))) as pool:
                yield from results([pool.submit(work, *task) for task in tasks])
        except BrokenProcessPool as broken:
            raise EngineUnavailable(
                "A process that worked for this one was killed: is there memory for"
                f" {os.cpu_count()} of them? What is done is kept; run it again."
            ) from broken


def results(tasks: Iterable[Future[T]]) -> Iterator[T]:
    """What tasks answer, as they end; raises what the first that fails raises."""
    running = set(tasks)
    while running:
        finished, running = wait_for_tasks(running, LOOK_SECONDS, FIRST_COMPLETED)
        waits.go_on()
        for task in finished:
            yield task.result()


def _is_ours(module: str) -> bool:
    """Whether a module is of the packages whose functions are given to workers."""
    return module.partition(".")[0] in {"ledger", "projections", "webhooks"}


def _begin(
    may_work: Connection,
    environment: dict[str, str],
    begin: Callable[..., None] | None,
    args: tuple[Any, ...],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    parent = parent_process()
    assert parent is not None, "a worker was started by another process"

    def watch() -> None:
        wait([parent.sentinel, may_work])
        os._exit(1)

    Thread(target=watch, daemon=True, name="parent-watch").start()
    if begin is not None:
        begin(*args)
