"""Books on a database of the test's own, and read models that are made once for all tests."""

from collections.abc import Callable, Iterator

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.kpi.builder import LedgerBuilder
from tests.projections.models import Models
from tests.support.following import steady_follower
from tests.support.servers import Server


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def builder(database: Database) -> Iterator[LedgerBuilder]:
    with Log(database.conninfo("app")) as log:
        made = LedgerBuilder(database, log)
        with steady_follower(made.engine) as made.follower:
            yield made


@pytest.fixture(scope="session")
def built(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = server.create()
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


@pytest.fixture
def models(built: Models) -> Models:
    built.forget()
    return built
