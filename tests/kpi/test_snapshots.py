"""Snapshots: what was reported stays findable, and what does not agree with the log is found."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import LiteralString

import pytest
from psycopg.rows import dict_row

from kpi.exports.declare import export
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.snapshots import Difference, Taken, known, prove, take
from kpi.windows import Window
from ledger.disclosures import DisclosureLog
from ledger.domain.events import Metadata
from ledger.errors import NotFound, ProjectionStopped
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.reads import Reads
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import CHARGED_ON, charged, ordered_and_charged, refunded
from tests.webhooks.examples import MADE
from webhooks.translate.translator import Translator

Changed = Callable[[ProjectionContext], ProjectionContext]

DAY = 86_400


def taken(builder: LedgerBuilder, today: date = CHARGED_ON, days: int = 1) -> Taken:
    builder.follow()
    return take(builder.engine, today, builder.now, days)


def reported(
    builder: LedgerBuilder,
    figure: str,
    window_days: int = 1,
    as_of: int | None = None,
    currency: str = "gbp",
) -> list[tuple[date, int]]:
    """A figure by day, as it was recorded, the latest first."""
    with (
        builder.engine.database.connect("reader") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        days = Window(CHARGED_ON - timedelta(days=90), CHARGED_ON + timedelta(days=90))
        rows = known(cursor, days, window_days=window_days, currency=currency, as_of=as_of)
    return [(row["day"], row["figures"][figure]) for row in rows]


def test_each_day_is_taken_down_as_a_day_and_as_the_end_of_windows(builder: LedgerBuilder):
    """Ten pounds on 14 November; on the 21st they are out of the last 7 days, in the last 30.

    Of each day 4 windows, in pounds and of the whole shop: 8 rows a day.
    """
    ordered_and_charged(builder)
    week_later = CHARGED_ON + timedelta(days=7)
    run = taken(builder, week_later, days=2)
    assert (run.first_day, run.last_day, run.complete) == (
        week_later - timedelta(days=1),
        week_later,
        True,
    )
    assert run.rows == 16
    assert [minor for _, minor in reported(builder, "revenue")] == [0, 0]
    assert [minor for _, minor in reported(builder, "revenue", 7)] == [0, 1000]
    assert [minor for _, minor in reported(builder, "revenue", 30)] == [1000, 1000]


def test_a_run_stores_what_changed_since_the_one_before(builder: LedgerBuilder):
    """A day later a second order is paid; it was placed at noon of 1 March 2026.

    At first 8 rows, then none. Then the new day's 8 are new; those of the day before still hold.
    """
    ordered_and_charged(builder)
    assert taken(builder).rows == 8
    assert taken(builder).rows == 0
    builder.place("A2", 500)
    charged(builder, "ch_2", amount=500, created=MADE + DAY, metadata={"order_id": "A2"})
    assert taken(builder, CHARGED_ON + timedelta(days=1), days=2).rows == 8
    assert reported(builder, "revenue") == [
        (CHARGED_ON + timedelta(days=1), 500),
        (CHARGED_ON, 1000),
    ]


def test_what_arrives_late_lands_on_its_own_day_and_the_older_word_stays(builder: LedgerBuilder):
    """At first the day has 10.00, then 14.00: a charge of that day was told later.

    As of the first run it had 10.00, and that was right: computed again it still is.
    """
    ordered_and_charged(builder)
    first = taken(builder)
    charged(builder, "ch_2", amount=400)
    second = taken(builder)
    assert second.rows == 4
    assert reported(builder, "revenue") == [(CHARGED_ON, 1400)]
    assert reported(builder, "revenue", as_of=second.position - 1) == [(CHARGED_ON, 1000)]
    assert reported(builder, "revenue", as_of=first.position - 1) == []
    for run in (first, second):
        assert prove(builder.engine, builder.now, run.position) == (run.position, 8, [])


def test_a_run_that_does_not_know_everything_says_so(builder: LedgerBuilder):
    ordered_and_charged(builder)
    builder.follow()
    refunded(builder, 100)
    run = take(builder.engine, CHARGED_ON, builder.now, days=1)
    assert (run.complete, run.position) == (False, builder.engine.log.head() - 1)
    assert taken(builder).complete


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


def test_whatever_was_changed_is_found(builder: LedgerBuilder):
    """A figure of the shop or of a currency, one that is gone, a currency that was made up."""
    ordered_and_charged(builder)
    run = taken(builder)
    for statement in SPOILT:
        builder.tamper(statement)
    proven = prove(builder.engine, builder.now)
    assert proven.position == run.position
    assert proven.differences == [Difference(CHARGED_ON, *found) for found in SPOILT.values()]


def test_a_snapshot_that_was_taken_away_is_found(builder: LedgerBuilder):
    """With every figure that was not zero."""
    ordered_and_charged(builder)
    taken(builder)
    builder.tamper("delete from kpi.snapshots where window_days = 90 and currency = 'gbp'")
    found = {
        d.figure: (d.stored, d.recomputed) for d in prove(builder.engine, builder.now).differences
    }
    assert found["revenue"] == (None, 1000)
    assert "refunded_amount" not in found


def test_what_differs_is_told_until_a_proof_says_otherwise(builder: LedgerBuilder):
    """A later run at the same position records nothing that would cover it up."""
    ordered_and_charged(builder)
    taken(builder)
    builder.tamper(next(iter(SPOILT)))
    prove(builder.engine, builder.now)
    assert taken(builder).rows == 0
    assert len(prove(builder.engine, builder.now).differences) == 1


def test_days_are_proven_in_the_zone_in_which_they_were_cut(builder: LedgerBuilder):
    """Auckland was half a day ahead: what was captured at 22:13 UTC fell on the 15th there."""
    ordered_and_charged(builder)
    builder.follow()
    auckland = replace(builder.engine.database, time_zone="Pacific/Auckland")
    there = builder.engine._replace(database=auckland)
    with pytest.raises(ProjectionStopped):
        take(there, CHARGED_ON, builder.now, days=1)
    run = taken(builder)
    assert prove(there, builder.now) == (run.position, run.rows, [])


@pytest.mark.parametrize(
    "other",
    [
        lambda engine: engine._replace(
            database=replace(engine.database, time_zone="Pacific/Auckland")
        ),
        lambda engine: engine._replace(reader=Translator("live", "order_id")),
    ],
    ids=["time zone", "mode"],
)
def test_sums_that_were_made_under_other_settings_are_refused(
    builder: LedgerBuilder, other: Changed
):
    """They would say 0, or of another day, and call it complete."""
    ordered_and_charged(builder)
    builder.follow()
    engine = other(builder.engine)
    asked = Asked(export("orders"), Window(CHARGED_ON, CHARGED_ON), Format.CSV, {})
    with closing(Reads(engine)) as reads:
        with (
            pytest.raises(ProjectionStopped, match="`ledger rebuild` makes them again"),
            reads.snapshot(current=True),
        ):
            pass
        with pytest.raises(ProjectionStopped, match="`ledger rebuild` makes them again"):
            begin(reads, DisclosureLog(engine.log), asked, Metadata(actor="ann"))


def test_there_is_nothing_to_prove_before_a_run(builder: LedgerBuilder):
    ordered_and_charged(builder)
    with pytest.raises(NotFound):
        prove(builder.engine, builder.now)
    taken(builder)
    with pytest.raises(NotFound):
        prove(builder.engine, builder.now, position=1)


def test_no_snapshot_is_taken_of_read_models_that_stopped(builder: LedgerBuilder):
    ordered_and_charged(builder)
    builder.follow()
    with builder.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["payments"], 1, "a bug")
    with pytest.raises(ProjectionStopped, match="payments"):
        take(builder.engine, CHARGED_ON, builder.now)
