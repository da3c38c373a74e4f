"""PostgreSQL servers for tests, and clean databases on them."""

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Hashable
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ledger.postgres.database import Database, let_roles_log_in
from ledger.postgres.migrate import migrate
from ledger.postgres.supervisor import EmbeddedPostgres
from projections.engine import positions
from projections.engine.registry import discover
from tests.support.kept import Kept
from webhooks.translate.translator import Translator

_OLDEST_SUPPORTED = 15
_LEFT = 2
"""So many databases that no test uses any more wait to be dropped."""


_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - below it, names are made as safely as in /tmp
_ROOM = 4 * 2**30


def keep_temporary_files_in_memory() -> None:
    """Put temporary folders into memory where there is room.

    A database is made from its template in 20 ms there; a disk's file system takes up to 600.
    """
    if os.access(_IN_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_IN_MEMORY).free > _ROOM:
        tempfile.tempdir = str(_IN_MEMORY)
        for left in _IN_MEMORY.glob(f"{_PREFIX}*"):  # by a run that was killed
            if not Path("/proc", left.name.split("-")[2]).exists():
                shutil.rmtree(left, ignore_errors=True)


_PREFIX = "ledger-test-"


@contextmanager
def short_lived_home() -> Generator[Path]:
    """A folder for LEDGER_HOME that the user `nobody` may pass through, should root need him.

    A server that was killed may still write while the folder is being removed.
    """
    with tempfile.TemporaryDirectory(
        prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as name:
        home = Path(name)
        home.chmod(0o755)
        yield home


def system_bin_folder() -> Path | None:
    """The programs of the oldest installed PostgreSQL that we support."""
    installed = {
        int(folder.parent.name): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if re.fullmatch(r"\d+", folder.parent.name) and (folder / "initdb").exists()
    }
    supported = [version for version in installed if version >= _OLDEST_SUPPORTED]
    return installed[min(supported)] if supported else None


class Server:
    """A running server with templates, from which databases are made in milliseconds.

    One is migrated, the other one has the product's read models as well, of an empty log.
    """

    def __init__(self, postgres: EmbeddedPostgres, *, is_new: bool = True) -> None:
        """`is_new` is false where another process made the templates."""
        self._postgres = postgres
        self._names = "ledger" if is_new else f"ledger_{os.getpid()}"
        self._made = 0
        self._left = deque[str]()
        self._filled: dict[Hashable, Database] = {}
        self._kept: list[Kept] = []
        if is_new:
            self._prepare()

    def _prepare(self) -> None:
        # Nothing of a test needs to survive a crash of the machine. Whole pages would be logged and
        # compressed again and again: each database that is made is a checkpoint.
        self._admin("alter system set fsync = off")
        self._admin("alter system set full_page_writes = off")
        self._admin("alter system set wal_compression = off")
        self._admin("select pg_reload_conf()")
        self._admin("create database template_ledger")
        with psycopg.connect(self._postgres.conninfo("template_ledger"), autocommit=True) as admin:
            migrate(admin)
            let_roles_log_in(admin)

    def create(self) -> Database:
        """A new database with the log's schema and the read models, and nothing in them."""
        return self._create(self._with_read_models)

    def create_unbuilt(self) -> Database:
        """A new database with the log's schema, and no read model."""
        return self._create("template_ledger")

    @cached_property
    def _with_read_models(self) -> str:
        name = "template_read_models"
        self._admin("create database template_read_models template template_ledger")
        reader = Translator(mode="test", order_metadata_key="order_id")
        with self.database(name).connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), discover(), reader, head=0)
        return name

    def create_empty(self) -> Database:
        """A new database without any schema of ours."""
        return self._create("template0")

    def clone(self, database: Database) -> Database:
        """A copy of a database that nobody is connected to."""
        return self._create(name_of(database))

    def filled(self, name: Hashable, fill: Callable[[Database], None]) -> Database:
        """A new database as `fill` leaves one; that is called once for a name."""
        if name not in self._filled:
            database = self.create()
            fill(database)
            self._filled[name] = database
        return self.clone(self._filled[name])

    @contextmanager
    def lent(self) -> Generator[Database]:
        """A database as `create` makes one, for the block; later ones get it again, as new."""
        kept = self._kept.pop() if self._kept else Kept(self.create())
        try:
            yield kept.database
        finally:
            if kept.renew():
                self._kept.append(kept)
            else:
                kept.close()
                self.drop(kept.database)

    def close(self) -> None:
        """End the sessions of what is kept for later."""
        while self._kept:
            self._kept.pop().close()

    def drop(self, database: Database) -> None:
        """Drop it soon, even while sessions are connected.

        Not at once: where a session that was closed has not ended yet, PostgreSQL sleeps 100 ms
        before it looks again.
        """
        self._left.append(name_of(database))
        while len(self._left) > _LEFT:
            self._drop(self._left.popleft())

    def drop_now(self, database: Database) -> None:
        """Drop it under the sessions that are connected."""
        self._drop(name_of(database))

    def _drop(self, name: str) -> None:
        self._admin(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _create(self, template: str) -> Database:
        self._made += 1
        name = f"{self._names}_{self._made}"
        statement = sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        self._admin(statement)
        return self.database(name)

    def database(self, name: str) -> Database:
        """A database, as the product opens it: each part logs in as its own role."""
        return Database(self._postgres.conninfo(name), logs_in=True)

    def _admin(self, statement: LiteralString | sql.Composed) -> None:
        with psycopg.connect(self._postgres.conninfo("postgres"), autocommit=True) as admin:
            admin.execute(statement)


def name_of(database: Database) -> str:
    """Its name on its server."""
    return str(conninfo_to_dict(database.admin_conninfo)["dbname"])


def let_in(postgres: EmbeddedPostgres, user: str) -> None:
    """Let us enter a server as a user whom the product does not know."""
    ident = postgres._data / "pg_ident.conf"
    names = {line.split('"')[1] for line in ident.read_text().splitlines()}
    with ident.open("a") as file:
        file.writelines(f'ledger "{name}" {user}\n' for name in names)
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("select pg_reload_conf()")


@contextmanager
def running(bin_folder: Path | None) -> Generator[Server]:
    """A server of these programs (None: the embedded ones) for the length of the block."""
    with (
        short_lived_home() as home,
        EmbeddedPostgres(home, bin_folder) as postgres,
        closing(Server(postgres)) as server,
    ):
        yield server
