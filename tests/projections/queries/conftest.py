"""The shop with its read endpoints, in a database that has the read models already."""

from collections.abc import Iterator

import pytest

from ledger.postgres.database import Database
from tests.projections.engine.conftest import log
from tests.projections.engine.counter import Counter, opened

__all__ = ["log"]


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def counter(database: Database) -> Iterator[Counter]:
    with opened(database) as counter:
        yield counter
