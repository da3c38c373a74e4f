"""Leadership: of all processes, one session holds the advisory lock of a duty.

A session that leads loses its locks soon after its process is gone, or stands still.
"""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

import psycopg

from ledger import waits
from ledger.postgres.database import Database, Role

FOLLOWER: Final = "ledger follower"
TIMERS: Final = "ledger timers"
REBUILD: Final = "ledger rebuild"
SEAL: Final = "ledger archive seal"
SNAPSHOTS: Final = "kpi snapshots"

POLL_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 3.0
LIMIT: Final = """
select
    set_config('tcp_keepalives_idle', '1', false),
    set_config('tcp_keepalives_interval', '1', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('idle_session_timeout', %(silent)s, false),
    set_config('idle_in_transaction_session_timeout', %(silent)s, false)
"""


def limit_silence(conn: psycopg.Connection) -> None:
    """Let PostgreSQL end this session when nothing was heard from it for `SILENT_SECONDS`.

    Keepalive finds a machine that is gone (a socket of this machine is found at once), the two
    timeouts a process that hangs:
    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT
    """
    conn.execute(LIMIT, {"silent": f"{SILENT_SECONDS * 1000:.0f}ms"})


def take(cursor: psycopg.Connection | psycopg.Cursor[Any], duty: str) -> bool:
    """Hold a duty's lock with this session, unless another one holds it."""
    row = cursor.execute("select pg_try_advisory_lock(hashtext(%s))", [duty]).fetchone()
    assert row is not None, "a function answers a row"
    return bool(row[0])


@contextmanager
def leading(
    database: Database, role: Role, duty: str, stop: Event
) -> Generator[psycopg.Connection | None]:
    """The session that leads, as soon as no other does; None where `stop` was set before.

    When its process dies or hangs, the lock is free, and another takes over within five seconds.
    """
    with database.connect(role, autocommit=True) as conn:
        limit_silence(conn)
        while not take(conn, duty):
            waits.go_on()
            if stop.wait(POLL_SECONDS):
                yield None
                return
        yield conn
