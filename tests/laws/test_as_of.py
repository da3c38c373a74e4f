"""As of a position: what an object's own events say is what the live model showed then."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.declare import Listing
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.tables import PROOF, AnyCursor
from projections.queries.history import known_at
from projections.queries.listing import Lister
from tests.support.worlds import World, worlds
from webhooks.translate.translator import Translator

READER = Translator(mode="test", order_metadata_key="order_id")
LISTED = [p for p in discover() if p.listing is not None and p.listing.link]


def live(database: Database, log: Log, world: World) -> ProjectionContext:
    """An engine with the whole world in its log and in the live read models."""
    engine = ProjectionContext(database, log, discover(), READER)
    with database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
    for part in world.split(1 + len(world.entries) // 200):
        log.append_new(part.entries)
    Follower(engine).catch_up()
    return engine


@contextmanager
def stopped_at(engine: ProjectionContext, position: int) -> Iterator[AnyCursor]:
    """Read models that were rebuilt up to a position and no further."""
    with engine.database.connect("projector", autocommit=True) as conn:
        with conn.cursor() as cursor:
            tables.clear(cursor, PROOF)
            copy = ReadModelTables(cursor, engine.registry, READER, PROOF)
            copy.create()
            copy.load([engine.log.read(upto=position, limit=position)])
            copy.finish()
        with conn.cursor(row_factory=dict_row) as cursor:
            yield cursor


def some_keys(cursor: AnyCursor, listing: Listing, random: Random) -> list[str]:
    (key,) = listing.table.key
    query = SQL("select {} as key from {} order by 1").format(
        Identifier(key), Identifier(listing.table.name)
    )
    rows: list[dict[str, Any]] = cursor.execute(query).fetchall()
    return [row["key"] for row in random.sample(rows, min(4, len(rows)))]


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), seed=st.integers(0, 99))
def test_as_of_equals_a_rebuild_that_stopped_there(
    fresh_database: Callable[[], Database], world: World, seed: int
):
    database, random = fresh_database(), Random(seed)
    with Log(database.conninfo("app")) as log:
        engine = live(database, log, world)
        position = random.randint(1, log.head())
        with closing(Reads(engine)) as reads, stopped_at(engine, position) as stopped:
            for projection in LISTED:
                listing = projection.listing
                assert listing is not None
                for key in some_keys(stopped, listing, random):
                    known = known_at(reads, projection, key, position).events
                    with reads.as_of(projection.name, known) as then:
                        shown = Lister(listing).one(then, key)
                    assert shown == Lister(listing).one(stopped, key)
