"""Our recorder passes the library's own tests, and may do no more than append and read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString
from unittest.mock import patch
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.tests import persistence
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from ledger.errors import LogReplaced
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.recorder import LedgerRecorder, VersionTaken
from tests.support.damage import tamper


@pytest.mark.every_server
class TestLibrarysContract(ApplicationRecorderTestCase[LedgerRecorder]):
    """The cases that `eventsourcing` ships for recorders."""

    INITIAL_VERSION = 1

    @pytest.fixture(autouse=True)
    def _logs(self, fresh_database: Callable[[], Database]) -> Iterator[None]:
        self._fresh_database = fresh_database
        self._open: list[Log] = []
        yield
        for log in self._open:
            log.close()

    def create_recorder(self) -> LedgerRecorder:
        log = Log(self._fresh_database().conninfo("app"))
        self._open.append(log)
        return log.recorder

    def new_originator_id(self) -> str:
        return f"test/{uuid4()}"

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    def test_concurrent_no_conflicts(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - pytest gives no position
        with versions_from_1():
            super().test_concurrent_no_conflicts()

    def test_concurrent_throughput(self) -> None:
        with versions_from_1():
            super().test_concurrent_throughput()


@contextmanager
def versions_from_1() -> Iterator[None]:
    """These two cases count versions from 0, whatever `INITIAL_VERSION` says; ours begin at 1."""
    with patch.object(persistence, "range", lambda n: range(1, n + 1), create=True):
        yield


@pytest.fixture
def recorder(database: Database) -> Iterator[LedgerRecorder]:
    with Log(database.conninfo("app")) as log:
        yield log.recorder


def event(stream: str, version: int = 1, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "test.v1", state)


def test_a_rolled_back_append_leaves_no_gap(recorder: LedgerRecorder):
    recorder.insert_events([event("a")])
    with pytest.raises(IntegrityError):
        recorder.insert_events([event("b"), event("a")])
    assert recorder.insert_events([event("c")]) == [2]


def test_new_events_leave_out_what_exists_and_what_comes_twice(recorder: LedgerRecorder):
    recorder.insert_events([event("a")])
    offered = [event("b"), event("a"), event("c"), event("b", state=b"other"), event("b", 2)]
    assert recorder.insert_new_events(offered) == [2, None, 3, None, 4]
    assert recorder.select_events("b")[0].state == b"{}"
    assert recorder.insert_new_events(offered) == [None] * 5
    assert recorder.max_notification_id() == 4


@pytest.mark.every_server
@pytest.mark.parametrize("role", ["app", "projector", "reader", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "update ledger.stored_events set topic = 'x'",
        "delete from ledger.stored_events",
        "truncate ledger.stored_events",
        "delete from ledger.head",
        "truncate ledger.head",
        "update ledger.head set position = 0",
        "update ledger.head set recorded_at = '2001-01-01'",
    ],
)
def test_nobody_changes_the_log(database: Database, role, statement: LiteralString):
    with Log(database.conninfo("app")) as log:
        log.recorder.insert_events([event("a")])
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


@pytest.mark.parametrize("role", ["app", "projector", "reader"])
def test_nobody_inserts_beside_the_function(database: Database, role):
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("insert into ledger.head (position, recorded_at) values (9, now())")


@pytest.mark.parametrize("role", ["projector", "reader"])
def test_only_the_service_appends(database: Database, role):
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("select ledger.append('{a}', '{1}', '{t}', '{x}', false)")


def version(database: Database, stream: str) -> list[int]:
    with database.connect("reader") as conn:
        query = "select originator_version from ledger.stored_events where originator_id = %s"
        return [row[0] for row in conn.execute(query + " order by notification_id", [stream])]


@pytest.mark.every_server
@pytest.mark.parametrize("skip_existing", [False, True])
@pytest.mark.parametrize(
    "versions", [(4,), (3, 5), (4, 3), (5, 3, 4)], ids=["hole", "then a hole", "order", "disorder"]
)
def test_a_version_follows_the_last_one_of_its_stream_or_nothing_is_appended(
    recorder: LedgerRecorder, database: Database, versions: tuple[int, ...], skip_existing: bool
) -> None:
    recorder.insert_events([event("a"), event("b"), event("a", 2)])
    insert = recorder.insert_new_events if skip_existing else recorder.insert_events
    offered = [event("c"), *(event("a", each) for each in versions)]
    with pytest.raises(LogReplaced):
        insert(offered)
    assert (version(database, "a"), version(database, "c")) == ([1, 2], [])
    assert insert([event("a", 3), event("c"), event("a", 4)]) == [4, 5, 6]


def test_a_stream_begins_with_version_1(recorder: LedgerRecorder) -> None:
    for first in (0, 2, -1):
        with pytest.raises(LogReplaced):
            recorder.insert_events([event("a", first)])


def test_what_is_taken_is_told_from_what_leaves_a_hole(recorder: LedgerRecorder) -> None:
    """The one is a race, which is tried again; the other is a log that is not what it was."""
    recorder.insert_events([event("a"), event("a", 2)])
    with pytest.raises(VersionTaken):
        recorder.insert_events([event("a", 2)])
    with pytest.raises(LogReplaced):
        recorder.insert_events([event("a", 4)])


def test_a_head_that_stands_before_the_last_event_appends_nothing(
    recorder: LedgerRecorder, database: Database
) -> None:
    recorder.insert_events([event("a"), event("b"), event("c")])
    tamper(database, "update ledger.head set position = 1")
    for insert in (recorder.insert_events, recorder.insert_new_events):
        with pytest.raises(LogReplaced):
            insert([event("d")])
