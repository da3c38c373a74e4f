"""Sessions: which browser signed in with which token, known to every process, until they end."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from ledger.postgres.database import Database
from ledger.postgres.failures import reaching
from ledger.postgres.session import CLOSE_SECONDS

LIFETIME_SECONDS: Final = 12 * 60 * 60
CONNECTIONS: Final = 4

BEGIN: Final = """
with over as (
    delete from ledger.sessions where expires_at <= least(clock_timestamp(), %(now)s)
)
insert into ledger.sessions (secret_sha256, token_id, expires_at)
values (
    %(secret)s, %(token)s,
    greatest(clock_timestamp(), %(now)s) + make_interval(secs => %(seconds)s)
)
"""
FIND: Final = """
select given.place - 1, s.token_id
from unnest(%(secrets)s::bytea[]) with ordinality as given (secret_sha256, place)
join ledger.sessions as s using (secret_sha256)
where s.expires_at > least(clock_timestamp(), %(now)s)
order by given.place
limit 1
"""
END: Final = "delete from ledger.sessions where secret_sha256 = any(%s)"


class Sessions:
    """The sessions of the console, over a few separate connections.

    A session is over when both the service's clock and the database's say so.
    The database holds the SHA-256 of a session's secret, which is 32 random bytes. Every method
    raises `StoreUnavailable`.
    """

    def __init__(self, database: Database) -> None:
        self._pool = database.pool("app", CONNECTIONS, autocommit=True)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close(CLOSE_SECONDS)

    def begin(self, token_id: str) -> str:
        """Begin a session of twelve hours; answers its secret."""
        secret = secrets.token_urlsafe(32)
        with reaching(self._pool), self._pool.connection() as conn:
            given = {"secret": _digest(secret), "token": token_id, "seconds": LIFETIME_SECONDS}
            conn.execute(BEGIN, given | {"now": datetime.now(UTC)})
        return secret

    def find(self, given: Sequence[str]) -> tuple[str, str] | None:
        """The first of these secrets whose session goes on, with the id of its token."""
        if not given:
            return None
        with reaching(self._pool), self._pool.connection() as conn:
            asked = {"secrets": [_digest(secret) for secret in given], "now": datetime.now(UTC)}
            row = conn.execute(FIND, asked).fetchone()
        return None if row is None else (given[int(row[0])], row[1])

    def end(self, given: Sequence[str]) -> None:
        """End the sessions of these secrets, for good."""
        with reaching(self._pool), self._pool.connection() as conn:
            conn.execute(END, [[_digest(secret) for secret in given]])


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
