"""A database that tests take in turn is as a new one for each of them."""

from typing import LiteralString

import psycopg
import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.tables import trusted
from tests.kpi.builder import LedgerBuilder
from tests.support.following import steady_follower
from tests.support.servers import Server, name_of

TABLES = """
select format('%I.%I', schemaname, tablename)
from pg_tables
where schemaname !~ '^(pg_|information_schema)'
order by 1
"""


def contents(database: Database) -> dict[str, list[str]]:
    with psycopg.connect(database.admin_conninfo) as conn:
        names = [name for (name,) in conn.execute(TABLES).fetchall()]
        query = "select t::text from {} as t order by 1"
        return {
            name: [row for (row,) in conn.execute(trusted(query.format(name))).fetchall()]
            for name in names
        }


def take_turn(database: Database) -> int:
    """Place an order and let it be followed; answers how many rows of orders there are."""
    with Log(database.conninfo("app")) as log:
        builder = LedgerBuilder(database, log)
        with steady_follower(builder.engine) as follower:
            builder.place()
            assert follower.catch_up() == 2
    return len(contents(database)["read_models.orders"])


def test_the_next_turn_finds_what_a_new_database_has_and_the_session_that_followed(
    server: Server, database: Database
) -> None:
    before: Database | None = None
    for _ in range(5):  # one is given up where a session took long to end
        with server.lent() as lent:
            assert contents(lent) == contents(database)
            assert take_turn(lent) == 1
        if lent == before:
            return
        before = lent
    pytest.fail("none was lent twice")


def test_a_turn_with_other_read_models_has_a_leader_of_its_own(server: Server) -> None:
    with server.lent() as lent, Log(lent.conninfo("app")) as log:
        engine = LedgerBuilder(lent, log).engine
        for registry in (engine.registry, engine.registry.only(["audit"]), engine.registry):
            with steady_follower(engine._replace(registry=registry)) as follower:
                assert follower.engine.registry is registry


@pytest.mark.parametrize(
    "statement",
    [
        "alter table read_models.orders alter currency set not null",
        "create table public.left_over ()",
        "alter table read_models.orders drop column currency cascade",
        "alter table ledger.stored_events disable trigger append_only",
        "revoke select on read_models.orders from ledger_reader",
        "create function ledger.more() returns int language sql return 1",
        "analyze read_models.projections",
    ],
)
def test_what_changed_in_more_than_rows_is_not_lent_again(
    server: Server, statement: LiteralString
) -> None:
    with server.lent() as first, psycopg.connect(first.admin_conninfo, autocommit=True) as conn:
        conn.execute(statement)
    with server.lent() as second:
        assert name_of(second) != name_of(first)


def test_where_somebody_stays_connected_it_is_not_lent_again(server: Server) -> None:
    with server.lent() as first:
        conn = first.connect("reader")
    with conn, server.lent() as second:
        assert name_of(second) != name_of(first)
