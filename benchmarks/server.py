"""A PostgreSQL for one benchmark: in a folder of its own, every commit flushed to the disk."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ledger.postgres.database import Database
from ledger.postgres.migrate import migrate
from ledger.postgres.supervisor import EmbeddedPostgres

DISK: Final = "/var/tmp"  # noqa: S108 - /tmp may be memory, where a flush costs nothing


class Server:
    """The running server and its folder, which goes away with it."""

    def __init__(self, home: Path, postgres: EmbeddedPostgres) -> None:
        self.home = home
        self._postgres = postgres
        self._made = 0
        with self._connect("postgres") as admin:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                value = admin.execute(SQL("show {}").format(Identifier(setting))).fetchone()
                assert value == ("on",), f"{setting} is off: that would be another database"

    @property
    def version(self) -> str:
        """The version of PostgreSQL."""
        with self._connect("postgres") as admin:
            row = admin.execute("select current_setting('server_version')").fetchone()
        assert row is not None
        return row[0]

    def empty_database(self) -> Database:
        """A new database with nothing in it."""
        self._made += 1
        name = f"bench_{self._made}"
        with self._connect("postgres") as admin:
            admin.execute(SQL("create database {} template template0").format(Identifier(name)))
        return Database(self._postgres.conninfo(name))

    def database(self) -> Database:
        """A new database with the log's schema and no events."""
        database = self.empty_database()
        with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
            migrate(admin)
        return database

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self._postgres.conninfo(name), autocommit=True)


@contextmanager
def running() -> Generator[Server]:
    """A server for the length of the block; on the disk of TMPDIR, else of /var/tmp."""
    folder = os.environ.get("TMPDIR", DISK)
    with tempfile.TemporaryDirectory(prefix="ledger-bench-", dir=folder) as name:
        home = Path(name)
        home.chmod(0o755)  # for root, the server runs as a user who must pass through
        with EmbeddedPostgres(home) as postgres:
            yield Server(home, postgres)


def run_sql(database: Database, *statements: LiteralString | Composed) -> None:
    """Run statements as the migrating user, each in its own transaction."""
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement)


def settle(database: Database) -> None:
    """Do now what PostgreSQL would do by itself after a bulk load, while we measure."""
    run_sql(database, "vacuum (analyze)", "checkpoint")
