"""The log: one order of everything that happened, appended to and read, never changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, cast

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import DataError, InfrastructureFactory
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment, EnvType
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import ConnectionPool

from ledger.archive.states import OffloadedStates, leaves_that_left
from ledger.clocks import Clocks
from ledger.domain.events import NewEvent, RecordedEvent
from ledger.errors import ArchiveUnavailable, StoreUnavailable, Unstorable
from ledger.leaves import SELECT as LEAVES
from ledger.leaves import StoredRow
from ledger.mapper import LedgerMapper
from ledger.pending import Pending
from ledger.postgres.database import RECONNECT_SECONDS, Database, Role
from ledger.postgres.failures import reaching, store_errors, told
from ledger.postgres.session import CLOSE_SECONDS, MARGIN_SECONDS, Session
from ledger.recorder import LedgerRecorder
from ledger.waits import USUAL, Limits, left, within

APPEND_EVENTS = 256
APPEND_BYTES = 4 * 1024 * 1024
CHANNEL = "stored_events"
SELECT = """
select
    notification_id, originator_id, originator_version, topic,
    -- A time that no datetime can hold is damage: it must not stop those who read.
    least(greatest(recorded_at, '0001-01-02 00:00Z'), '9999-12-30 00:00Z') as recorded_at,
    state
from ledger.stored_events as e
"""
HEAD = """
select coalesce(
    (select position from ledger.head), (select max(notification_id) from ledger.stored_events), 0
)
"""
END = "select coalesce(max(notification_id), 0) from ledger.stored_events"
STATE = HEAD.rstrip() + ", ledger.epoch(), clock_timestamp()"
RECORDED_BY = """
select least(greatest(recorded_at, '0001-01-02 00:00Z'), '9999-12-30 00:00Z')
from ledger.stored_events
where notification_id <= %s
order by notification_id desc
limit 1
"""
VERSION = """
select originator_version
from ledger.stored_events
where originator_id = %s
order by originator_version desc
limit 1
"""
READ = (
    SELECT
    + "where notification_id > %s and notification_id <= %s order by notification_id limit %s"
)
AT = SELECT + "where notification_id = any(%s) order by 1"
STORED = LEAVES + "where notification_id = %s"
# One stream after the other, by the index, whatever the planner thinks of the streams' lengths.
STREAMS = (
    """
select e.*
from unnest(%s::text[], %s::bigint[]) as s (stream, after_version)
cross join lateral ("""
    + SELECT
    + """
    where originator_id = s.stream and originator_version > s.after_version
    offset 0
) as e
order by 1
"""
)
LATEST = (
    """
select e.*
from unnest(%s::text[]) as s (stream)
cross join lateral ("""
    + SELECT
    + """
    where originator_id = s.stream
    order by originator_version desc
    limit 1
) as e
"""
)


class Log(Application[str]):
    """The one log, through the library's application, mapper and recorder.

    `conninfo` should connect as `ledger_app`, or as `ledger_reader` to read only; `archive` is
    where states lie that left the database. Every method raises `StoreUnavailable` while either
    cannot be reached, within `limits`.
    """

    name = ""
    env: ClassVar[dict[str, str]] = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "APPLICATION_RECORDER_TOPIC": "ledger.recorder:LedgerRecorder",
        "MAPPER_TOPIC": "ledger.mapper:LedgerMapper",
        "ORIGINATOR_ID_TYPE": "text",
        "CREATE_TABLE": "n",
        "POSTGRES_SCHEMA": "ledger",
    }
    recorder: LedgerRecorder
    mapper: LedgerMapper  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        conninfo: str,
        *,
        connections: int = 8,
        limits: Limits = USUAL,
        archive: str | None = None,
    ) -> None:
        self._conninfo = conninfo_to_dict(conninfo)
        self.limits = limits
        self._offloaded = OffloadedStates(archive)
        self.pending = Pending()
        self.clocks = Clocks()
        given = {
            "POSTGRES_DBNAME": str(self._conninfo.get("dbname") or "ledger"),
            "POSTGRES_HOST": str(self._conninfo.get("host") or ""),
            "POSTGRES_USER": str(self._conninfo.get("user") or ""),
            "POSTGRES_PASSWORD": str(self._conninfo.get("password") or ""),
            "POSTGRES_POOL_SIZE": "1",
            "POSTGRES_MAX_OVERFLOW": str(connections - 1),
        }
        with store_errors():
            super().__init__(given)

    @classmethod
    def of(
        cls,
        database: Database,
        role: Role = "app",
        *,
        connections: int = 8,
        limits: Limits | None = None,
    ) -> Log:
        """The log of a database, for a role of it; `limits` are the database's, unless given."""
        return cls(
            database.conninfo(role),
            connections=connections,
            limits=limits or database.limits,
            archive=database.archive,
        )

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """The class's environment and what `__init__` was given; never the process's variables."""
        return Environment(name, {**type(self).env, **(env or {})})

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        """The library's factory, its connections made from the whole conninfo (role, TLS, …)."""
        factory = super().construct_factory(env)
        assert isinstance(factory, PostgresFactory)
        pool = cast("ConnectionPool[Any]", factory.datastore.pool)
        pool.connection_class = Session
        pool.kwargs = {
            **self._conninfo,
            "row_factory": dict_row,
            "patience": self.limits.read + MARGIN_SECONDS,
        }
        pool.timeout = self.limits.write
        pool.reconnect_timeout = RECONNECT_SECONDS
        return factory

    def close(self) -> None:
        """Close the connections, be the server silent."""
        self.recorder.datastore.pool.close(CLOSE_SECONDS)
        super().close()

    def append(self, entries: Sequence[NewEvent]) -> list[int]:
        """Append all or none; answers their positions.

        Raises `VersionTaken` (`ledger.recorder`) where a version of a stream is taken, `Unstorable`
        where the database does not take a value, `LogReplaced` where a version does not follow the
        last one of its stream.
        """
        with self.pending.one(), within(self.limits.write), self._reaching():
            return [recording.notification.id for recording in self.events.put(entries)]

    def append_new(self, entries: Sequence[NewEvent]) -> Sequence[int | None]:
        """Append those whose version of their stream is free; answers None for the others.

        Raises `Unstorable` where the database does not take a value, `LogReplaced` where a version
        does not follow the last one of its stream.
        """
        with self.pending.one(), within(self.limits.write), self._reaching():
            return self.recorder.insert_new_events(
                [self.mapper.to_stored_event(entry) for entry in entries]
            )

    def probe(self, seconds: float) -> None:
        """Find out whether an append would be answered: one of nothing, which changes nothing.

        Raises `StoreUnavailable` where it takes longer than so many seconds.
        """
        with within(seconds + MARGIN_SECONDS), self._reaching():
            self.recorder.probe(seconds)

    def read(
        self, after: int = 0, *, upto: int | None = None, limit: int = 1000
    ) -> list[RecordedEvent]:
        """At most `limit` events at positions after `after` and up to `upto`, in order."""
        return self._select(READ, (after, 2**62 if upto is None else upto, limit))

    def at(self, positions: Sequence[int]) -> list[RecordedEvent]:
        """The events at these positions, in order; a position that does not exist is left out."""
        return self._select(AT, (list(positions),))

    def stored(self, position: int) -> StoredRow | None:
        """An event as it is stored, with its hash; None where there is none at this position."""
        rows = self._rows(STORED, (position,))
        return StoredRow(*rows[0]) if rows else None

    def streams(self, after_versions: Mapping[str, int]) -> list[RecordedEvent]:
        """The events of several streams beyond a version of each, in the log's order."""
        return self._select(STREAMS, (list(after_versions), list(after_versions.values())))

    def latest(self, streams: Sequence[str]) -> dict[str, RecordedEvent]:
        """The last event of each of these streams that has any."""
        found = self._select(LATEST, (list(streams),))
        return {recorded.stream: recorded for recorded in found}

    def stream(self, stream: str) -> list[RecordedEvent]:
        """All events of one stream, in order."""
        return self.streams({stream: 0})

    def head(self) -> int:
        """The last position; 0 while the log is empty.

        The library's `max_notification_id` would try ten times: through an outage, for a minute.
        """
        with within(self.limits.write):
            return self._value(HEAD)

    def end(self) -> int:
        """The last position that holds an event: less than the head where the log is damaged."""
        return min(self.head(), self._value(END))

    def version(self, stream: str) -> int:
        """The last version of a stream; 0 for one that nothing was appended to."""
        return self._value(VERSION, stream) or 0

    def state(self) -> LogState:
        """Where the log ends, and in which epoch of the ledger that was; `clocks` hear the time."""
        with within(self.limits.write), self._reaching(), self._cursor() as cursor:
            row = cursor.execute(STATE, prepare=True).fetchone()
        assert row is not None, "the head has one row"
        head, epoch, now = row
        self.clocks.hear(now)
        return LogState(head, epoch)

    def now(self) -> datetime:
        """The earlier of the service's time and the database's, which is asked for it."""
        self.state()
        return self.clocks.earlier()

    def position_at(self, time: datetime) -> int:
        """The last position recorded at or before a time; recorded times never decrease."""
        earliest = datetime.min.replace(tzinfo=UTC)
        return bisect_right(
            range(1, self.head() + 1), time, key=lambda p: self._value(RECORDED_BY, p) or earliest
        )

    def _value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row; None where there is none."""
        with self._reaching(), self._cursor() as cursor:
            row = cursor.execute(cast("Any", query), parameters, prepare=True).fetchone()
        return row and row[0]

    def _select(self, query: str, parameters: tuple[Any, ...]) -> list[RecordedEvent]:
        return list(map(self.mapper.recorded, self._rows(query, parameters)))

    def _rows(self, query: str, parameters: tuple[Any, ...]) -> Sequence[tuple[Any, ...]]:
        with self._reaching(), self._cursor() as cursor:
            rows = cursor.execute(cast("Any", query), parameters, prepare=True).fetchall()
            gone = leaves_that_left(rows, cursor)
        try:  # without a connection, which an append may wait for
            return self._offloaded.fill(rows, gone, min(self.limits.read, left()))
        except ArchiveUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    @contextmanager
    def _cursor(self) -> Generator[psycopg.Cursor[tuple[Any, ...]]]:
        with (
            self.recorder.datastore.get_connection() as conn,
            conn.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            yield cursor

    @contextmanager
    def _reaching(self) -> Generator[None]:
        try:
            with reaching(self.recorder.datastore.pool):
                yield
        except (DataError, UnicodeError) as error:  # of what was asked: an append says so itself
            raise Unstorable(f"The log cannot hold this: {told(error)}.") from error


class LogState(NamedTuple):
    """The last position, and the epoch: another one where the log may have been replaced."""

    head: int
    epoch: str


class LogWatch:
    """Tells a process when what it remembers of the log counts no longer.

    That is so where a backup was restored under it, or the log's end was cut off.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._epoch: str | None = None
        self._reached = 0

    def reached(self, position: int) -> None:
        """Take note of a position that the process knows of."""
        self._reached = max(self._reached, position)

    def was_replaced(self) -> bool:
        """Look at the log; whether it is another one than at the last look, or ends earlier."""
        head, epoch = self._log.state()
        replaced = self._epoch not in (None, epoch) or head < self._reached
        self._epoch, self._reached = epoch, head
        return replaced
