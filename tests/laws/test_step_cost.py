"""What the follower reads for a few new events does not grow with what it took in before."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import LiteralString

import psycopg

from ledger.domain.events import NewEvent
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.follow import Follower
from tests.laws.test_reports import engine_of
from tests.support.worlds import random_world

STEPS = 4
EVENTS = 25
MOST_ROWS = 400
"""For one event; about 160 are read, most of them of rollups and of a customer's other orders."""

FOLLOWING: LiteralString = """
select count(*) from pg_stat_activity
where application_name = 'ledger projector' and datname = current_database()
"""
READ: LiteralString = """
select relname, (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
from pg_stat_user_tables
where schemaname = 'read_models'
"""


def rows_read(database: Database) -> Counter[str]:
    """Rows of each table that the follower read so far: a session counts them as it ends."""
    with psycopg.connect(database.admin_conninfo, autocommit=True) as conn:
        while conn.execute(FOLLOWING).fetchone() != (0,):
            time.sleep(0.01)
        return Counter(dict(conn.execute(READ).fetchall()))


def test_a_few_events_after_thousands_read_few_rows(database: Database) -> None:
    entries = random_world(7, 5000).entries
    new = STEPS * EVENTS
    log = Log(database.conninfo("app"))
    engine = engine_of(database, log)

    def append_events(part: Sequence[NewEvent], size: int) -> None:
        for start in range(0, len(part), size):
            log.append(part[start : start + size])
            Follower(engine).catch_up()

    append_events(entries[:-new], 1000)
    before = rows_read(database)
    append_events(entries[-new:], EVENTS)
    read = rows_read(database) - before
    log.close()
    assert 0 < read.total() / new < MOST_ROWS, read.most_common(10)
