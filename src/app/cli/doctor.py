"""What `ledger doctor` examines: one small function a question, findings in, nothing changed."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, LiteralString

import psycopg

from app.cli.doctor_outside import Finding, alerts, archive
from app.cli.output import counted, reason_of
from app.first_token import FILE
from app.health import TOO_LATE_SECONDS, Health, Modes, look, modes
from app.refunds import RefundsState
from app.wiring import open_engine, stripe_client
from ledger.errors import LedgerError
from ledger.postgres.database import Database, Role, open_database
from ledger.postgres.leadership import FOLLOWER, TIMERS
from ledger.settings import Settings, no_settings
from projections.engine import foreign
from projections.engine.proofs import LastProof
from webhooks.refund_calls import missing_permission

LEAST_FREE_BYTES: Final = 1024**3
MOST_NAMES: Final = 5
MOST_SKEW: Final = timedelta(seconds=5)

FORBIDDEN: Final[tuple[tuple[Role, LiteralString], ...]] = (
    ("owner", "update ledger.stored_events set topic = topic"),
    ("owner", "delete from ledger.stored_events"),
    ("owner", "truncate ledger.stored_events"),
    ("owner", "delete from ledger.head"),
    ("app", "update ledger.stored_events set topic = topic"),
    ("app", "delete from ledger.stored_events"),
    ("app", "truncate ledger.stored_events"),
    ("app", "insert into ledger.stored_events select * from ledger.stored_events limit 0"),
    ("app", "update ledger.head set position = position"),
    ("app", "delete from read_models.projections"),
    ("projector", "select ledger.append('{}', '{}', '{}', '{}', false)"),
    ("projector", "insert into ledger.stored_events select * from ledger.stored_events limit 0"),
    ("projector", "update ledger.head set position = position"),
    ("reader", "select ledger.append('{}', '{}', '{}', '{}', false)"),
    ("reader", "delete from ledger.stored_events"),
    ("reader", "delete from read_models.projections"),
)
"""What a role must not do, be the tables empty or not: each is tried and rolled back."""

UNFIT_ROLES: Final = r"""
select coalesce(rolname, wanted),
    case
        when rolname is null then 'is missing'
        when rolsuper then 'is a superuser'
        when %(logs_in)s and not rolcanlogin then 'cannot log in'
        when rolcreaterole or rolcreatedb or rolreplication or rolbypassrls then 'may do too much'
        else 'may act as another one of them'
    end
from unnest(array['ledger_owner', 'ledger_app', 'ledger_projector', 'ledger_reader']) as wanted
left join pg_roles on rolname = wanted
where rolname is null
    or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
    or (%(logs_in)s and not rolcanlogin)
    or exists (
        select
        from pg_auth_members as m
        join pg_roles as granted on granted.oid = m.roleid
        where m.member = pg_roles.oid and granted.rolname like 'ledger\_%%'
    )
order by wanted
"""
BEHIND: Final = "select rolsuper from pg_roles where rolname = session_user"
"""Whether the user who logged in, whom `set role none` returns to, is a superuser."""

LEADING: Final = """
select
    count(*) filter (where objid::bigint = hashtext(%(follower)s)::bigint & 4294967295),
    count(*) filter (where objid::bigint = hashtext(%(timers)s)::bigint & 4294967295)
from pg_locks
where locktype = 'advisory' and granted
    and database = (select oid from pg_database where datname = current_database())
"""
DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings; where the database cannot be opened, that is the last one."""
    yield Finding("fine", "mode", f"reads Stripe's {settings.ledger_mode} events")
    yield from (Finding("wrong", "settings", told) for told in no_settings())
    yield from _secrets(settings)
    yield from _secret_files(settings)
    try:
        with open_database(settings, migrates=False) as database:
            yield _disk(settings, database)
            yield _server(settings, database)
            yield Finding("fine", "migrations", "none pending")  # or it was refused just now
            yield _roles(database)
            yield _privileges(database)
            yield _durability(database)
            yield _clock(database)
            yield _processes(database)
            yield _access(database)
            yield from _foreign(database)
        yield from _projections(settings)
    except LedgerError as error:
        yield Finding("wrong", type(error).__name__, f"{error}{reason_of(error)}")


def _secrets(settings: Settings) -> Iterator[Finding]:
    secrets = len(settings.stripe_webhook_secrets)
    if secrets:
        yield Finding("fine", "webhook", f"on, with {counted(secrets, 'signing secret')}")
    else:
        yield Finding("note", "webhook", "off; STRIPE_WEBHOOK_SECRETS turns it on")
    yield _api_key(settings)
    yield _refunds(settings)


def _refunds(settings: Settings) -> Finding:
    """Whether requested refunds are made; Stripe is asked for the permission, and makes nothing."""
    state = RefundsState.of(settings)
    if not state.is_on:
        return Finding("wrong" if state.carried_out else "note", "refunds", state.told)
    try:
        missing = missing_permission(stripe_client(settings))
    except LedgerError as error:
        return Finding("wrong", "refunds", str(error))
    if missing is not None:
        found = f"the key may not make them: give it the permission {missing}"
        return Finding("wrong", "refunds", found)
    return Finding("fine", "refunds", state.told)


def _api_key(settings: Settings) -> Finding:
    if settings.stripe_api_key is None:
        return Finding("note", "backfill", "off; STRIPE_API_KEY turns it on")
    if settings.stripe_api_key.get_secret_value().startswith("sk_"):
        found = "STRIPE_API_KEY may do everything; a restricted one (events: read) is enough"
        return Finding("note", "backfill", found)
    return Finding("fine", "backfill", "on")


def _secret_files(settings: Settings) -> Iterator[Finding]:
    """Only our user should be able to read a file that secrets stand in."""
    for name, file in ((".env", Path(".env")), (FILE, settings.ledger_home / FILE)):
        if file.exists():
            shared = file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
            found = f"others may read it, and secrets are in it: chmod 600 {file}"
            yield Finding("note" if shared else "fine", name, found if shared else "ours alone")


def _disk(settings: Settings, database: Database) -> Finding:
    with database.connect("reader") as conn:
        row = conn.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None, "select answers a row"
    size = f"the database has {row[0] // 1024**2:,} MiB"
    if settings.database_url is not None:
        return Finding("note", "disk", f"{size}, on a server of yours: watch its disk there")
    free = shutil.disk_usage(settings.ledger_home).free
    verdict = "fine" if free >= LEAST_FREE_BYTES else "wrong"
    return Finding(verdict, "disk", f"{size}; {free // 1024**2:,} MiB are free beside it")


def _server(settings: Settings, database: Database) -> Finding:
    """One that is too old, or not in UTF-8, was refused when it was opened."""
    with database.connect("reader") as conn:
        number = conn.info.server_version
    kind = "embedded" if settings.database_url is None else "DATABASE_URL"
    found = f"PostgreSQL {number // 10000}.{number % 10000}, UTF-8, {kind}"
    return Finding("fine", "database", found)


def _roles(database: Database) -> Finding:
    with database.connect("reader") as conn:
        unfit = conn.execute(UNFIT_ROLES, {"logs_in": database.logs_in}).fetchall()
        row = conn.execute(BEHIND).fetchone()
    assert row is not None, "every session has a user"
    if unfit:
        return Finding("wrong", "roles", "; ".join(f"{name} {why}" for name, why in unfit))
    if row[0]:
        found = (
            "four, but DATABASE_URL is of a superuser, whom injected SQL could"
            " become: give Ledger a user that may create roles, and no more"
        )
        return Finding("note", "roles", found)
    way = ", each of which logs in by itself" if database.logs_in else ""
    return Finding("fine", "roles", f"four{way}, none of which can act as another")


def _privileges(database: Database) -> Finding:
    allowed = [f"{role} may: {sql}" for role, sql in FORBIDDEN if _is_allowed(database, role, sql)]
    if allowed:
        return Finding("wrong", "privileges", "; ".join(allowed))
    found = f"the log is append-only: {len(FORBIDDEN)} attempts on it were refused, its owner's too"
    return Finding("fine", "privileges", found)


def _is_allowed(database: Database, role: Role, sql: LiteralString) -> bool:
    """Whether nothing, or for another role than the owner only a trigger, refuses it."""
    with database.connect(role) as conn, conn.transaction(force_rollback=True):
        try:
            conn.execute(sql)
        except psycopg.errors.InsufficientPrivilege as error:
            by_trigger = error.diag.context is not None
            return by_trigger and role != "owner"
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


def _processes(database: Database) -> Finding:
    """The processes that follow and run the timers hold locks; for a moment there may be none."""
    with database.connect("reader") as conn:
        row = conn.execute(LEADING, {"follower": FOLLOWER, "timers": TIMERS}).fetchone()
    assert row is not None, "an aggregate has one row"
    if all(row):
        return Finding("fine", "processes", "one follows, one runs the timers")
    duties = zip(("follows", "runs the timers"), row, strict=True)
    idle = " or ".join(duty for duty, leaders in duties if not leaders)
    return Finding(
        "note", "processes", f"no process {idle}; `ledger serve` or `ledger follow` does"
    )


def _access(database: Database) -> Finding:
    from ledger.log import Log
    from ledger.tokens import listing

    with closing(Log.of(database, "reader", connections=1)) as log:
        tokens = listing(log)
    valid = sum(token.state == "valid" for token in tokens)
    if tokens:
        return Finding("fine" if valid else "note", "access", counted(valid, "valid token"))
    return Finding("note", "access", "no token yet: `ledger serve` makes the first one")


def _foreign(database: Database) -> Iterator[Finding]:
    """What others made among the read models stays; what they built on them stops a rebuild."""
    with database.connect("reader") as conn:
        among, on_top = foreign.foreign(conn), foreign.dependents(conn)
    if among:
        found = f"{', '.join(among)}: left alone, and better off in a schema of its own"
        yield Finding("note", "not ours", found)
    if on_top:
        found = ", ".join(f"{what} (made of {of})" for what, of in on_top.items())
        found += ": to be dropped before a rebuild, and created again after it"
        yield Finding("note", "built on ours", found)


def _projections(settings: Settings) -> Iterator[Finding]:
    with open_engine(settings, migrates=False) as engine:
        health = look(engine)
        now = engine.log.now()
        yield _following(health, now)
        yield _last_proof(health.proof)
        yield archive(settings, engine, health.proof)
        following = {s.name for s in health.projections if s.state == "following"}
        if "alert_deliveries" in following:
            yield alerts(settings, engine)
        if "audit" in following:
            yield from _modes(settings, modes(engine))


def _last_proof(proof: LastProof | None) -> Finding:
    """Damage is a fault until it is mended; that nothing was ever proven is worth a note."""
    if proof is None:
        return Finding("note", "last proof", "never made; `ledger verify` makes one")
    fine = proof.holds and proof.unanswered is None and not proof.found
    verdict = "wrong" if proof.is_damage else "fine" if fine else "note"
    return Finding(verdict, "last proof", proof.line)


def _modes(settings: Settings, found: Modes) -> Iterator[Finding]:
    """Where all events are of the mode that is not read, the setting is wrong."""
    if found.other:
        other = "live" if settings.ledger_mode == "test" else "test"
        are = "is" if found.other == 1 else "are"
        yield Finding(
            "wrong" if found.other == found.events else "note",
            "other mode",
            f"{found.other:,} of {counted(found.events, 'event')} {are} of Stripe's {other} mode,"
            f" and counted nowhere; LEDGER_MODE={other} and `ledger rebuild` count those instead",
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} read models"


def _following(health: Health, now: datetime) -> Finding:
    if health.halted:
        found = "; ".join(f"{_few(names)}: {cause}" for cause, names in health.causes.items())
        return Finding("wrong", "projections", found)
    lag = counted(health.lag_events, "event")
    found = f"{len(health.projections)} follow, {lag} behind {health.head:,}"
    since, longest = health.waiting_since, timedelta(seconds=TOO_LATE_SECONDS)
    if since is None or now - since < longest:
        return Finding("fine", "projections", found)
    found += f", the first since {since:%F %T} UTC: does a follower run?"
    return Finding("wrong", "projections", found)
