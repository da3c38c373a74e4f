"""A ledger of a shop's money at Stripe, and read models whose months are closed and reopened."""

from collections.abc import Callable, Iterator

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.books.desk import Desk
from tests.books.ledger import Account
from tests.projections.models import Models
from tests.support.following import steady_follower
from tests.support.servers import Server


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def account(database: Database) -> Iterator[Account]:
    with Log(database.conninfo("app")) as log:
        made = Account(database, log)
        with steady_follower(made.engine) as made.follower:
            yield made


@pytest.fixture(scope="module")
def own_models(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = server.create()
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


@pytest.fixture
def desk(own_models: Models) -> Desk:
    own_models.forget()
    return Desk(own_models)
