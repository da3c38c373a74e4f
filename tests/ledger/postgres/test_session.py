"""A session waits for nothing without an end: a server that is silent, not gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Timer

import psycopg
import pytest

from ledger import waits
from ledger.errors import Stopped, StoreUnavailable
from ledger.postgres.database import UNLIMITED, Database
from ledger.postgres.session import Session, Silent
from tests.support.proxy import Proxy, before

SLOW = 30.0
"""Far longer than any limit in these tests: what comes back before it was not waited out."""


@pytest.fixture
def far(database: Database) -> Iterator[tuple[Proxy, Database]]:
    """The database behind a network that one can break."""
    with before(database.admin_conninfo) as (proxy, conninfo):
        yield proxy, Database(conninfo, limits=waits.Limits(write=1, read=2))


def test_the_server_ends_a_statement_and_a_wait_for_a_lock(database: Database) -> None:
    quick = Database(database.admin_conninfo, limits=waits.Limits(write=0.2, read=0.4))
    with quick.connect("reader", autocommit=True) as conn:
        with pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("select pg_sleep(%s)", [SLOW])
        assert conn.execute("select 1").fetchone() == (1,), "the connection is as good as before"
    with quick.connect("projector") as holder, quick.connect("projector") as other:
        holder.execute("lock table read_models.projections")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("select from read_models.projections")


def test_work_that_is_known_to_be_long_has_its_time(database: Database) -> None:
    quick = Database(database.admin_conninfo, limits=waits.Limits(write=0.2, read=0.2))
    with quick.connect("reader", seconds=UNLIMITED) as conn:
        conn.execute("select pg_sleep(0.5)")
    with quick.connect("reader", seconds=3) as conn:
        conn.execute("select pg_sleep(0.5)")


def test_a_silent_server_is_given_up(far: tuple[Proxy, Database]) -> None:
    network, database = far
    with database.connect("reader", autocommit=True) as conn:
        network.freeze()
        with pytest.raises(Silent):
            conn.execute("select 1")
        assert conn.closed
    with pytest.raises(StoreUnavailable, match="in time"), waits.within(1):
        database.connect("reader")


def test_a_server_that_takes_no_more_of_a_statement_is_given_up(
    far: tuple[Proxy, Database],
) -> None:
    """The wait is cut into steps, for it may be stopped: each goes on where the last one was."""
    network, database = far
    with waits.ending_with(Event()), database.connect("reader", autocommit=True) as conn:
        network.freeze()
        with pytest.raises(Silent):
            conn.execute("select %s", ["x" * 50_000_000])
        assert conn.closed


def test_a_deadline_ends_every_wait_of_the_block_and_of_blocks_in_it(database: Database) -> None:
    with database.connect("reader", seconds=UNLIMITED, autocommit=True) as conn:
        with pytest.raises(Silent), waits.within(0.3), waits.within(SLOW):
            conn.execute("select pg_sleep(%s)", [SLOW])
        assert conn.closed
    with database.connect("reader", autocommit=True) as conn, waits.within(0):
        assert conn.execute("select 1").fetchone() == (1,), "a server that is well is heard"


def test_what_is_done_for_all_has_its_own_time(database: Database) -> None:
    with waits.within(0.01), waits.for_all(SLOW):
        assert waits.left() > 1
    assert waits.left() == float("inf")


def test_a_stop_ends_a_long_statement_and_leaves_the_connection_whole(database: Database) -> None:
    stop = Event()
    with database.connect("reader", seconds=UNLIMITED, autocommit=True) as conn:
        Timer(0.3, stop.set).start()
        with pytest.raises(Stopped), waits.until(stop):
            conn.execute("select pg_sleep(%s)", [SLOW])
        assert conn.execute("select 1").fetchone() == (1,)
        with waits.until(stop):
            assert conn.execute("select 1").fetchone() == (1,), "what is quick is not ended"
            with pytest.raises(Stopped):
                waits.go_on()


def test_a_notification_is_waited_for_as_long_as_asked(database: Database) -> None:
    with database.connect("reader", autocommit=True) as conn:
        conn.execute("listen nothing")
        assert list(conn.notifies(timeout=0.1)) == []
        with waits.within(SLOW), waits.until(Event()):
            assert list(conn.notifies(timeout=0.3)) == []
        assert isinstance(conn, Session)
        assert not conn.closed


def test_the_locks_of_a_client_that_is_gone_are_free_again_in_the_middle_of_a_statement(
    far: tuple[Proxy, Database], database: Database
) -> None:
    """A process that was killed holds nothing for longer than a second or two."""
    network, through = far
    taken = "select pg_try_advisory_lock(1)"
    with through.connect("projector", seconds=UNLIMITED, autocommit=True) as doomed:
        assert doomed.execute(taken).fetchone() == (True,)
        Timer(0.3, network.cut).start()
        with pytest.raises(psycopg.OperationalError):
            doomed.execute("select pg_sleep(%s)", [SLOW])
    with database.connect("projector", autocommit=True) as other:
        deadline = time.monotonic() + SLOW / 2
        while other.execute(taken).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.05)
