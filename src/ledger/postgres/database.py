"""The database that holds the log: where it is, and how to connect as one of its roles."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, get_args

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DuplicateDatabase, UniqueViolation
from psycopg_pool import ConnectionPool

from ledger import waits
from ledger.errors import NoLedger, SettingsError, StoreUnavailable
from ledger.postgres.failures import store_errors
from ledger.postgres.migrate import LOCK_SECONDS, check_migrated, migrate
from ledger.postgres.session import MARGIN_SECONDS, Session
from ledger.postgres.supervisor import EmbeddedPostgres
from ledger.waits import USUAL, Limits

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
FOLLOW_SECONDS: Final = 60.0
UNLIMITED: Final = inf
CHECK_SECONDS: Final = 2.0
RECONNECT_SECONDS: Final = 5.0  # the pool's default waits ever longer, long after an outage is over
ALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How the driver finds out that a server, or the network to it, is gone (libpq's parameters)."""

QUICKLY: Final = "-c jit=off"
"""Compiling the statement that makes one subscription took 15 s, and running it milliseconds."""

GONE: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "client_connection_check_interval": "1s",  # also in the middle of a statement
        "tcp_keepalives_idle": 5,
        "tcp_keepalives_interval": 2,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": "10s",
    }.items()
)
"""How the server finds out that a client is gone, so that its locks are free again."""


@dataclass(frozen=True)
class Database:
    """A database with the log's schema; `admin_conninfo` connects as the user who may migrate it.

    Where `logs_in` (the embedded server, or by a setting), a session of a role logged in as that
    role: nothing that it could say makes it another one. Its password is no part of the address:
    libpq finds it (PGPASSFILE), or needs none. Elsewhere it logged in as the user of the address,
    and takes the role as it begins; `reset role` returns to the role, only `set role none` would
    leave it.

    `time_zone` is the reporting zone, in which `ledger.business_day` cuts days. A session of a
    role knows it, but runs in UTC. It finds nothing by an unqualified name but PostgreSQL's own
    and, last, its temporary tables: our SQL names its schemas, so no table of that name in
    `public` or among temporary ones can take the place of ours.

    `archive` is where states of old events lie that left the database; None where none is known.
    """

    admin_conninfo: str = field(repr=False)  # may hold a password
    time_zone: str = "UTC"
    logs_in: bool = False
    limits: Limits = USUAL
    archive: str | None = None

    def conninfo(self, role: Role, seconds: float | None = None) -> str:
        """A libpq connection string whose sessions act as `ledger_<role>`.

        A statement may take so many `seconds` (None: what is usual for the role), and wait for a
        lock as long as a write may. What the address already says is kept.
        """
        given = conninfo_to_dict(self.admin_conninfo)
        if self.logs_in:
            given = {**given, "user": f"ledger_{role}", "password": None}
        taken = "" if self.logs_in else f"-c role=ledger_{role} "
        limits = f"{GONE} {QUICKLY} {self._timeouts(role, seconds)}"
        ours = f"{taken}-c ledger.time_zone={self.time_zone} {_SESSION}"
        options = f"{limits} {given.get('options') or ''} {ours}"
        name = given.get("application_name") or f"ledger {role}"
        return make_conninfo("", **{**ALIVE, **given, "options": options, "application_name": name})

    def patience(self, role: Role, seconds: float | None = None) -> float:
        """How long a session waits for one answer: the server may say itself that it took long."""
        return self._longest(role, seconds) + MARGIN_SECONDS

    def connect(
        self, role: Role, *, seconds: float | None = None, autocommit: bool = False
    ) -> psycopg.Connection:
        """Connect as a role; a statement may take so many `seconds`. Raises `StoreUnavailable`."""
        conninfo, patience = self.conninfo(role, seconds), self.patience(role, seconds)
        return _connect(conninfo, autocommit=autocommit, patience=patience)

    def pool(
        self,
        role: Role,
        connections: int,
        *,
        seconds: float | None = None,
        autocommit: bool = False,
        configure: Callable[[Session], None] | None = None,
    ) -> ConnectionPool[Session]:
        """At most so many connections as a role, for threads that take turns; open already.

        `seconds` is as in `connect`. Who finds none free, or the database away, raises what
        `ledger.postgres.failures.reaching` turns into `StoreUnavailable`.
        """
        return ConnectionPool(
            self.conninfo(role, seconds),
            connection_class=Session,
            kwargs={"patience": self.patience(role, seconds), "autocommit": autocommit},
            min_size=1,
            max_size=connections,
            timeout=self.limits.write,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=configure,
            check=_check,
            open=True,
        )

    def _longest(self, role: Role, seconds: float | None) -> float:
        if seconds is not None:
            return seconds
        return FOLLOW_SECONDS if role == "projector" else self.limits.read

    def _timeouts(self, role: Role, seconds: float | None) -> str:
        longest = self._longest(role, seconds)
        statement = 0 if longest == UNLIMITED else round(longest * 1000)
        lock = round(self.limits.write * 1000)
        limits = f"-c statement_timeout={statement}ms -c lock_timeout={lock}ms"
        # A proof holds the moment that it looks at by a session that asks nothing meanwhile.
        idle = " -c idle_in_transaction_session_timeout=0" if longest == UNLIMITED else ""
        return limits + idle


def place(settings: Settings) -> str:
    """Which ledger the settings name, for people: its folder or its database, without a user."""
    if settings.database_url is None:
        return f"the folder {settings.ledger_home.resolve()}"
    given = conninfo_to_dict(settings.database_url.get_secret_value())
    named = f"the database {given.get('dbname') or 'of your PGDATABASE'}"
    return f"{named} on {given.get('host') or 'your PGHOST'}"


def check_ledger(settings: Settings) -> None:
    """Raise `NoLedger`, which says where was looked, where no ledger was ever made.

    Makes nothing, and starts nothing. Raises `StoreUnavailable` too.
    """
    if settings.database_url is None:
        if not (settings.ledger_home / "postgres" / "data" / "PG_VERSION").exists():
            raise _no_ledger(settings)
        return
    with _connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
        if conn.execute("select to_regclass('ledger.stored_events')").fetchone() == (None,):
            raise _no_ledger(settings)


def _no_ledger(settings: Settings) -> NoLedger:
    where = place(settings)
    return NoLedger(
        f"There is no ledger in {where}; `ledger serve`, `ledger import` or"
        " `ledger stripe pull` makes one."
    )


@contextmanager
def open_database(settings: Settings, *, migrates: bool = True) -> Generator[Database]:
    """The database of the settings: `DATABASE_URL`, or the embedded one of `LEDGER_HOME`.

    It is migrated first; without `migrates`, one that would have to be is refused. The embedded
    server runs at least as long as the block. Raises `StoreUnavailable`, `PostgresError`,
    `MigrationError`, or `SettingsError` where parts shall log in that cannot.
    """
    with ExitStack() as stack:
        if settings.database_url is not None:
            admin_conninfo = settings.database_url.get_secret_value()
        else:
            server = stack.enter_context(EmbeddedPostgres(settings.ledger_home))
            admin_conninfo = _make_database(server)
        embedded = settings.database_url is None
        logs_in = embedded or settings.ledger_own_logins
        database = Database(
            admin_conninfo,
            settings.ledger_time_zone.key,
            logs_in=logs_in,
            limits=settings.limits,
            archive=settings.ledger_archive,
        )
        with _connect(
            database.admin_conninfo, autocommit=True, patience=LOCK_SECONDS + MARGIN_SECONDS
        ) as admin:
            (migrate if migrates else check_migrated)(admin)
            if embedded:
                let_roles_log_in(admin)
            elif logs_in:
                _check_logins(database)
        yield database


def let_roles_log_in(admin: psycopg.Connection) -> None:
    """Make users of the roles, on a server where how they enter is ours to say (pg_hba.conf)."""
    admin.execute(LOG_IN)


def _check_logins(database: Database) -> None:
    """Raise `SettingsError` where a role cannot log in, although the user of the address can."""
    for role in get_args(Role):
        try:
            database.connect(role).close()
        except StoreUnavailable as error:
            raise SettingsError(
                f"LEDGER_OWN_LOGINS: ledger_{role} could not log in, though the user of"
                " DATABASE_URL could. Let each of the four roles"
                f" (`alter role ledger_{role} login password '…'`), and put the"
                " passwords into the file that PGPASSFILE names."
            ) from error


def _check(conn: Session) -> None:
    """Whether a connection that lay idle still is one; it need not take long to find out."""
    with waits.within(CHECK_SECONDS):
        ConnectionPool.check_connection(conn)


def _make_database(server: EmbeddedPostgres) -> str:
    with _connect(server.conninfo("postgres"), autocommit=True) as admin:
        found = admin.execute("select from pg_database where datname = 'ledger'").rowcount
        if not found:
            with suppress(DuplicateDatabase, UniqueViolation):  # another process was faster
                admin.execute("create database ledger template template0")
    return server.conninfo("ledger")


def _connect(conninfo: str, **kwargs: Any) -> Session:
    """Connect in what is left of the time, as far as libpq can count (from 2 seconds on)."""
    given = conninfo_to_dict(conninfo)
    alive = {name: value for name, value in ALIVE.items() if name not in given}
    if waits.left() < ALIVE["connect_timeout"]:
        alive["connect_timeout"] = max(1, ceil(waits.left()))
    with store_errors():
        return Session.connect(conninfo, **alive, **kwargs)
