"""As of a position: an object's own events folded into temporary tables, read by the same views."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from psycopg import Connection

from ledger.domain.events import Recorded
from projections.engine.build import Copy, Reader
from projections.engine.registry import Registry
from projections.engine.tables import TEMPORARY, AnyCursor


@contextmanager
def as_of(
    conn: Connection, registry: Registry, reader: Reader, events: Iterable[Recorded]
) -> Generator[AnyCursor]:
    """A cursor for which the registry's tables hold just what these events say.

    The tables are temporary and gone with the block; `conn` needs no privilege but to read.
    """
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        copy = Copy(cursor, registry, reader, TEMPORARY)
        copy.create()
        copy.stage()
        copy.load([list(events)])
        copy.finish()
        yield cursor
