"""Snapshots: what was reported stays findable, and what does not agree with the log is found."""

from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import LiteralString

import pytest
from psycopg.rows import dict_row

from kpi.report import report
from kpi.snapshots import Difference, Taken, known, prove, take
from kpi.windows import Window
from ledger.errors import NotFound, ProjectionStopped
from projections.engine import positions
from projections.engine.reads import Reads
from tests.kpi.books import Books
from tests.kpi.checks.scenarios import CHARGED_ON, charged, ordered_and_charged, refunded
from tests.webhooks.examples import MADE

DAY = 86_400


def taken(books: Books, today: date = CHARGED_ON, days: int = 1) -> Taken:
    books.follow()
    return take(books.engine, today, books.now, days)


def reported(
    books: Books, figure: str, window_days: int = 1, as_of: int | None = None, currency: str = "gbp"
) -> list[tuple[date, int]]:
    """A figure by day, as it was taken down, the latest first."""
    with (
        books.engine.database.connect("reader") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        days = Window(CHARGED_ON - timedelta(days=90), CHARGED_ON + timedelta(days=90))
        rows = known(cursor, days, window_days=window_days, currency=currency, as_of=as_of)
    return [(row["day"], row["figures"][figure]) for row in rows]


def test_each_day_is_taken_down_as_a_day_and_as_the_end_of_windows(books: Books):
    """Ten pounds on 14 November; on the 21st they are out of the last 7 days, in the last 30.

    Of each day 4 windows, in pounds and of the whole shop: 8 rows a day.
    """
    ordered_and_charged(books)
    week_later = CHARGED_ON + timedelta(days=7)
    run = taken(books, week_later, days=2)
    assert (run.first_day, run.last_day, run.complete) == (
        week_later - timedelta(days=1),
        week_later,
        True,
    )
    assert run.rows == 16
    assert [minor for _, minor in reported(books, "revenue")] == [0, 0]
    assert [minor for _, minor in reported(books, "revenue", 7)] == [0, 1000]
    assert [minor for _, minor in reported(books, "revenue", 30)] == [1000, 1000]


def test_a_run_stores_what_changed_since_the_one_before(books: Books):
    """A day later a second order is paid; it was placed at noon of 1 March 2026.

    At first 8 rows, then none. Then the new day's 8 are new; those of the day before still hold.
    """
    ordered_and_charged(books)
    assert taken(books).rows == 8
    assert taken(books).rows == 0
    books.place("A2", 500)
    charged(books, "ch_2", amount=500, created=MADE + DAY, metadata={"order_id": "A2"})
    assert taken(books, CHARGED_ON + timedelta(days=1), days=2).rows == 8
    assert reported(books, "revenue") == [(CHARGED_ON + timedelta(days=1), 500), (CHARGED_ON, 1000)]


def test_what_arrives_late_lands_on_its_own_day_and_the_older_word_stays(books: Books):
    """At first the day has 10.00, then 14.00: a charge of that day was told later.

    As of the first run it had 10.00, and that was right: computed again it still is.
    """
    ordered_and_charged(books)
    first = taken(books)
    charged(books, "ch_2", amount=400)
    second = taken(books)
    assert second.rows == 4
    assert reported(books, "revenue") == [(CHARGED_ON, 1400)]
    assert reported(books, "revenue", as_of=second.position - 1) == [(CHARGED_ON, 1000)]
    assert reported(books, "revenue", as_of=first.position - 1) == []
    for run in (first, second):
        assert prove(books.engine, books.now, run.position) == (run.position, 8, [])


def test_a_run_that_does_not_know_everything_says_so(books: Books):
    ordered_and_charged(books)
    books.follow()
    refunded(books, 100)
    run = take(books.engine, CHARGED_ON, books.now, days=1)
    assert (run.complete, run.position) == (False, books.engine.log.head() - 1)
    assert taken(books).complete


SPOILT: dict[LiteralString, tuple[int, str, str, int | None, int | None]] = {
    """
    update kpi.snapshots set figures = figures || '{"stock_reserved": 7}'
    where window_days = 1 and currency = ''
    """: (1, "", "stock_reserved", 7, 0),
    """
    update kpi.snapshots set figures = figures || '{"revenue": 999}'
    where window_days = 7 and currency = 'gbp'
    """: (7, "gbp", "revenue", 999, 1000),
    """
    update kpi.snapshots set figures = figures - 'orders'
    where window_days = 30 and currency = 'gbp'
    """: (30, "gbp", "orders", None, 1),
    """
    insert into kpi.snapshots
    select day, 90, 'usd', contract_version, time_zone, as_of_position,
        '{"revenue": 5, "orders": 0}'
    from kpi.snapshots
    where window_days = 90 and currency = ''
    """: (90, "usd", "revenue", 5, None),
}
"""What is done to snapshots, and what must be found: window, currency, figure, stored, right."""


def test_whatever_was_changed_is_found(books: Books):
    """A figure of the shop or of a currency, one that is gone, a currency that was made up."""
    ordered_and_charged(books)
    run = taken(books)
    for statement in SPOILT:
        books.tamper(statement)
    proven = prove(books.engine, books.now)
    assert proven.position == run.position
    assert proven.differences == [Difference(CHARGED_ON, *found) for found in SPOILT.values()]


def test_a_snapshot_that_was_taken_away_is_found(books: Books):
    """With every figure that was not zero."""
    ordered_and_charged(books)
    taken(books)
    books.tamper("delete from kpi.snapshots where window_days = 90 and currency = 'gbp'")
    found = {d.figure: (d.stored, d.recomputed) for d in prove(books.engine, books.now).differences}
    assert found["revenue"] == (None, 1000)
    assert "refunded_amount" not in found


def test_what_differs_is_told_until_a_proof_says_otherwise(books: Books):
    """A later run at the same position takes down nothing that would cover it up."""
    ordered_and_charged(books)
    taken(books)
    books.tamper(next(iter(SPOILT)))
    prove(books.engine, books.now)
    assert taken(books).rows == 0
    assert len(prove(books.engine, books.now).differences) == 1


def test_days_are_proven_in_the_zone_in_which_they_were_cut(books: Books):
    """Auckland was half a day ahead: what was captured at 22:13 UTC fell on the 15th there."""
    ordered_and_charged(books)
    books.follow()
    auckland = replace(books.engine.database, time_zone="Pacific/Auckland")
    there = books.engine._replace(database=auckland)
    with pytest.raises(ProjectionStopped):
        take(there, CHARGED_ON, books.now, days=1)
    with (
        closing(Reads(there)) as reads,
        reads.snapshot([]) as cursor,
        pytest.raises(ProjectionStopped, match="zone Pacific/Auckland yet; run `ledger rebuild`"),
    ):
        report(cursor, Window(CHARGED_ON, CHARGED_ON))
    run = taken(books)
    assert prove(there, books.now) == (run.position, run.rows, [])


def test_there_is_nothing_to_prove_before_a_run(books: Books):
    ordered_and_charged(books)
    with pytest.raises(NotFound):
        prove(books.engine, books.now)
    taken(books)
    with pytest.raises(NotFound):
        prove(books.engine, books.now, position=1)


def test_no_snapshot_is_taken_of_read_models_that_stopped(books: Books):
    ordered_and_charged(books)
    books.follow()
    with books.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["payments"], 1, "a bug")
    with pytest.raises(ProjectionStopped, match="payments"):
        take(books.engine, CHARGED_ON, books.now)
