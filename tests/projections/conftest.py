"""All read models, made once for all tests and empty for each."""

from collections.abc import Callable, Iterator

import pytest

from tests.projections.models import Models
from tests.support.servers import Server


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
