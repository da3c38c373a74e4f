"""Brings a database's schema to what the files in migrations/ say.

A file runs once, in a separate transaction, as the migrating user (`set local role` in the file
says who owns what it makes), and is recorded with its SHA-256 in `ledger.ledger_migrations`.
"""

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg.errors import LockNotAvailable

from ledger.errors import MigrationError
from ledger.postgres.session import unhurried

MIGRATIONS: Final[Traversable] = files("ledger.postgres") / "migrations"
ROLES: Final[Traversable] = files("ledger.postgres") / "roles.sql"
OLDEST_SERVER: Final = 15
LOCK: Final = 7_263_118_441_902_650  # any number, the same in every version; locks are per database
LOCK_SECONDS: Final = 60.0
"""How long it waits for a table, or for the migrations of another process."""

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")

_HISTORY: Final[LiteralString] = """
create schema if not exists ledger authorization ledger_owner;
set role ledger_owner;
create table if not exists ledger.ledger_migrations (
    name text collate "C" not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    constraint ledger_migrations_pkey primary key (name),
    constraint ledger_migrations_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$')
);
reset role
"""


class Migration(NamedTuple):
    """One file: its name, its text, and the text's SHA-256 in hexadecimal."""

    name: str
    text: bytes
    sha256: str


def migrate(conn: psycopg.Connection, folder: Traversable = MIGRATIONS) -> list[str]:
    """Apply what is missing, in the order of the names, and return the names.

    The connection is in autocommit and its user may create roles, or act as ours, and create
    schemas. Raises `MigrationError`; what was applied before the failing file stays.
    """
    assert conn.autocommit, "each migration is a transaction of its own"
    _check_server(conn)
    try:
        with _limited(conn), _only_one(conn):
            conn.execute(ROLES.read_bytes())
            conn.execute(_HISTORY)
            missing = _missing(conn, folder)
            for migration in missing:
                _apply(conn, migration)
    except psycopg.Error as error:
        raise MigrationError(f"The database could not be prepared: {_why(error)}") from error
    return [migration.name for migration in missing]


def _check_server(conn: psycopg.Connection) -> None:
    """Refuse a server or an encoding that the schema would fail on, or, worse, would not."""
    if conn.info.server_version < OLDEST_SERVER * 10_000:
        version = conn.info.parameter_status("server_version")
        raise MigrationError(
            f"PostgreSQL {version} is too old: from {OLDEST_SERVER} on it will do."
        )
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(
            f"The database is encoded in {encoding}, which cannot hold every customer's name."
            " Make one with `create database … encoding 'UTF8' template template0`."
        )


def check_migrated(conn: psycopg.Connection) -> None:
    """Raise `MigrationError` where `migrate` would apply something, or would raise it."""
    _check_server(conn)
    if missing := pending(conn):
        raise MigrationError(
            f"The database's schema is of an older version: {', '.join(missing)} not applied."
            " Run `ledger migrate`; `ledger serve` and `ledger follow` do so as they start."
        )


def pending(conn: psycopg.Connection, folder: Traversable = MIGRATIONS) -> list[str]:
    """Names of the migrations that `migrate` would apply; it raises what `migrate` would raise.

    The connection acts as the owner or the migrating user.
    """
    return [migration.name for migration in _missing(conn, folder)]


def read_migrations(folder: Traversable) -> list[Migration]:
    """The folder's migrations in the order in which they apply."""
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=_by_name)
    texts = [(path.name, path.read_bytes()) for path in paths]
    return [Migration(name, text, hashlib.sha256(text).hexdigest()) for name, text in texts]


def _by_name(path: Traversable) -> str:
    assert _NAME.fullmatch(path.name), f"{path.name} is not named like 0001_noun.sql"
    return path.name


@contextmanager
def _limited(conn: psycopg.Connection) -> Generator[None]:
    conn.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS:.0f}s"])
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("reset lock_timeout")


@contextmanager
def _only_one(conn: psycopg.Connection) -> Generator[None]:
    try:
        conn.execute("select pg_advisory_lock(%s)", (LOCK,))
    except LockNotAvailable:
        raise MigrationError(
            f"Another process migrates this database for more than {LOCK_SECONDS:.0f} s already;"
            " wait for its end, or end it."
        ) from None
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("select pg_advisory_unlock(%s)", (LOCK,))


def _missing(conn: psycopg.Connection, folder: Traversable) -> list[Migration]:
    """The migrations not yet applied, once those that are agree with their files."""
    applied = _applied(conn)
    ours = read_migrations(folder)
    if unknown := sorted(applied.keys() - {migration.name for migration in ours}):
        raise MigrationError(
            f"The database was migrated by a newer version: this one does not know {unknown[0]}."
            " Run that version or a later one."
        )
    for migration in ours:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"{migration.name} was changed after it was applied."
                " Restore the file and put the change into a new one."
            )
    return [migration for migration in ours if migration.name not in applied]


def _applied(conn: psycopg.Connection) -> dict[str, str]:
    history = conn.execute("select to_regclass('ledger.ledger_migrations')").fetchone()
    if history == (None,):
        return {}
    rows = conn.execute("select name, sha256 from ledger.ledger_migrations").fetchall()
    return dict(rows)


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    try:
        with unhurried(conn), conn.transaction():
            conn.execute(migration.text)
            conn.execute("set local role ledger_owner")
            conn.execute(
                "insert into ledger.ledger_migrations (name, sha256) values (%s, %s)",
                (migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise MigrationError(
            f"{migration.name} failed and left nothing behind: {_why(error)}"
        ) from error


def _why(error: psycopg.Error) -> str:
    """PostgreSQL's message without its DETAIL, which may quote a row."""
    return error.diag.message_primary or str(error)
