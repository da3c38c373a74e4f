"""Building on several cores: each process folds its part of the log, and the tables merge them.

The order in which these parts reach the tables does not matter: that is what merging means.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_tasks
from contextlib import AbstractContextManager, ExitStack
from contextvars import copy_context
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import psycopg

from ledger.log import Log
from ledger.postgres.database import FOLLOW_SECONDS, UNLIMITED, Database
from ledger.workers import processes, results, uncollected
from projections.engine import tables
from projections.engine.build import ProjectionContext, Reader, ReadModelTables, batches
from projections.engine.declare import Derived, Rollup
from projections.engine.registry import Registry, discover
from projections.engine.tables import AnyCursor

Item = TypeVar("Item")
Answer = TypeVar("Answer")

TASK_EVENTS = 20_000
WORTHWHILE_EVENTS = 50_000
MOST_CONNECTIONS = 8


class Work(NamedTuple):
    """What a worker process must know."""

    database: Database
    reader: Reader
    projections: tuple[str, ...]
    schema: str


_worker: list[tuple[Log, ReadModelTables]] = []
"""This process's own, once `_begin` ran."""


def is_worthwhile(engine: ProjectionContext, events: int) -> bool:
    """Whether workers pay for so many events, and can do it."""
    return can_find(engine.registry) and (os.cpu_count() or 1) > 1 and events >= WORTHWHILE_EVENTS


def can_find(registry: Registry) -> bool:
    """Whether another process finds these projections by their names."""
    return all(discover().by_name.get(p.name) is p for p in registry)


def load(engine: ProjectionContext, schema: str, after: int, upto: int) -> Iterator[int]:
    """Load the events between two positions into tables just made; yields how far it came."""
    work = Work(engine.database, engine.reader, tuple(engine.registry.by_name), schema)
    with processes(os.cpu_count() or 1, _begin, work) as pool:
        done = after
        for events in results(
            [
                pool.submit(_take_in, start, min(start + TASK_EVENTS, upto))
                for start in range(after, upto, TASK_EVENTS)
            ]
        ):
            done += events
            yield done


def at_once(
    connect: Callable[[], AbstractContextManager[psycopg.Connection]],
    work: Callable[[AnyCursor, Item], Answer],
    items: Sequence[Item],
) -> list[Answer]:
    """What `work` answers for each item, in their order, over as many connections as pay."""
    connections = min(os.cpu_count() or 1, len(items), MOST_CONNECTIONS)
    with ExitStack() as stack:
        free = SimpleQueue[AnyCursor]()
        for _ in range(connections):
            free.put(stack.enter_context(stack.enter_context(connect()).cursor()))

        def one(item: Item) -> Answer:
            cursor = free.get()
            try:
                return work(cursor, item)
            finally:
                free.put(cursor)

        with ThreadPoolExecutor(max(1, connections)) as pool:
            tasks = [pool.submit(copy_context().run, one, item) for item in items]
            try:
                return [task.result() for task in tasks]
            finally:
                pool.shutdown(cancel_futures=True)


def finish(engine: ProjectionContext, schema: str) -> None:
    """Make derived rows, rollups and indexes of what was loaded, on several connections.

    A table is made as soon as those that it is made from are; of several, the one that the longest
    chain of others waits for.
    """
    connections = min(os.cpu_count() or 1, len(engine.registry.tables), MOST_CONNECTIONS)
    with ExitStack() as stack:
        free = SimpleQueue[ReadModelTables]()
        for _ in range(connections):
            connected = engine.database.connect("projector", seconds=UNLIMITED, autocommit=True)
            cursor = stack.enter_context(stack.enter_context(connected).cursor())
            copy = ReadModelTables(cursor, engine.registry, engine.reader, schema)
            copy.build_quickly()
            free.put(copy)

        def finish_table(name: str) -> str:
            copy = free.get()
            try:
                tables.finish(copy.cursor, [engine.registry.tables[name]])
            finally:
                free.put(copy)
            return name

        graph = _made_from(engine.registry)
        order, waiting = TopologicalSorter(graph), _waiting(graph)
        order.prepare()
        ready, running = list[str](), set[Future[str]]()
        with ThreadPoolExecutor(connections) as pool:
            try:
                while order.is_active():
                    ready = sorted([*ready, *order.get_ready()], key=lambda name: -waiting[name])
                    while ready and len(running) < connections:
                        running.add(pool.submit(copy_context().run, finish_table, ready.pop(0)))
                    finished, running = wait_for_tasks(running, return_when=FIRST_COMPLETED)
                    order.done(*(task.result() for task in finished))
            finally:
                pool.shutdown(cancel_futures=True)


def _made_from(registry: Registry) -> dict[str, set[str]]:
    """The tables whose names, or views, stand in what makes a table, of those that come before."""
    graph: dict[str, set[str]] = {}
    for name, table in registry.tables.items():
        match table:
            case Derived():
                sources = set(re.findall(r"\w+", table.view))
            case Rollup():
                sources = {table.source.name, *re.findall(r"\w+", table.contribution)}
            case _:
                sources = set[str]()
        graph[name] = {word.removesuffix("_view") for word in sources} & graph.keys()
    return graph


def _waiting(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """How long the longest chain of tables is that waits for each."""
    waiting = dict.fromkeys(graph, 0)
    for name in reversed(tuple(TopologicalSorter(graph).static_order())):
        for source in graph[name]:
            waiting[source] = max(waiting[source], waiting[name] + 1)
    return waiting


def _begin(work: Work) -> None:
    conn = work.database.connect("projector", seconds=UNLIMITED, autocommit=True)
    limits = work.database.limits._replace(read=FOLLOW_SECONDS)
    log = Log.of(work.database, "projector", connections=1, limits=limits)
    registry = discover().only(work.projections)
    copy = ReadModelTables(conn.cursor(), registry, work.reader, work.schema)
    copy.build_quickly()
    _worker.append((log, copy))


@uncollected()
def _take_in(after: int, upto: int) -> int:
    log, copy = _worker[0]
    copy.load(batches(log, after, upto))
    return upto - after
