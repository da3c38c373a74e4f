"""Building on several cores: each process folds stretches of its own, and the tables merge them.

The order in which stretches reach the tables does not matter: that is what merging means.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_tasks
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import NamedTuple

from ledger import waits
from ledger.errors import Stopped
from ledger.log import Log
from ledger.postgres.database import FOLLOW_SECONDS, UNLIMITED, Database
from projections.engine.build import ProjectionContext, Reader, ReadModelTables, stretches
from projections.engine.registry import Registry, discover

TASK_EVENTS = 20_000
WORTHWHILE_EVENTS = 50_000
LOOK_SECONDS = 0.2


class Work(NamedTuple):
    """What a worker process must know."""

    database: Database
    reader: Reader
    projections: tuple[str, ...]
    schema: str
    may_work: Connection
    """Ends when the worker shall."""


_worker: list[tuple[Log, ReadModelTables]] = []
"""This process's own, once `_begin` ran."""


def is_worthwhile(engine: ProjectionContext, upto: int) -> bool:
    """Whether workers pay, and can: they find their projections by themselves."""
    cores = os.cpu_count() or 1
    found = all(discover().by_name.get(p.name) is p for p in engine.registry)
    return found and cores > 1 and upto >= WORTHWHILE_EVENTS


def load(engine: ProjectionContext, schema: str, upto: int) -> Iterator[int]:
    """Load all events up to a position into tables just made; yields how many are in so far."""
    context = get_context("spawn")
    may_work, we_work = context.Pipe(duplex=False)
    work = Work(engine.database, engine.reader, tuple(engine.registry.by_name), schema, may_work)
    with (
        we_work,
        may_work,
        ProcessPoolExecutor(
            os.cpu_count(), mp_context=context, initializer=_begin, initargs=(work,)
        ) as pool,
    ):
        tasks = {
            pool.submit(_take_in, after, min(after + TASK_EVENTS, upto))
            for after in range(0, upto, TASK_EVENTS)
        }
        done = 0
        try:
            while tasks:
                finished, tasks = wait_for_tasks(tasks, LOOK_SECONDS, FIRST_COMPLETED)
                waits.go_on()
                for task in finished:
                    done += task.result()
                    yield done
        except Stopped:
            we_work.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def finish(engine: ProjectionContext, schema: str) -> None:
    """Make derived rows, rollups and indexes of what was loaded, on several connections."""
    stops = waits.stops()

    def finish_island(island: Registry) -> None:
        with (
            waits.until(*stops),
            engine.database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn,
            conn.cursor() as cursor,
        ):
            copy = ReadModelTables(cursor, island, engine.reader, schema)
            copy.build_quickly()
            copy.finish()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(finish_island, engine.registry.islands()))


def _begin(work: Work) -> None:
    _end_with_parent(work.may_work)
    gc.disable()  # short-lived, and without cycles: a fifth of the time went into looking for them
    conn = work.database.connect("projector", seconds=UNLIMITED, autocommit=True)
    limits = work.database.limits._replace(read=FOLLOW_SECONDS)
    log = Log(work.database.conninfo("projector"), connections=1, limits=limits)
    registry = discover().only(work.projections)
    copy = ReadModelTables(conn.cursor(), registry, work.reader, work.schema)
    copy.build_quickly()
    copy.stage()
    _worker.append((log, copy))


def _end_with_parent(may_work: Connection) -> None:
    """A rebuild that was killed leaves no worker behind, to write into the tables of the next.

    One that was told to stop does not wait for what its workers have in hand either.
    """
    parent = parent_process()
    assert parent is not None, "a worker was started by a rebuild"

    def watch() -> None:
        wait([parent.sentinel, may_work])
        os._exit(1)

    Thread(target=watch, daemon=True, name="parent-watch").start()


def _take_in(after: int, upto: int) -> int:
    log, copy = _worker[0]
    copy.load(stretches(log, after, upto))
    return upto - after
