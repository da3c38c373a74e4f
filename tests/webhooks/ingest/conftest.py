"""A database that these tests take in turn."""

import pytest

from ledger.postgres.database import Database


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database
