"""As of a position: an object's own events folded into temporary tables, read by the same views."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from psycopg import Connection

from ledger.domain.events import RecordedEvent
from projections.engine.build import Reader, ReadModelTables
from projections.engine.registry import Registry
from projections.engine.tables import TEMPORARY


@contextmanager
def as_of(
    conn: Connection, registry: Registry, reader: Reader, events: Iterable[RecordedEvent]
) -> Generator[ReadModelTables]:
    """A copy of the registry's tables that holds just what these events say.

    The tables are temporary and gone with the block; `conn` needs no privilege but to read. Until
    then its cursors see them, and the copy may take in more events.
    """
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        copy = ReadModelTables(cursor, registry, reader, TEMPORARY)
        copy.create()
        copy.load([list(events)])
        copy.finish()
        yield copy
