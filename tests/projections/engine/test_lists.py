"""Lists of every read model: sorted by every column that they declare, and by spans of time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.postgres.database import Database
from projections.engine.declare import Listing
from projections.engine.follow import Follower
from projections.engine.registry import discover
from projections.engine.row import sql_type, times
from projections.queries.listing import DESCENDING, Asked, Lister, Span, sorts, stems
from tests.projections.engine.counter import Counter, opened
from tests.support.addresses import address
from tests.support.servers import Server
from tests.support.worlds import random_world

LISTINGS = {p.name: p.listing for p in discover() if p.listing}
EACH = pytest.mark.parametrize("name", LISTINGS)
ZONE = "America/New_York"
SOME = 7
"""Rows on a page: few, so that there are many pages."""


class Filled(NamedTuple):
    """A service whose read models hold a random world, and all rows of a list."""

    counter: Counter

    def rows(self, name: str) -> list[dict[str, Any]]:
        listing = LISTINGS[name]
        query = SQL("table {}").format(Identifier("read_models", listing.table.name))
        with (
            self.counter.engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(query).fetchall()

    def listed(self, name: str, **asked: Any) -> list[str]:
        """The keys of a list, page by page."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.counter.get(address(name), limit=SOME, **asked, **cursor)
            found += [row[LISTINGS[name].key] for row in page["items"]]
            if page["next"] is None:
                return found
            asked.pop("sort", None)  # the cursor knows it
            cursor = {"cursor": page["next"]}


@pytest.fixture(scope="module")
def filled(servers: Any) -> Iterator[Filled]:
    server: Server = servers("embedded")
    database = server.create_unbuilt()
    elsewhere = Database(database.admin_conninfo, ZONE)
    with opened(elsewhere) as counter:
        for part in random_world(3, 600).without_repeats().split(4):
            counter.engine.log.append_new(part.entries)
        Follower(counter.engine).catch_up()
        yield Filled(counter)
    server.drop(database)


@EACH
def test_every_sort_shows_every_row_once_in_order(filled: Filled, name: str) -> None:
    listing, rows = LISTINGS[name], filled.rows(name)
    for way in sorts(listing):
        column = way.removeprefix(DESCENDING)
        ordered = sorted(
            rows, key=lambda row: (row[column], row[listing.key]), reverse=way != column
        )
        assert filled.listed(name, sort=way) == [row[listing.key] for row in ordered], way
    assert filled.listed(name) == filled.listed(name, sort=sorts(listing)[0])


@EACH
def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(
    filled: Filled, name: str
) -> None:
    listing, rows = LISTINGS[name], filled.rows(name)
    for column in times(listing.shown):
        known = sorted({row[column] for row in rows if row[column] is not None})
        if not known:
            continue
        stem, moment = column.removesuffix("_at"), known[len(known) // 2]
        of = {end: filled.listed(name, **{f"{stem}_{end}": f"{moment:%FT%T.%fZ}"}) for end in ENDS}
        at = {row[listing.key]: row[column] for row in rows if row[column] is not None}
        assert sorted(of["after"]) == sorted(key for key, time in at.items() if time >= moment)
        assert sorted(of["before"]) == sorted(key for key, time in at.items() if time < moment)


ENDS = ("after", "before")


def test_a_date_begins_at_midnight_of_the_reporting_zone(filled: Filled) -> None:
    rows = filled.rows("orders")
    day = max(row["placed_at"].astimezone(ZoneInfo(ZONE)).date() for row in rows)
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE))
    on_that_day = sorted(row["order_id"] for row in rows if row["placed_at"] >= midnight)
    assert sorted(filled.listed("orders", placed_after=f"{day}")) == on_that_day
    asked = {"placed_after": f"{day}", "placed_before": f"{day + timedelta(days=1)}"}
    assert sorted(filled.listed("orders", **asked)) == on_that_day
    before = filled.listed("orders", placed_before=f"{day}")
    assert sorted([*before, *on_that_day]) == sorted(row["order_id"] for row in rows)


def test_spans_sorts_and_filters_go_together(filled: Filled) -> None:
    rows = filled.rows("orders")
    since = sorted(row["placed_at"] for row in rows)[len(rows) // 3]
    wanted = [r for r in rows if r["placed_at"] >= since and r["currency"] == "gbp"]
    ordered = sorted(wanted, key=lambda row: (row["total_minor"], row["order_id"]))
    asked = {"sort": "total_minor", "currency": "gbp", "placed_after": since.isoformat()}
    assert filled.listed("orders", **asked) == [row["order_id"] for row in ordered]


def test_a_page_goes_on_as_the_one_before_was_sorted(filled: Filled) -> None:
    page = filled.counter.get("/orders", limit=2, sort="total_minor")
    told = filled.counter.get("/orders", 422, cursor=page["next"], sort="-placed_at")
    assert "sorted by total_minor" in told["detail"]


@pytest.mark.parametrize(
    ("query", "cure"),
    [
        ({"sort": "colour"}, "'-placed_at', 'placed_at', '-total_minor'"),
        ({"sort": "email"}, "'-placed_at'"),
        ({"placed_after": "yesterday"}, "2026-03-01T12:00:00Z"),
        ({"placed_before": "2026-03-01T12:00:00"}, "2026-03-01T12:00:00Z"),
        ({"placed_before": "2026-02-30"}, "2026-03-01"),
        ({"state": "bogus"}, "'pending', 'paid', 'fulfilled'"),
    ],
)
def test_a_refusal_says_what_there_is(filled: Filled, query: dict[str, str], cure: str) -> None:
    told = filled.counter.get("/orders", 422, **query)
    assert told["code"] == "invalid_request"
    assert cure in told["detail"]
    assert told["detail"].startswith(f"query.{next(iter(query))}: ")


def test_a_span_that_ends_before_it_begins_is_refused_wherever_there_is_one(
    filled: Filled,
) -> None:
    """Of every list, part of a row and list of events, and of every time that it has."""
    pairs = [
        ("/audit", "recorded"),
        ("/events", "recorded"),
        ("/events/unreadable", "recorded"),
        ("/orders/1/history", "recorded"),
        *((address(name), stem) for name, each in LISTINGS.items() for stem in stems(each.shown)),
        *(
            (f"{address(name)}/1/{page}", stem)
            for name, each in LISTINGS.items()
            for page, part in each.pages.items()
            for stem in stems(part.row)
        ),
    ]
    for path, stem in pairs:
        asked = {f"{stem}_after": "2026-03-02", f"{stem}_before": "2026-03-01T00:00:00Z"}
        told = filled.counter.get(path, 422, **asked)
        assert f"query.{stem}_after: 2026-03-02 is later than {stem}_before" in told["detail"], path


def test_a_span_may_be_empty(filled: Filled) -> None:
    assert filled.listed("orders", placed_after="2026-03-01", placed_before="2026-03-01") == []


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_the_ends_of_the_calendar_are_ends_of_spans(filled: Filled, moment: str) -> None:
    for end in ENDS:
        filled.counter.get("/orders", **{f"placed_{end}": moment})


def test_events_are_listed_both_ways_and_by_when_they_were_recorded(filled: Filled) -> None:
    log = filled.counter.engine.log
    head = log.head()

    def positions(path: str, **asked: Any) -> list[int]:
        page = filled.counter.get(path, limit=200, **asked)
        return [each["position"] for each in page["items"]]

    for path in ("/events", "/audit"):
        assert positions(path, sort="position") == [*range(1, 201)]
        assert positions(path, sort="-position") == [*range(head, head - 200, -1)]
        assert positions(path, sort="position", cursor=head - 3) == [head - 2, head - 1, head]
        assert positions(path, sort="-position", cursor=4) == [3, 2, 1]
        recorded = log.at([50])[0].recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        since = [
            p for p in range(1, 201) if log.at([p])[0].recorded_at >= log.at([50])[0].recorded_at
        ]
        assert positions(path, sort="position", recorded_after=recorded)[: len(since)] == since
        until = positions(path, sort="position", recorded_before=recorded)
        assert until == [*range(1, since[0])]


LINKED = pytest.mark.parametrize("name", [n for n, each in LISTINGS.items() if each.link])
PAGED = [(name, page) for name, each in LISTINGS.items() for page in each.pages]


@LINKED
def test_a_history_goes_both_ways_by_pages_and_by_when_it_was_recorded(
    filled: Filled, name: str
) -> None:
    listing, counter = LISTINGS[name], filled.counter
    rows = filled.rows(name)
    if not rows:
        return
    path = f"{address(name)}/{rows[0][listing.key]}/history"
    whole = counter.get(path, limit=200)["items"]
    if not whole:
        return
    positions = [line["position"] for line in whole]
    assert positions == sorted(positions)
    for way, wanted in (("position", positions), ("-position", positions[::-1])):
        assert [line["position"] for line in paged(counter, path, sort=way)] == wanted
    middle = whole[len(whole) // 2]["recorded_at"]
    since = [line["position"] for line in whole if line["recorded_at"] >= middle]
    before = [line["position"] for line in whole if line["recorded_at"] < middle]
    for end, wanted in (("after", since), ("before", before)):
        found = counter.get(path, limit=200, sort="-position", **{f"recorded_{end}": middle})
        assert [line["position"] for line in found["items"]] == wanted[::-1]
    assert counter.get(path, recorded_before="2001-01-01")["items"] == []
    counter.get(f"{address(name)}/nowhere/history", 404, recorded_before="2001-01-01")
    changes = counter.get(path, limit=200, changes=True)["items"]
    backwards = counter.get(path, limit=200, changes=True, sort="-position")["items"]
    assert backwards == changes[::-1]


@pytest.mark.parametrize(("name", "page"), PAGED)
def test_lines_of_one_thing_go_both_ways_and_by_each_of_their_times(
    filled: Filled, name: str, page: str
) -> None:
    listing, counter = LISTINGS[name], filled.counter
    key = max(filled.rows(name), key=lambda row: row.get("on_hand", 0))[listing.key]
    path = f"{address(name)}/{key}/{page}"
    whole = counter.get(path, limit=200)["items"]
    assert len(whole) > SOME
    assert whole == paged(counter, path)
    assert whole == paged(counter, path, sort="position")[::-1]
    for column in times(listing.pages[page].row):
        stem = column.removesuffix("_at")
        middle = sorted(line[column] for line in whole)[len(whole) // 2]
        of = {end: paged(counter, path, **{f"{stem}_{end}": middle}) for end in ENDS}
        assert of["after"] == [line for line in whole if line[column] >= middle]
        assert of["before"] == [line for line in whole if line[column] < middle]


def paged(counter: Counter, path: str, **asked: Any) -> list[dict[str, Any]]:
    """All that a list has, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = counter.get(path, limit=SOME, **asked, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


# ── Indexes ─────────────────────────────────────────────────────────────────────────────────────

MANY = 20_000
VALUES: dict[str, LiteralString] = {
    "key": "'k' || n",
    "text": "'x' || (n * 7919 %% 100003)",
    "bigint": "n * 7919 %% 1000",
    "boolean": "false",
    "timestamptz": "timestamptz '2026-01-01Z' + n * 7919 %% 100003 * interval '1 minute'",
    "jsonb": "'{}'",
}


@pytest.fixture(scope="module")
def crowded(servers: Any) -> Iterator[Database]:
    server: Server = servers("embedded")
    database = server.create()
    yield database
    server.drop(database)


@EACH
def test_every_sort_reads_an_index_where_there_are_many_rows(crowded: Database, name: str) -> None:
    """A page of 100,000 rows is as quick as one of a few: nothing is read whole, nothing sorted."""
    listing = LISTINGS[name]
    with crowded.connect("projector", autocommit=True) as conn, conn.cursor() as cursor:
        cursor.execute("set search_path = read_models, pg_catalog")
        _fill(cursor, listing)
        for way in sorts(listing):
            _explain(cursor, listing, Asked(50, sort=way))
        if listing.sort:
            span = Span(listing.sort, datetime(2026, 1, 20, tzinfo=UTC))
            _explain(cursor, listing, Asked(50, spans=[span]))
        cursor.execute(SQL("truncate {}").format(Identifier(listing.table.name)))


def _fill(cursor: Any, listing: Listing) -> None:
    row = listing.shown
    wanted = {name: sql_type(row, name) for name in dict.fromkeys((*listing.sortable, listing.key))}
    values: list[LiteralString] = [
        VALUES["key" if name == listing.key else kind] for name, kind in wanted.items()
    ]
    cursor.execute(
        SQL("insert into {} ({}) select {} from generate_series(1, %s) as n").format(
            Identifier(listing.table.name),
            SQL(", ").join(map(Identifier, wanted)),
            SQL(", ").join(SQL(value) for value in values),
        ),
        [MANY],
    )
    cursor.execute(SQL("analyze {}").format(Identifier(listing.table.name)))


class Explained:
    """A cursor that asks for the plan of what it is told to execute."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def execute(self, query: Any, values: Any) -> Any:
        self.plan = self.cursor.execute(SQL("explain ") + query, values).fetchall()
        return self.cursor.execute("select where false")


def _explain(cursor: Any, listing: Listing, asked: Asked) -> None:
    explained = Explained(cursor)
    Lister(listing).page(explained, asked)  # pyright: ignore[reportArgumentType] - all that it uses
    plan = "\n".join(line[0] for line in explained.plan)
    assert "Index" in plan, plan
    assert "Sort" not in plan, plan
    assert "Seq Scan" not in plan, plan


@EACH
def test_totals_are_of_all_rows_that_fit_by_currency(filled: Filled, name: str) -> None:
    rows = filled.rows(name)
    page = filled.counter.get(address(name), limit=1, totals=True)
    currencies = {row["currency"] for row in rows if row.get("currency")}
    assert page["totals"]["count"] == len(rows)
    assert set(page["totals"]["by_currency"]) == currencies
    for currency, sums in page["totals"]["by_currency"].items():
        own = [row for row in rows if row["currency"] == currency]
        assert sums == {column: sum(row[column] or 0 for row in own) for column in sums}
    assert filled.counter.get(address(name), limit=1)["totals"] is None


def test_totals_keep_to_the_filters(filled: Filled) -> None:
    rows = [row for row in filled.rows("orders") if row["state"] == "paid"]
    page = filled.counter.get("/orders", limit=1, totals=True, state="paid")
    assert page["totals"]["count"] == len(rows)
    total_minor = sum(sums["total_minor"] for sums in page["totals"]["by_currency"].values())
    assert total_minor == sum(row["total_minor"] for row in rows)
