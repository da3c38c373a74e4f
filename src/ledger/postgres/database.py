"""The database that holds the log: where it is, and how to connect as one of its roles."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DuplicateDatabase, UniqueViolation

from ledger.postgres.failures import store_errors
from ledger.postgres.migrate import migrate
from ledger.postgres.supervisor import EmbeddedPostgres

if TYPE_CHECKING:
    from ledger.settings import Settings  # a rebuild's worker processes do without pydantic

Role = Literal["owner", "app", "projector", "reader"]

LOG_IN: Final[LiteralString] = """
do $$
declare
    name text;
begin
    for name in
        select rolname
        from pg_roles
        where rolname in ('ledger_owner', 'ledger_app', 'ledger_projector', 'ledger_reader')
            and not rolcanlogin
    loop
        begin
            execute format('alter role %I login', name);
        exception when internal_error then
            null; -- "tuple concurrently updated": another process did the same
        end;
    end loop;
end
$$
"""
_SESSION: Final = "-c timezone=UTC -c search_path=pg_catalog,pg_temp"


@dataclass(frozen=True)
class Database:
    """A database with the log's schema; `admin_conninfo` connects as the user who may migrate it.

    Where `logs_in` (the embedded server), a session of a role logged in as that role: nothing that
    it could say makes it another one. Elsewhere it logged in as the user of the address, and takes
    the role as it begins; `reset role` returns to the role, only `set role none` would leave it.

    `time_zone` is the reporting zone, in which `ledger.business_day` cuts days. A session of a
    role knows it, but runs in UTC. It finds nothing by an unqualified name but PostgreSQL's own
    and, last, its temporary tables: our SQL names its schemas, so no table of that name in
    `public` or among temporary ones can take the place of ours.
    """

    admin_conninfo: str = field(repr=False)  # may hold a password
    time_zone: str = "UTC"
    logs_in: bool = False

    def conninfo(self, role: Role) -> str:
        """A libpq connection string whose sessions act as `ledger_<role>`.

        Options and the application name that the address already has are kept.
        """
        given = conninfo_to_dict(self.admin_conninfo)
        become = {"user": f"ledger_{role}"} if self.logs_in else {}
        taken = "" if self.logs_in else f"-c role=ledger_{role} "
        ours = f"{taken}-c ledger.time_zone={self.time_zone} {_SESSION}"
        options = f"{given.get('options') or ''} {ours}".lstrip()
        name = given.get("application_name") or f"ledger {role}"
        return make_conninfo(self.admin_conninfo, **become, options=options, application_name=name)

    def connect(self, role: Role, **kwargs: Any) -> psycopg.Connection:
        """Connect as a role; `kwargs` are psycopg's. Raises `StoreUnavailable`."""
        return _connect(self.conninfo(role), **kwargs)


@contextmanager
def open_database(settings: Settings) -> Generator[Database]:
    """The database of the settings, migrated: `DATABASE_URL`, or the embedded one of `LEDGER_HOME`.

    The embedded server runs at least as long as the block. Raises `StoreUnavailable`,
    `PostgresError` or `MigrationError`.
    """
    with ExitStack() as stack:
        if settings.database_url is not None:
            admin_conninfo = settings.database_url.get_secret_value()
        else:
            server = stack.enter_context(EmbeddedPostgres(settings.ledger_home))
            admin_conninfo = _make_database(server)
        embedded = settings.database_url is None
        database = Database(admin_conninfo, settings.ledger_time_zone.key, logs_in=embedded)
        with _connect(database.admin_conninfo, autocommit=True) as admin:
            migrate(admin)
            if embedded:
                let_roles_log_in(admin)
        yield database


def let_roles_log_in(admin: psycopg.Connection) -> None:
    """Make users of the roles, on a server where how they enter is ours to say (pg_hba.conf)."""
    admin.execute(LOG_IN)


def _make_database(server: EmbeddedPostgres) -> str:
    with _connect(server.conninfo("postgres"), autocommit=True) as admin:
        found = admin.execute("select from pg_database where datname = 'ledger'").rowcount
        if not found:
            with suppress(DuplicateDatabase, UniqueViolation):  # another process was faster
                admin.execute("create database ledger template template0")
    return server.conninfo("ledger")


def _connect(conninfo: str, **kwargs: Any) -> psycopg.Connection:
    with store_errors():
        return psycopg.connect(conninfo, **kwargs)
