"""One moment of the database, seen by several sessions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Literal

from ledger.postgres.database import UNLIMITED, Database


def exported(conn: Connection) -> str:
    """The snapshot of a transaction, for others to see just what it sees, as long as it lasts."""
    row = conn.execute("select pg_export_snapshot()").fetchone()
    assert row is not None, "a function answers a row"
    return row[0]


@contextmanager
def seeing(database: Database, snapshot: str) -> Generator[Connection]:
    """A session of the projector's that sees what an exported snapshot sees."""
    with database.connect("projector", seconds=UNLIMITED) as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.execute(SQL("set transaction snapshot {}").format(Literal(snapshot)))
        yield conn
