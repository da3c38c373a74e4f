"""What `ledger doctor` examines: one small function a question, findings in, nothing changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, LiteralString, NamedTuple

import psycopg

from ledger.errors import LedgerError
from ledger.postgres.database import Database, Role, open_database
from ledger.postgres.migrate import pending
from ledger.service import open_engine
from ledger.settings import Settings

OLDEST_SERVER: Final = 15
LEAST_FREE_BYTES: Final = 1024**3
MOST_SKEW: Final = timedelta(seconds=5)

FORBIDDEN: Final[tuple[tuple[Role, LiteralString], ...]] = (
    ("owner", "update ledger.stored_events set topic = topic"),
    ("owner", "delete from ledger.stored_events"),
    ("owner", "truncate ledger.stored_events"),
    ("app", "update ledger.stored_events set topic = topic"),
    ("app", "insert into ledger.stored_events select * from ledger.stored_events limit 0"),
    ("app", "update ledger.head set position = position"),
    ("projector", "select ledger.append('{}', '{}', '{}', '{}', false)"),
    ("reader", "delete from read_models.projections"),
)
"""What a role must not do, be the tables empty or not: each is tried and rolled back."""

DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


class Finding(NamedTuple):
    """What was found; a `note` is no fault, but good to know."""

    verdict: Literal["fine", "note", "wrong"]
    what: str
    found: str


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings; where the database cannot be opened, that is the last one."""
    yield _mode(settings)
    yield from _secrets(settings)
    yield _disk(settings)
    try:
        with open_database(settings) as database:
            yield _server(settings, database)
            yield _migrations(database)
            yield _privileges(database)
            yield _durability(database)
            yield _clock(database)
        yield _projections(settings)
    except LedgerError as error:
        yield Finding("wrong", type(error).__name__, str(error))


def _mode(settings: Settings) -> Finding:
    return Finding("fine", "mode", f"reads Stripe's {settings.ledger_mode} events")


def _secrets(settings: Settings) -> Iterator[Finding]:
    secrets = len(settings.stripe_webhook_secrets)
    if secrets:
        yield Finding("fine", "webhook", f"on, with {secrets} signing secret(s)")
    else:
        yield Finding("note", "webhook", "off; STRIPE_WEBHOOK_SECRETS turns it on")
    if settings.stripe_api_key is None:
        yield Finding("note", "backfill", "off; STRIPE_API_KEY turns it on")
    else:
        yield Finding("fine", "backfill", "on")


def _disk(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return Finding("note", "disk", "the database is on a server of yours: watch it there")
    folder = settings.ledger_home.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    verdict = "fine" if free >= LEAST_FREE_BYTES else "wrong"
    return Finding(verdict, "disk", f"{free // 1024**2:,} MiB free for {settings.ledger_home}")


def _server(settings: Settings, database: Database) -> Finding:
    with database.connect("reader") as conn:
        number = conn.info.server_version
    kind = "embedded" if settings.database_url is None else "DATABASE_URL"
    found = f"PostgreSQL {number // 10000}.{number % 10000}, {kind}"
    return Finding("fine" if number >= OLDEST_SERVER * 10000 else "wrong", "database", found)


def _migrations(database: Database) -> Finding:
    with database.connect("owner") as conn:
        missing = pending(conn)
    if missing:
        return Finding(
            "wrong", "migrations", f"pending: {', '.join(missing)}; run `ledger migrate`"
        )
    return Finding("fine", "migrations", "none pending")


def _privileges(database: Database) -> Finding:
    allowed = [f"{role} may: {sql}" for role, sql in FORBIDDEN if _is_allowed(database, role, sql)]
    if allowed:
        return Finding("wrong", "privileges", "; ".join(allowed))
    found = f"the log is append-only: {len(FORBIDDEN)} attempts on it were refused, its owner's too"
    return Finding("fine", "privileges", found)


def _is_allowed(database: Database, role: Role, sql: LiteralString) -> bool:
    with database.connect(role) as conn, conn.transaction(force_rollback=True):
        try:
            conn.execute(sql)
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


def _durability(database: Database) -> Finding:
    with database.connect("reader") as conn:
        rows = conn.execute(
            "select name from pg_settings where name = any(%s) and setting = 'off'", [list(DURABLE)]
        ).fetchall()
    if rows:
        off = ", ".join(row[0] for row in rows)
        return Finding("wrong", "durability", f"{off} off: what was answered may be lost")
    return Finding("fine", "durability", f"{', '.join(DURABLE)} on")


def _clock(database: Database) -> Finding:
    with database.connect("reader") as conn:
        before = datetime.now(UTC)
        row = conn.execute("select clock_timestamp()").fetchone()
        after = datetime.now(UTC)
    assert row is not None, "select answers a row"
    skew = row[0] - (before + (after - before) / 2)
    found = f"the database's differs from ours by {abs(skew) / timedelta(milliseconds=1):.0f} ms"
    return Finding("fine" if abs(skew) <= MOST_SKEW else "wrong", "clock", found)


def _projections(settings: Settings) -> Finding:
    from ledger.health import look

    with open_engine(settings) as engine:
        health = look(engine)
    if health.halted:
        found = "; ".join(f"{s.name} {s.state}: {s.because}" for s in health.halted)
        return Finding("wrong", "projections", found)
    found = f"{len(health.projections)} follow, {health.lag_events:,} events behind {health.head:,}"
    return Finding("fine", "projections", found)
