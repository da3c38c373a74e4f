"""What somebody with every right can do to a log: each takes the triggers away first."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from ledger.postgres.database import Database


@contextmanager
def superuser(database: Database) -> Generator[psycopg.Connection]:
    """A session in which no trigger refuses anything; committed at the end of the block."""
    with psycopg.connect(database.admin_conninfo) as conn:
        conn.execute("set session_replication_role = replica")
        yield conn


def tamper(database: Database, *statements: LiteralString, **parameters: object) -> None:
    """Carry out statements as superuser, in one transaction."""
    with superuser(database) as conn:
        for statement in statements:
            conn.execute(statement, parameters if "%(" in statement else None)


TURN_BACK: LiteralString = """
update ledger.head set (position, recorded_at) = (
    select coalesce(max(notification_id), 0), coalesce(max(recorded_at), '-infinity')
    from ledger.stored_events
)
"""


def cut(database: Database, upto: int) -> None:
    """The log's end is cut off, and the head turned back with it."""
    tamper(
        database,
        "delete from ledger.stored_events where notification_id > %(upto)s",
        TURN_BACK,
        upto=upto,
    )


def restore(database: Database, upto: int) -> None:
    """The log is restored from a dump that was made at a position; the read models stay."""
    tamper(
        database,
        "create temporary table dump as"
        " select * from ledger.stored_events where notification_id <= %(upto)s",
        "truncate ledger.stored_events",
        "insert into ledger.stored_events select * from dump",
        TURN_BACK,
        upto=upto,
    )
