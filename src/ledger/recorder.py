"""The recorder: the library's, but appending through the one function that the service may call.

Differs from the stock recorder in what it may do and promises: it takes no table lock (which needs
privileges that an append-only role must not have), its notification ids have no gaps, and events
that exist already can be left out instead of failing the whole call.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.sql import SQL, Identifier


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

        Raises `IntegrityError` where a version of a stream is taken. Never tries again by itself:
        after a lost connection nobody knows whether the first try was committed.
        """
        return self._call(stored_events, skip_existing=False)

    def insert_new_events(self, stored_events: Sequence[StoredEvent]) -> Sequence[int | None]:
        """Append those whose version of their stream is free; answers None for the others."""
        first = {(e.originator_id, e.originator_version): e for e in reversed(stored_events)}
        offered = [e for e in stored_events if first[e.originator_id, e.originator_version] is e]
        positions = iter(self._call(offered, skip_existing=True))
        return [
            next(positions) if first[e.originator_id, e.originator_version] is e else None
            for e in stored_events
        ]

    def _call(self, stored_events: Sequence[StoredEvent], *, skip_existing: bool) -> list[Any]:
        if not stored_events:
            return []
        columns = (
            [e.originator_id for e in stored_events],
            [e.originator_version for e in stored_events],
            [e.topic for e in stored_events],
            [e.state for e in stored_events],
        )
        with self.datastore.get_connection() as conn, conn.cursor() as cursor:
            cursor.execute(self._append, (*columns, skip_existing), prepare=True)
            row = cursor.fetchone()
        assert row is not None
        return row["positions"]
