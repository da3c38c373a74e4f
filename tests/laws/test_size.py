"""What a row of a read model costs does not grow with the log, in a rebuild as in the follower.

A join that PostgreSQL answers by reading a whole table for each row is not seen on small logs; on a
large one it takes hours. Rows that were touched are counted, not seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from benchmarks.logs import filled, shop_log
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.build import ProjectionContext
from projections.engine.declare import Derived
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from webhooks.translate.translator import Translator

SMALL, TIMES = 3_000, 4
SOME = 200
"""Rows that are none too many: a table of one page is read whole in any case."""

DERIVED = {name: t for name, t in discover().tables.items() if isinstance(t, Derived)}


def rows_touched(plan: dict[str, Any]) -> float:
    """How many rows all parts of an executed plan gave or threw away, each time they ran."""
    thrown = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    own = plan["Actual Loops"] * (plan["Actual Rows"] + thrown)
    return own + sum(map(rows_touched, plan.get("Plans", ())))


def touched(conn: Connection, query: Composed) -> float:
    explained = conn.execute(SQL("explain (analyze, format json) ") + query)
    ((((plan,),),)) = explained.fetchall()
    return rows_touched(plan["Plan"])


def all_rows(conn: Connection) -> Iterator[tuple[str, float]]:
    """What a rebuild makes at once."""
    for name in DERIVED:
        view = Identifier(f"{name}_view")
        yield name, touched(conn, SQL("select * from {}").format(view))


def few_rows(conn: Connection) -> Iterator[tuple[str, float]]:
    """What the follower makes again of twenty, with its settings."""
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        conn.execute(SQL("set {} = off").format(Identifier(setting)))
    for name, table in DERIVED.items():
        unit = SQL(", ").join(map(Identifier, table.unit))
        few = SQL("create temporary table few as select distinct {} from {} limit 20")
        conn.execute(few.format(unit, Identifier(name)))
        conn.execute("analyze few")
        same = SQL(" and ").join(SQL("r.{0} = t.{0}").format(Identifier(c)) for c in table.unit)
        again = SQL(
            "select r.* from few as t"
            " cross join lateral (select * from {} as r where {} offset 0) as r"
        )
        yield name, touched(conn, again.format(Identifier(f"{name}_view"), same))
        conn.execute("drop table few")


def test_what_a_row_costs_does_not_grow_with_the_log(
    fresh_database: Callable[[], Database],
) -> None:
    taken: dict[str, dict[int, float]] = {}
    for count in (SMALL, SMALL * TIMES):
        database = fresh_database()
        with (
            closing(Log(database.conninfo("app"), connections=1)) as log,
            database.connect("projector", autocommit=True) as conn,
        ):
            engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
            filled(log, shop_log("size", count))
            rebuild(engine)
            conn.execute("set search_path = read_models, public")
            for name, rows in all_rows(conn):
                taken.setdefault(f"all of {name}", {})[count] = rows
            for name, rows in few_rows(conn):
                taken.setdefault(f"a few of {name}", {})[count] = rows

    def grew(what: str, small: float, large: float) -> bool:
        times = 2 * TIMES if what.startswith("all") else 2
        return large > times * small + SOME or large > 15 * SMALL * TIMES

    grown = {what: by for what, by in taken.items() if grew(what, *by.values())}
    assert grown == {}
    assert sum(by[SMALL] for by in taken.values()) > SMALL
