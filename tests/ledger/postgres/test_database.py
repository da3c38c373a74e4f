"""A connection is a session of its role, on every server that we support."""

from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege
from pydantic import SecretStr

from ledger.errors import SettingsError, StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database, Role, open_database
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.settings import Settings
from tests.support.servers import short_lived_home


@pytest.mark.every_server
@pytest.mark.parametrize("role", get_args(Role))
def test_a_session_acts_as_its_role_and_reset_does_not_leave_it(
    database: Database, role: Role
) -> None:
    with database.connect(role) as conn:
        for reset in (b"select 1", b"reset role", b"reset all"):
            conn.execute(reset)
            assert conn.execute("select current_user").fetchone() == (f"ledger_{role}",)


@pytest.mark.every_server
@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize(
    "attempt",
    [
        "set role none",
        "reset role",
        "set role postgres",
        "reset session authorization",
        "set session authorization postgres",
        "set session authorization default",
        "discard all",
        "alter role current_user superuser",
        "set role {other}",
        "grant {other} to current_user",
        "create extension dblink",
        "copy (select 1) to program 'true'",
    ],
)
def test_no_session_of_the_embedded_server_becomes_another_role(
    database: Database, role: Role, attempt: str
) -> None:
    """Whatever SQL gets into a session: it is its role before, and nothing else afterwards."""
    other = "ledger_app" if role == "owner" else "ledger_owner"
    with database.connect(role, autocommit=True) as conn:
        with suppress(psycopg.Error):
            conn.execute(attempt.format(other=other).encode())
        found = conn.execute(
            "select current_user, session_user, rolsuper, rolcreaterole"
            " from pg_roles where rolname = current_user"
        ).fetchone()
    assert found == (f"ledger_{role}", f"ledger_{role}", False, False)


def test_parts_log_in_as_themselves_where_the_setting_says_so(database: Database) -> None:
    """With a password of their own, if any: that of the address is not sent in their names."""
    address = make_conninfo(database.admin_conninfo, password="of-the-migrating-user")
    settings = Settings(database_url=SecretStr(address), ledger_own_logins=True)
    with open_database(settings) as opened:
        for role in get_args(Role):
            assert "of-the-migrating-user" not in opened.conninfo(role)
            with opened.connect(role, autocommit=True) as conn:
                conn.execute("set role none")
                found = conn.execute("select current_user, session_user").fetchone()
                assert found == (f"ledger_{role}", f"ledger_{role}")
        with closing(Log(opened.conninfo("app"))) as log:
            assert log.head() == 0


def test_where_a_part_cannot_log_in_the_setting_says_the_cure() -> None:
    with short_lived_home() as home, EmbeddedPostgres(home) as server:
        address = SecretStr(server.conninfo("postgres"))
        settings = Settings(database_url=address, ledger_own_logins=True)
        with (
            pytest.raises(SettingsError, match="ledger_owner could not log in"),
            open_database(settings),
        ):
            pass


def test_a_ledger_made_before_its_roles_could_log_in_is_opened_all_the_same() -> None:
    """Such a server let anybody in who reached its socket; now only its own user enters."""
    with short_lived_home() as home:
        settings = Settings(ledger_home=home, database_url=None)
        with open_database(settings) as database, psycopg.connect(database.admin_conninfo) as conn:
            for role in get_args(Role):
                conn.execute(f"alter role ledger_{role} nologin".encode())
        (home / "postgres" / "data" / "pg_hba.conf").write_text("local all all trust\n")
        with open_database(settings) as database, database.connect("app") as conn:
            assert conn.execute("select session_user").fetchone() == ("ledger_app",)
            with psycopg.connect(database.admin_conninfo) as admin:
                rules = admin.execute("select auth_method from pg_hba_file_rules").fetchall()
            assert rules == [("peer",)]


def test_only_the_known_users_enter_the_embedded_server() -> None:
    with short_lived_home() as home, EmbeddedPostgres(home) as server:
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
            conn.execute("create role stranger login superuser")
        with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            psycopg.connect(server.conninfo("postgres", user="stranger"))


@pytest.mark.every_server
def test_a_session_is_in_utc_and_finds_only_postgresqls_own_names(database: Database) -> None:
    with psycopg.connect(database.admin_conninfo) as conn:
        conn.execute("create table public.pg_class_of_mine ()")
        conn.execute("grant select on public.pg_class_of_mine to public")
    with database.connect("reader", autocommit=True) as conn:
        assert conn.execute("show timezone").fetchone() == ("UTC",)
        with pytest.raises(psycopg.errors.UndefinedTable):
            conn.execute("select from pg_class_of_mine")
        conn.execute("create temporary table pg_class ()")
        assert conn.execute("select from pg_class").rowcount > 0, "not the temporary table"


@pytest.mark.every_server
def test_a_role_cannot_change_the_record_of_migrations(database: Database) -> None:
    for role in ("app", "projector", "reader"):
        with database.connect(role) as conn, pytest.raises(InsufficientPrivilege):
            conn.execute("delete from ledger.ledger_migrations")


def test_options_of_the_address_are_kept(database: Database) -> None:
    given = make_conninfo(
        database.admin_conninfo, options="-c statement_timeout=7s", application_name="till"
    )
    with Database(given).connect("app") as conn:
        assert conn.execute("show statement_timeout").fetchone() == ("7s",)
        assert conn.execute("show application_name").fetchone() == ("till",)
        assert conn.execute("select current_user").fetchone() == ("ledger_app",)
    with database.connect("app") as conn:
        assert conn.execute("show application_name").fetchone() == ("ledger app",)


def test_a_url_works_and_its_password_stays_out_of_sight() -> None:
    database = Database("postgresql://shop:hunter2@127.0.0.1:1/ledger?connect_timeout=3")
    parts = conninfo_to_dict(database.conninfo("reader"))
    assert (parts["user"], parts["password"], parts["port"]) == ("shop", "hunter2", "1")
    assert "hunter2" not in repr(database)
    with pytest.raises(StoreUnavailable) as caught:
        database.connect("reader")
    assert "hunter2" not in str(caught.value)


@pytest.mark.every_server
@pytest.mark.parametrize("role", get_args(Role))
def test_no_statement_is_compiled(database: Database, role: Role) -> None:
    """A server of one's own compiles by default, for longer than our statements may take."""
    with database.connect(role) as conn:
        assert conn.execute("show jit").fetchone() == ("off",)


def test_the_embedded_database_is_made_migrated_and_kept() -> None:
    with short_lived_home() as home:
        settings = Settings(ledger_home=home, database_url=None)
        for expected in (1, 2):
            with open_database(settings) as database, database.connect("owner") as conn:
                conn.execute("create table if not exists ledger.kept (number int)")
                conn.execute("insert into ledger.kept values (1)")
                (count,) = conn.execute("select count(*) from ledger.kept").fetchone() or (None,)
                assert count == expected


def test_a_database_url_is_used_and_migrated(empty_database: Database, tmp_path: Path) -> None:
    url = SecretStr(empty_database.admin_conninfo)
    with (
        open_database(Settings(database_url=url, ledger_home=tmp_path)) as database,
        database.connect("owner") as conn,
    ):
        assert conn.execute("select name from ledger.ledger_migrations").rowcount > 0
    assert not list(tmp_path.iterdir()), "no embedded server"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2026, 3, 29)),
        ("Europe/London", date(2026, 3, 30)),  # an hour ahead since that morning
        ("America/New_York", date(2026, 3, 29)),
    ],
)
@pytest.mark.parametrize("role", ["projector", "reader", "app"])
def test_every_session_of_a_role_cuts_days_in_the_reporting_zone(
    database: Database, role: Role, zone: str, day: date
) -> None:
    at = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    with replace(database, time_zone=zone).connect(role) as conn:
        assert conn.execute("select ledger.business_day(%s)", [at]).fetchone() == (day,)
