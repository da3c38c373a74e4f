"""A projection as the `eventsourcing` library runs it: one statement and one commit an event."""

import time
from typing import Any, Final

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import EnvType
from psycopg.sql import SQL, Identifier

from benchmarks.append import library_settings
from benchmarks.measuring import RATE, Sample
from benchmarks.server import run_sql
from ledger.domain.events import NewEvent
from ledger.log import Log
from ledger.postgres.database import Database

SCHEMA: Final = "library"
LIMIT_SECONDS: Final = 120

TABLE: Final = """
create table if not exists {}.event_lines (
    position bigint primary key,
    stream text not null,
    topic text not null,
    effective_at timestamptz not null
)
"""
INSERT: Final = "insert into {}.event_lines values (%s, %s, %s, %s)"


class EventLines(PostgresTrackingRecorder):
    """The simple table: a line an event, written in one transaction with its position."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        schema = Identifier(self.datastore.schema)
        self.sql_create_statements.append(SQL(TABLE).format(schema))
        self._insert = SQL(INSERT).format(schema)

    def add(self, entry: NewEvent, tracking: Tracking) -> None:
        """Write the line of one event."""
        line = (tracking.notification_id, entry.originator_id, entry.event.TOPIC)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._insert, (*line, entry.effective_at), prepare=True)


class EventLinesProjection(Projection[EventLines]):
    """What the runner calls for each event."""

    name = "event_lines"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Write the line of one event."""
        self.view.add(domain_event, tracking)


class LibraryLog(Log):
    """Our log, opened by the library's runner from an environment."""

    name = ""

    def __init__(self, env: EnvType | None = None) -> None:
        assert env is not None
        super().__init__(env["LEDGER_LOG"])


def run_projection(database: Database, at_least: int) -> Sample:
    """Let the library's runner project the log's first events into an empty table."""
    run_sql(database, "drop schema if exists library cascade", "create schema library")
    env = {
        **library_settings(database),
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_SCHEMA": SCHEMA,
        "LEDGER_LOG": database.conninfo("reader"),
    }
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=LibraryLog,
        projection_class=EventLinesProjection,
        view_class=EventLines,
        env=env,
    ) as runner:
        runner.wait(at_least, timeout=LIMIT_SECONDS)
        projected = runner.view.max_tracking_id(runner.app_name) or 0
        seconds = time.perf_counter() - started
    assert projected >= at_least
    return {RATE: projected / seconds}
