"""As of a position: an object's own events folded into temporary tables, read by the same views.

To make the tables of orders takes ten times as long as to fold the events of one. So a few
connections keep theirs, empty between one question and the next.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import Connection, IsolationLevel
from psycopg_pool import ConnectionPool

from ledger.domain.events import RecordedEvent
from ledger.postgres.failures import reaching
from ledger.postgres.session import CLOSE_SECONDS, Session
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.registry import Registry
from projections.engine.tables import TEMPORARY

CONNECTIONS: Final = 4
MOST_ROWS: Final = 50_000
"""After so many a connection is given up: rows that were rolled back stay in temporary tables."""


@dataclass
class Kept:
    """What a connection keeps: tables of projections, and copies by the names of theirs."""

    projections: set[str] = field(default_factory=set[str])
    copies: dict[tuple[str, ...], ReadModelTables] = field(
        default_factory=dict[tuple[str, ...], ReadModelTables]
    )


class Copies:
    """Temporary copies of read models on a few connections, which need no privilege but to read."""

    def __init__(self, engine: ProjectionContext) -> None:
        self._engine = engine
        self._lock = Lock()
        self._opened: ConnectionPool[Session] | None = None
        self._kept: WeakKeyDictionary[Connection[Any], Kept] = WeakKeyDictionary()

    def close(self) -> None:
        """Close the connections, and so drop the tables."""
        if self._opened is not None:
            self._opened.close(CLOSE_SECONDS)

    @contextmanager
    def of(self, registry: Registry, events: Iterable[RecordedEvent]) -> Generator[ReadModelTables]:
        """A copy of the registry's tables that holds just what these events say.

        It is empty again after the block. Until then the cursors of its connection see it, and the
        copy may take in more events.
        """
        pool = self._pool()
        with reaching(pool), pool.connection() as conn:
            kept = self._kept.setdefault(conn, Kept())
            copy = self._copy(conn, kept, registry)
            with conn.transaction(force_rollback=True):
                copy.flush(copy.fold(events))
                yield copy
            if sum(each.flushed_rows for each in kept.copies.values()) > MOST_ROWS:
                conn.close()

    def _pool(self) -> ConnectionPool[Session]:
        with self._lock:
            if self._opened is None:
                self._opened = self._engine.database.pool(
                    "reader", CONNECTIONS, configure=_configure
                )
            return self._opened

    def _copy(self, conn: Connection[Any], kept: Kept, registry: Registry) -> ReadModelTables:
        names = tuple(projection.name for projection in registry)
        if names not in kept.copies:
            lacking = registry.only(set(names) - kept.projections)
            with conn.transaction():
                cursor = conn.cursor()
                made = ReadModelTables(cursor, lacking, self._engine.reader, TEMPORARY)
                made.create()
                made.finish()
                copy = ReadModelTables(cursor, registry, self._engine.reader, TEMPORARY)
                copy.follow_durably()
            kept.copies[names] = copy
            kept.projections.update(names)
        return kept.copies[names]


def _configure(conn: Connection[Any]) -> None:
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
