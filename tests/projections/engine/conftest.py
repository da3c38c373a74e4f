"""An engine with toy projections, ready to follow; a shop with its read endpoints."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from tests.projections.engine.counter import Counter, opened
from tests.projections.engine.toys import TOYS, PlainReader
from tests.support.servers import Server


@pytest.fixture
def fresh_database(server: Server) -> Iterator[Callable[[], Database]]:
    """Makes a new database without read models at each call: these tests make their own."""
    with ExitStack() as stack:

        def make() -> Database:
            database = server.create_unbuilt()
            stack.callback(server.drop, database)
            return database

        yield make


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


@pytest.fixture
def engine(database: Database, log: Log) -> ProjectionContext:
    engine = ProjectionContext(database, log, TOYS, PlainReader())
    with database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
    return engine


@pytest.fixture
def counter(server: Server) -> Iterator[Counter]:
    """In a database that has the read models already."""
    with server.lent() as database, opened(database) as counter:
        yield counter
