"""Following beside a test, or step by step with one session, as the service does."""

from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread

import psycopg

from ledger.errors import StoreUnavailable
from ledger.log import CHANNEL
from ledger.postgres.database import Database
from ledger.postgres.leadership import FOLLOWER, take
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower, Leader
from tests.support.kept import leader_of


class SteadyFollower(Follower):
    """A follower that keeps its session while nothing is to be done, but not its lead.

    The plans of some hundred statements, which a session needs to take events in, take it a tenth
    of a second to make.
    """

    def __init__(self, engine: ProjectionContext, leader: Leader) -> None:
        super().__init__(engine)
        self._leader = leader

    def catch_up(self, *, timeout_seconds: float = 600) -> int:
        head = self.engine.log.end()
        cursor = self._leader.cursor
        if take(cursor, FOLLOWER):
            try:
                while self._leader.step():
                    pass
            finally:
                cursor.execute("select pg_advisory_unlock_all()")
        states = positions.statuses(cursor, self.engine.registry, self.engine.reader)
        if all(each.state == "following" and each.position >= head for each in states):
            return head
        return super().catch_up(timeout_seconds=timeout_seconds)  # it says why, or waits


@contextmanager
def steady_follower(engine: ProjectionContext) -> Generator[SteadyFollower]:
    """A follower whose session ends with the block, if it does not stay with its database."""
    if kept := leader_of(engine):
        yield SteadyFollower(engine, kept)
        return
    with (
        engine.database.connect("projector", autocommit=True) as conn,
        conn.cursor() as cursor,
        closing(Leader(cursor, engine)) as leader,
    ):
        yield SteadyFollower(engine, leader)


def catch_up(engine: ProjectionContext) -> int:
    """Follow up to the log's end, with the session that stays where one does; the position."""
    with steady_follower(engine) as follower:
        return follower.catch_up()


@contextmanager
def following(engine: ProjectionContext) -> Generator[Event]:
    """The read models follow in a thread for the length of the block; gives what ends it."""
    stop = Event()
    thread = Thread(target=Follower(engine).run, args=[stop])
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        wake(engine.database)
        thread.join()


def wake(database: Database) -> None:
    """Let a follower that waits for events look up at once: by itself it does once a second."""
    with (
        suppress(StoreUnavailable, psycopg.OperationalError),  # it waits for no event then
        database.connect("projector", autocommit=True) as conn,
    ):
        conn.execute(f"notify {CHANNEL}")
