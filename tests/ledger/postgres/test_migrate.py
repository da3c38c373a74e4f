"""Migrations: each file once, in order, whole or not at all, and never another text of it."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.errors import MigrationError
from ledger.postgres.database import Database, Role
from ledger.postgres.migrate import MIGRATIONS, migrate, pending, read_migrations
from ledger.postgres.supervisor import EmbeddedPostgres
from tests.support.servers import let_in, short_lived_home, system_bin_folder

FIRST = "set local role ledger_owner; create table ledger.first (); create table ledger.of_first ()"
SECOND = "set local role ledger_owner; create table ledger.second ()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    (tmp_path / "README.md").write_text("no migration")
    return tmp_path


@pytest.fixture
def admin(empty_database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(empty_database.admin_conninfo, autocommit=True) as conn:
        yield conn


def tables(conn: psycopg.Connection) -> set[str]:
    found = conn.execute("select tablename from pg_tables where schemaname = 'ledger'").fetchall()
    return {name for (name,) in found}


@pytest.mark.every_server
def test_each_file_is_applied_once_in_order(admin: psycopg.Connection, folder: Path) -> None:
    assert pending(admin, folder) == ["0001_first.sql", "0002_second.sql"]
    assert migrate(admin, folder) == ["0001_first.sql", "0002_second.sql"]
    assert migrate(admin, folder) == pending(admin, folder) == []
    (folder / "0003_third.sql").write_text("create schema third")
    assert pending(admin, folder) == ["0003_third.sql"]
    assert migrate(admin, folder) == ["0003_third.sql"]


def test_what_was_applied_is_on_record_and_belongs_to_the_owner(
    admin: psycopg.Connection, folder: Path
) -> None:
    migrate(admin, folder)
    recorded = admin.execute("select name, sha256 from ledger.ledger_migrations").fetchall()
    assert dict(recorded) == {
        "0001_first.sql": hashlib.sha256(FIRST.encode()).hexdigest(),
        "0002_second.sql": hashlib.sha256(SECOND.encode()).hexdigest(),
    }
    owners = admin.execute(
        "select relowner::regrole::text from pg_class where relname = 'ledger_migrations'"
        " union select nspowner::regrole::text from pg_namespace where nspname = 'ledger'"
    ).fetchall()
    assert owners == [("ledger_owner",)]


def test_a_failed_file_leaves_nothing_and_those_before_it_stay(
    admin: psycopg.Connection, folder: Path
) -> None:
    second = folder / "0002_second.sql"
    second.write_text(f"{SECOND}; select 1 / 0")
    with pytest.raises(MigrationError, match=r"0002_second\.sql failed .* division by zero"):
        migrate(admin, folder)
    assert tables(admin) == {"ledger_migrations", "first", "of_first"}
    second.write_text(SECOND)
    assert migrate(admin, folder) == ["0002_second.sql"]


@pytest.mark.parametrize("verb", [migrate, pending])
def test_a_file_changed_after_it_was_applied_is_named(
    admin: psycopg.Connection, folder: Path, verb: Callable[..., list[str]]
) -> None:
    migrate(admin, folder)
    (folder / "0001_first.sql").write_text(f"{FIRST} -- harmless?")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed"):
        verb(admin, folder)


@pytest.mark.parametrize("verb", [migrate, pending])
def test_a_database_of_a_newer_version_is_refused(
    admin: psycopg.Connection, folder: Path, verb: Callable[..., list[str]]
) -> None:
    migrate(admin, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(MigrationError, match=r"newer version.*0002_second\.sql"):
        verb(admin, folder)


@pytest.mark.every_server
def test_of_several_that_migrate_at_once_one_does_it(
    empty_database: Database, folder: Path
) -> None:
    def work(_: int) -> list[str]:
        with psycopg.connect(empty_database.admin_conninfo, autocommit=True) as conn:
            return migrate(conn, folder)

    with ThreadPoolExecutor(4) as pool:
        applied = sorted(pool.map(work, range(4)))
    assert applied == [[], [], [], ["0001_first.sql", "0002_second.sql"]]


def a_shops_database(server: EmbeddedPostgres, name: str) -> str:
    """A database of a user who may create roles, and is no superuser."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute(f"create database {name} owner shop".encode())
    return make_conninfo(server.conninfo(name), user="shop")


@pytest.mark.parametrize("kind", ["embedded", "system"])
def test_several_databases_of_a_new_server_share_the_roles_without_a_superuser(
    kind: str, folder: Path
) -> None:
    programs = system_bin_folder() if kind == "system" else None
    if kind == "system" and programs is None:
        pytest.skip("no PostgreSQL from 15 on in /usr/lib/postgresql")

    def work(conninfo: str) -> list[str]:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            return migrate(conn, folder)

    with short_lived_home() as home, EmbeddedPostgres(home, programs) as server:
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
            conn.execute("create role shop login createrole")
        let_in(server, "shop")
        databases = [a_shops_database(server, f"shop_{number}") for number in range(4)]
        with ThreadPoolExecutor(len(databases)) as pool:
            applied = list(pool.map(work, databases))
        assert applied == [["0001_first.sql", "0002_second.sql"]] * 4
        for role in get_args(Role):
            with Database(databases[0]).connect(role) as conn:
                assert conn.execute("select current_user").fetchone() == (f"ledger_{role}",)


def test_the_shipped_files_are_found_and_in_the_order_of_their_numbers() -> None:
    names = [migration.name for migration in read_migrations(MIGRATIONS)]
    numbers = [int(name[:4]) for name in names]
    assert numbers
    assert numbers == sorted(set(numbers))


def test_a_badly_named_file_is_our_bug(folder: Path) -> None:
    (folder / "3_third.sql").touch()
    with pytest.raises(AssertionError, match=r"3_third\.sql"):
        read_migrations(folder)


def test_a_server_that_is_too_old_is_refused_before_anything_is_made(
    admin: psycopg.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.postgres.migrate.OLDEST_SERVER", 99)
    with pytest.raises(MigrationError, match="too old: from 99 on"):
        migrate(admin, folder)
    assert tables(admin) == set()


def test_an_encoding_that_cannot_hold_all_names_is_refused(
    admin: psycopg.Connection, folder: Path
) -> None:
    admin.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    try:
        conninfo = make_conninfo(admin.info.dsn, dbname="latin")
        with (
            psycopg.connect(conninfo, autocommit=True) as latin,
            pytest.raises(MigrationError, match="LATIN1"),
        ):
            migrate(latin, folder)
    finally:
        admin.execute("drop database latin with (force)")
