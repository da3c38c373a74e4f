"""No world stops a projection: where everything happens at once, all is taken in, to one end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.build import ReadModelTables
from projections.engine.tables import PROOF
from tests.laws.test_projections import a_copy, cut, digests_of, followed, rebuilt, recorded
from tests.support.dense import dense_world

Databases = Callable[[], Database]


@contextmanager
def emptied(database: Database) -> Iterator[ReadModelTables]:
    """Empty read models in the scratch schema, whatever was there."""
    with a_copy(database) as copy:
        tables.clear(copy.cursor, PROOF)
        copy.create()
        copy.finish()
        yield copy


@settings(
    max_examples=1,
    phases=[Phase.explicit, Phase.generate],  # a seed has nothing to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=2)  # funds of one dispute move twice in a second, and no report lists either
@example(seed=6)
def test_nothing_stops_and_every_way_of_following_ends_the_same(
    fresh_database: Databases, seed: int
):
    """A key that repeats or is null in one world stops all that is read after it."""
    database = fresh_database()
    events = recorded(database, dense_world(seed))
    end = rebuilt(database, events)
    with emptied(database):
        pass
    assert followed(database, cut(events, seed, cuts=4)) == end
    with emptied(database) as copy:
        copy.follow_durably()
        copy.advance([event] for event in events)
        assert digests_of(copy) == end
