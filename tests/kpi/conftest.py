"""Books on a database of the test's own."""

from collections.abc import Iterator

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.kpi.books import Books


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Log(database.conninfo("app")) as log:
        yield Books(database, log)
