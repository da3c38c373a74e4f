"""Reports: what was reported at a position is found again, whatever came later."""

from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random

from hypothesis import given
from psycopg.rows import dict_row

from kpi.as_of import replayed
from kpi.declare import Unit
from kpi.report import Report, report
from kpi.snapshots import prove, take
from kpi.windows import Window
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from projections.engine.tables import LIVE
from tests.laws.test_figures import (
    CURRENCIES,
    FIGURES,
    READER,
    Databases,
    days_of,
    laws,
    long_world,
    seeds,
    some_windows,
    worlds,
    zones,
)
from tests.support.worlds import World

KNOWN = date(2026, 1, 1)


def engine_of(database: Database, log: Log) -> ProjectionContext:
    """Live read models that took nothing in yet."""
    engine = ProjectionContext(database, log, discover(), READER)
    with database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
    return engine


def tell(engine: ProjectionContext, world: World) -> None:
    engine.log.append_new(world.entries)
    Follower(engine).catch_up()


def live_report(engine: ProjectionContext, days: Window, currency: str | None = None) -> Report:
    with (
        engine.database.connect("reader") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        tables.use(cursor, LIVE)
        return report(cursor, days, KNOWN, compare=days.previous, currency=currency)


@laws(2)
@given(world=worlds, zone=zones, seed=seeds)
def test_what_was_reported_at_a_position_is_found_again(
    fresh_database: Databases, world: World, zone: str, seed: int
):
    """By replaying the log, and by proving the snapshots of that time.

    A second run at one position finds nothing new.
    """
    database, random = replace(fresh_database(), time_zone=zone), Random(seed)
    last, now = days_of(world).last, datetime.now(UTC)
    window = random.choice(some_windows(world, random))
    told: dict[int, Report] = {}
    with Log(database.conninfo("app")) as log:
        engine = engine_of(database, log)
        for part in world.shuffled(seed).split(3):
            tell(engine, part)
            told[log.head()] = live_report(engine, window)
            assert take(engine, last, now, days=5).position == log.head()
        assert take(engine, last, now, days=5).rows == 0
        position = random.choice(list(told))
        with replayed(engine, position, zone) as cursor:
            again = report(cursor, window, KNOWN, compare=window.previous, position=position)
        proven = prove(engine, now, position)
    assert again == told[position]
    assert (proven.position, proven.differences) == (position, [])
    assert proven.rows > 0


def test_currencies_stand_beside_each_other(database: Database):
    """Asked for one, a report shows the same as among all; there is no money without a currency."""
    world = long_world(1)
    with Log(database.conninfo("app")) as log:
        engine = engine_of(database, log)
        tell(engine, world)
        every = live_report(engine, days_of(world))
        for currency, figures in every.currencies.items():
            only = live_report(engine, days_of(world), currency)
            assert only == every._replace(currencies={currency: figures})
    assert every.currencies.keys() == set(CURRENCIES)
    assert not [name for name in every.shop if FIGURES[name].unit is Unit.MONEY]
