"""A new ledger's follower finds what it touches by indexes, before any table is analyzed."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from psycopg.sql import SQL

from ledger.postgres.database import Database
from projections.engine.build import ReadModelTables
from projections.engine.declare import Derived
from projections.engine.flush_statements import touched_of
from projections.engine.registry import discover
from projections.engine.tables import LIVE
from webhooks.translate.translator import Translator

WHOLE: Final = {("postings", "sales_categories")}
"""Whether there is any row at all: it is read up to its first."""
DERIVED: Final = [table for table in discover().tables.values() if isinstance(table, Derived)]


@pytest.fixture
def live(kept_database: Database) -> Iterator[ReadModelTables]:
    """The tables as a follower's session has them, with nothing in them."""
    with kept_database.connect("projector", autocommit=True) as conn:
        reader = Translator("test", "order_id")
        yield ReadModelTables(conn.cursor(), discover(), reader, LIVE)


def test_no_view_reads_a_whole_table_for_one_touched_row(live: ReadModelTables) -> None:
    live.follow_durably()
    read = {(table.name, other) for table in DERIVED for other in read_whole(live, table)}
    assert read <= WHOLE


def read_whole(live: ReadModelTables, table: Derived) -> Iterator[str]:
    """The tables that are read from end to end for what the view says of one touched row."""
    given = ", ".join(f"array[null]::{kind}[]" for kind in kinds(live, table))
    columns = ", ".join(table.unit)
    made = f"select * from unnest({given}) as t ({columns})"  # noqa: S608 - names and types of ours
    touched = f"with touched as not materialized ({made})"
    explain = SQL("explain (format json) {} {}").format(
        SQL(touched),  # pyright: ignore[reportArgumentType] - names and types of ours
        touched_of(f"{table.name}_view", table.unit, "touched"),
    )
    ((plan,),) = live.cursor.execute(explain).fetchall()
    yield from scanned(plan[0]["Plan"])


def kinds(live: ReadModelTables, table: Derived) -> list[str]:
    found = live.cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0",
        [f"{LIVE}.{table.name}"],
    )
    types = dict(found.fetchall())
    return [types[name] for name in table.unit]


def scanned(node: dict[str, Any]) -> Iterator[str]:
    """The tables of a plan's scans that no condition on an index cuts short."""
    is_whole = node["Node Type"] != "Bitmap Heap Scan" and "Index Cond" not in node
    if is_whole and "Relation Name" in node:
        yield node["Relation Name"]
    for below in node.get("Plans", []):
        yield from scanned(below)
