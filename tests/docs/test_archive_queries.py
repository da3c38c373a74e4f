"""The queries of docs/howto/query-the-archive.md run, and answer what the log says."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from benchmarks.logs import filled, shop_log
from ledger.archive import sealing
from ledger.log import Log
from tests.docs.pages import ROOT
from tests.support.servers import Server

PAGE = (ROOT / "docs" / "howto" / "query-the-archive.md").read_text("utf-8")
EVENTS, SIZE = 1_200, 600
STRIPE = "stripe.event_received.v1"


def blocks(begin: str) -> list[str]:
    found = re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", PAGE)
    texts = ["\n".join(line[4:] for line in each.split("\n")) for each in found]
    return [text for text in texts if text.startswith(begin)]


@pytest.fixture(scope="module")
def world(
    servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Any]]]:
    """Where a shop's log is sealed, and its rows."""
    server = servers("embedded")
    database = server.create()
    folder = str(tmp_path_factory.mktemp("archive"))
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("queries", EVENTS))
    list(sealing.seal(database, folder, sealing.missing([], EVENTS, SIZE)))
    with database.connect("reader") as conn:
        rows = conn.execute(
            "select notification_id, originator_id, topic, convert_from(state, 'UTF8')"
            " from ledger.stored_events order by 1"
        ).fetchall()
    yield folder, [(*row[:3], json.loads(row[3])) for row in rows]
    server.drop(database)


def test_duckdb_answers_what_the_log_says(world: tuple[str, list[Any]]) -> None:
    folder, rows = world
    order = next(stream for _, stream, *_ in rows if stream.startswith("order/"))
    asked = [
        query.replace("/backups/ledger", folder).replace("order/A1", order)
        for query in blocks("select")
    ]
    topics, types, captured, one, its = [duckdb.execute(query).fetchall() for query in asked]
    assert {topic: count for topic, count, *_ in topics} == Counter(row[2] for row in rows)
    bodies = [row[3]["data"]["body"] for row in rows if row[2] == STRIPE]
    assert dict(types) == Counter(body["type"] for body in bodies)
    paid = Counter[str]()
    for body in bodies:
        if body["type"] == "charge.succeeded":
            charge = body["data"]["object"]
            paid[charge["currency"]] += charge["amount_captured"]
    summed = Counter[str]()
    for _, currency, minor in captured:
        summed[currency] += int(minor)
    assert summed == paid
    assert [row[0] for row in one] == [17]
    assert json.loads(one[0][3]) == rows[16][3]
    assert [row[0] for row in its] == [position for position, stream, *_ in rows if stream == order]


def test_polars_answers_the_same(world: tuple[str, list[Any]]) -> None:
    folder, rows = world
    (code,) = blocks("import polars")
    scope: dict[str, Any] = {}
    exec(code.replace("/backups/ledger", folder), scope)  # noqa: S102 - the page's own
    expected = Counter(row[3]["data"]["body"]["type"] for row in rows if row[2] == STRIPE)
    assert dict(scope["types"].iter_rows()) == expected


def test_the_page_has_no_query_that_no_test_runs() -> None:
    assert (len(blocks("select")), len(blocks("import"))) == (5, 1)
