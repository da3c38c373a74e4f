"""The laws that make a replay a proof, for every projection in the registry."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from random import Random

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.domain.events import RecordedEvent
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.build import ReadModelTables
from projections.engine.digest import digests
from projections.engine.registry import discover
from projections.engine.tables import PROOF
from tests.ledger.test_golden import GOLDEN, stored
from tests.support.servers import Server
from tests.support.worlds import World, worlds
from webhooks.translate.translator import Translator

REGISTRY = discover()
READER = Translator(mode="test", order_metadata_key="order_id")
law = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],  # a seed has nothing to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Databases = Callable[[], Database]
BATCHES_OF_A_SESSION = 4


@pytest.fixture
def fresh_database(server: Server) -> Iterator[Databases]:
    """Makes a new database at each call, with empty read models in the scratch schema."""
    with ExitStack() as stack:

        def make() -> Database:
            database = server.filled("read models in the scratch schema", create_copy)
            stack.callback(server.drop, database)
            return database

        yield make


def create_copy(database: Database) -> None:
    with a_copy(database) as copy:
        copy.create()
        copy.finish()


def recorded(database: Database, world: World) -> list[RecordedEvent]:
    """The world as its log holds it."""
    with Log(database.conninfo("app")) as log:
        for part in world.split(1 + len(world.entries) // 200):
            log.append_new(part.entries)
        return log.read(limit=len(world.entries))


@contextmanager
def a_copy(database: Database) -> Iterator[ReadModelTables]:
    """Read models in the scratch schema, with a session of its own."""
    with database.connect("projector", autocommit=True) as conn, conn.cursor() as cursor:
        yield ReadModelTables(cursor, REGISTRY, READER, PROOF)


def digests_of(copy: ReadModelTables, *, world: bool = False) -> dict[str, str]:
    return digests(copy.cursor, PROOF, REGISTRY, world=world)


def rebuilt(
    database: Database, events: list[RecordedEvent], *, world: bool = False
) -> dict[str, str]:
    """Digests after a bulk rebuild."""
    with a_copy(database) as copy:
        tables.clear(copy.cursor, PROOF)
        copy.create()
        copy.load([events])
        copy.finish()
        return digests_of(copy, world=world)


def followed(database: Database, batches: list[list[RecordedEvent]]) -> dict[str, str]:
    """Digests after live batches, some at a time by a process that was just started."""
    for first in range(0, len(batches), BATCHES_OF_A_SESSION):
        with a_copy(database) as restarted:
            restarted.follow_durably()
            restarted.advance(batches[first : first + BATCHES_OF_A_SESSION])
    with a_copy(database) as copy:
        return digests_of(copy)


def cut(events: list[RecordedEvent], seed: int, cuts: int) -> list[list[RecordedEvent]]:
    places = sorted(Random(seed).choices(range(len(events) + 1), k=cuts))
    return [events[a:b] for a, b in zip([0, *places], [*places, len(events)], strict=True)]


@pytest.mark.every_server
@law
@given(world=worlds(), seed=st.integers(0, 99), cuts=st.integers(0, 12))
def test_many_batches_with_restarts_equal_a_rebuild(
    fresh_database: Databases, world: World, seed: int, cuts: int
):
    database = fresh_database()
    events = recorded(database, world)
    assert followed(database, cut(events, seed, cuts)) == rebuilt(database, events)


@law
@given(world=worlds())
def test_one_event_at_a_time_equals_a_rebuild(fresh_database: Databases, world: World):
    database = fresh_database()
    events = recorded(database, world)
    with a_copy(database) as copy:
        copy.follow_durably()
        copy.advance([event] for event in events)
        assert digests_of(copy) == rebuilt(database, events)


@law
@given(world=worlds(), seed=st.integers(0, 99))
def test_halves_folded_apart_and_merged_equal_a_rebuild(
    fresh_database: Databases, world: World, seed: int
):
    database = fresh_database()
    events = recorded(database, world)
    one, two, three = cut(events, seed, 2)
    with a_copy(database) as copy:
        copy.follow_durably()
        last = copy.fold(two)
        last.merge(copy.fold(three))
        whole = copy.fold(one)
        whole.merge(last)
        with copy.cursor.connection.transaction():
            copy.flush(whole)
        assert digests_of(copy) == rebuilt(database, events)


@law
@given(world=worlds(), seed=st.integers(0, 2**32 - 1))
def test_any_order_and_repetition_of_stripes_events_ends_in_the_same_world(
    fresh_database: Databases, world: World, seed: int
):
    straight, shuffled = fresh_database(), fresh_database()
    in_order = rebuilt(straight, recorded(straight, world), world=True)
    events = recorded(shuffled, world.shuffled(seed))
    assert rebuilt(shuffled, events, world=True) == in_order


def test_the_golden_events_of_every_topic_replay(fresh_database: Databases):
    """What earlier versions stored is still taken in, live and by a rebuild, to the same end."""
    database = fresh_database()
    with Log(database.conninfo("app")) as log:
        log.recorder.insert_events(list(numbered(map(stored, GOLDEN))))
        events = log.read(limit=len(GOLDEN))
    assert len(events) == len(GOLDEN)
    assert followed(database, cut(events, seed=1, cuts=5)) == rebuilt(database, events)


def numbered(events: Iterable[StoredEvent]) -> Iterator[StoredEvent]:
    """Examples taken out of their streams, with versions from 1 on: a log has no holes."""
    versions = Counter[object]()
    for event in events:
        versions[event.originator_id] += 1
        yield replace(event, originator_version=versions[event.originator_id])
