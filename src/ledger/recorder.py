"""The recorder: the library's, but appending through the one function that the service may call.

Differs from the stock recorder in what it may do and promises: it takes no table lock (which needs
privileges that an append-only role must not have), its notification ids have no gaps, and events
that exist already can be left out instead of failing the whole call.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.errors import UniqueViolation
from psycopg.sql import SQL, Identifier

from ledger.errors import LogReplaced, Unstorable
from ledger.postgres.failures import is_unstorable, told

VERSION: Final = "stored_events_pkey"
"""The constraint that lets one writer have each version of a stream."""

POSITION: Final = "stored_events_position_key"
"""The constraint that only a head that stands before the last event can break."""

REPLACED: Final = (
    "The log is not the one that was read before: was a backup restored? `ledger verify` tells."
)

HOLE: Final = "23L01"
"""SQLSTATE of an append whose version does not follow the last one of its stream."""


class VersionTaken(IntegrityError):
    """Another writer appended this version of a stream first: load again, and decide again."""


class LedgerRecorder(PostgresApplicationRecorder):
    """Appends to and reads `ledger.stored_events`; a notification id is a position of the log."""

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = "stored_events"
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        self._append = SQL(
            "select {}.append(%b::text[], %b::bigint[], %b::text[], %b::bytea[], %s) as positions"
        ).format(Identifier(datastore.schema))

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append all or none, and answer their positions.

        Raises `VersionTaken`, `Unstorable`, or `LogReplaced` where a version does not follow the
        last one of its stream. Never tries again by itself: after a lost connection
        it is not known whether the first try was committed.
        """
        return self._call(stored_events, skip_existing=False)

    def insert_new_events(self, stored_events: Sequence[StoredEvent]) -> Sequence[int | None]:
        """Append those whose version of their stream is free; answers None for the others.

        Raises `Unstorable`, or `LogReplaced` where one does not follow the last of its stream.
        """
        first = {(e.originator_id, e.originator_version): e for e in reversed(stored_events)}
        offered = [e for e in stored_events if first[e.originator_id, e.originator_version] is e]
        positions = iter(self._call(offered, skip_existing=True))
        return [
            next(positions) if first[e.originator_id, e.originator_version] is e else None
            for e in stored_events
        ]

    def probe(self, seconds: float) -> None:
        """Append nothing: what an append waits for is waited for, so many seconds."""
        with self.datastore.get_connection() as conn, conn.transaction():
            conn.execute("select set_config('lock_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])
            conn.execute(self._append, ([], [], [], [], True), prepare=True)

    def _call(self, stored_events: Sequence[StoredEvent], *, skip_existing: bool) -> list[Any]:
        if not stored_events:
            return []
        columns = (
            [e.originator_id for e in stored_events],
            [e.originator_version for e in stored_events],
            [e.topic for e in stored_events],
            [e.state for e in stored_events],
        )
        with (
            _refusals(),
            self.datastore.get_connection() as conn,
            conn.cursor() as cursor,
        ):
            cursor.execute(self._append, (*columns, skip_existing), prepare=True)
            row = cursor.fetchone()
        assert row is not None
        return row["positions"]


@contextmanager
def _refusals() -> Generator[None]:
    """What the database does not take: a version that does not fit, or values that do not."""
    try:
        yield
    except (PersistenceError, UnicodeError) as error:
        cause = error if isinstance(error, UnicodeError) else error.__cause__
        if isinstance(cause, UniqueViolation) and cause.diag.constraint_name == VERSION:
            raise VersionTaken("A version of a stream is taken.") from cause
        if isinstance(cause, psycopg.Error) and (
            cause.sqlstate == HOLE or cause.diag.constraint_name == POSITION
        ):
            raise LogReplaced(REPLACED) from cause
        if is_unstorable(cause):
            raise Unstorable(f"The log cannot hold this: {told(error)}.") from cause
        raise
