"""Databases that tests take in turn: made as new between two, while a follower's session stays."""

import time
from typing import Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from ledger.postgres.database import Database
from projections.engine.build import ProjectionContext
from projections.engine.follow import FIRST_EVENTS, Leader

_GONE_SECONDS: Final = 0.25
"""A session that was closed has ended by then."""

_TABLES: Final[LiteralString] = """
select relnamespace::regnamespace::text, relname
from pg_class
where relkind = 'r' and relpersistence = 'p' and relnamespace::regnamespace::text !~ '^(pg_|inf)'
"""
_SHAPE: Final[LiteralString] = """
with ours as (select oid from pg_namespace where nspname !~ '^(pg_|information_schema)')
select sum(hashtextextended(concat_ws(' ', kind, oid, xmin, tuples), 0))
from (
    select 'relation', oid, xmin, reltuples from pg_class where relnamespace in (table ours)
    union all select 'function', oid, xmin, 0 from pg_proc where pronamespace in (table ours)
    union all select 'constraint', oid, xmin, 0 from pg_constraint
    where connamespace in (table ours)
    union all select 'trigger', oid, xmin, 0 from pg_trigger
    union all select 'schema', oid, xmin, 0 from pg_namespace where nspname !~ '^pg_'
    union all select 'database', oid, xmin, 0 from pg_database where datname = current_database()
    union all select 'setting', setrole, xmin, 0 from pg_db_role_setting
    union all select 'column', a.attrelid, a.xmin, 0
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    where c.relnamespace in (table ours) and c.relkind = 'r'
) as shape (kind, oid, xmin, tuples)
"""
"""Changes with whatever is altered but rows: what PostgreSQL knows of their number, for its plans,
too. What is temporary is not looked at.
"""

_OTHERS: Final[LiteralString] = """
select count(*)
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and not pid = any(%s)
"""

_kept: Final = dict[Database, "Kept"]()


def leader_of(engine: ProjectionContext) -> Leader | None:
    """The leader whose session stays with the engine's database, if one does."""
    kept = _kept.get(engine.database)
    return kept and kept.leader(engine)


class Kept:
    """A database that is made as new after each test, and the session that follows it.

    To copy a database and drop it takes longer than to empty its tables, and a follower's session
    takes longer still to make its plans.
    """

    def __init__(self, database: Database) -> None:
        self.database: Final = database
        self._admin = psycopg.connect(database.admin_conninfo, autocommit=True)
        self._admin.execute("set session_replication_role = replica")  # triggers refuse to delete
        self._define_renew()
        self._shape = self._found(_SHAPE)
        self._follower = database.connect("projector", autocommit=True)
        self._leader: Leader | None = None
        _kept[database] = self

    def leader(self, engine: ProjectionContext) -> Leader:
        """The session's, for an engine of this database; the one before is done with."""
        if self._leader is not None and self._leader.registry is not engine.registry:
            self._leader.close()
            self._leader = None
        if self._leader is None:
            self._leader = Leader(self._follower.cursor(), engine)
        self._leader.log, self._leader.reader = engine.log, engine.reader
        self._leader._size, self._leader._ahead = FIRST_EVENTS, None
        return self._leader

    def renew(self) -> bool:
        """Make it as it was; false where more than rows changed, or others are connected."""
        if self._follower.info.transaction_status is not TransactionStatus.IDLE:
            return False
        try:
            if self._has_others() or self._found(_SHAPE) != self._shape:
                return False
            self._admin.execute("select pg_temp.renew()")
        except psycopg.OperationalError:  # a test ended all sessions
            return False
        return True

    def close(self) -> None:
        """End its sessions."""
        del _kept[self.database]
        self._admin.close()
        self._follower.close()
        if self._leader is not None:
            self._leader.close()

    def _define_renew(self) -> None:
        """A function that empties all tables, and puts back the rows that they have now."""
        statements: list[sql.Composed] = []
        for number, name in enumerate(self._admin.execute(_TABLES).fetchall()):
            table, rows = sql.Identifier(*name), sql.Identifier("pg_temp", f"rows_{number}")
            statements.append(sql.SQL("delete from {};").format(table))
            if self._admin.execute(sql.SQL("select from {} limit 1").format(table)).rowcount:
                copied = sql.SQL("create temporary table {} as table {}")
                self._admin.execute(copied.format(sql.Identifier(f"rows_{number}"), table))
                statements.append(sql.SQL("insert into {} table {};").format(table, rows))
        body = sql.SQL("begin {} end").format(sql.SQL(" ").join(statements)).as_string()
        made = sql.SQL("create function pg_temp.renew() returns void language plpgsql as {}")
        self._admin.execute(made.format(sql.Literal(body)))

    def _has_others(self) -> bool:
        """Whether other sessions stay connected."""
        ours = [self._admin.info.backend_pid, self._follower.info.backend_pid]
        deadline = time.monotonic() + _GONE_SECONDS
        while self._found(_OTHERS, [ours]):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.002)
        return False

    def _found(self, query: LiteralString, given: list[list[int]] | None = None) -> object:
        (found,) = self._admin.execute(query, given).fetchall()
        return found[0]
