"""Leases: a session that leads loses its locks soon after its process is gone, or stands still."""

from typing import Final

import psycopg

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
