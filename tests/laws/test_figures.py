"""Figures: what a plain reading of the facts gives, over any window, in any order of arrival."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from kpi.declare import Figure, Kind, Ratio, Rows, Total, catalogue
from kpi.evaluate import NO_CURRENCY, Values, evaluate
from kpi.explain import explain
from kpi.windows import Window
from ledger.domain.events import NewEvent, RecordedEvent
from ledger.domain.facts import AnyFact, EventContext
from ledger.postgres.database import Database
from projections.engine.replay import DictCursor
from tests.kpi.brute import Brute
from tests.kpi.plain.said import Said
from tests.laws.test_daily_money import built
from tests.support.worlds import World, random_world
from webhooks.translate.translator import Translator

Databases = Callable[[], Database]

READER = Translator(mode="test", order_metadata_key="order_id")
LONDON = "Europe/London"
CHANGE_OF_CLOCKS = date(2026, 3, 29)  # in London this day has 23 hours
START = datetime(2026, 3, 26, 12, tzinfo=UTC)
CURRENCIES = ("gbp", "usd", "jpy", "kwd", "bhd")
FIGURES = catalogue()


def laws(max_examples: int) -> settings:
    return settings(
        max_examples=max_examples,
        phases=[Phase.explicit, Phase.generate],  # a seed has nothing to shrink
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def long_world(seed: int) -> World:
    """Some weeks from before the change of clocks."""
    return random_world(seed, start=int(START.timestamp()), pause=4 * 3600)


worlds = st.builds(long_world, st.integers(0, 2**32 - 1))
zones = st.sampled_from(["UTC", LONDON])
seeds = st.integers(0, 2**32 - 1)


def said_in(world: World) -> Said:
    """What the world's events say, one after the other."""
    said: list[tuple[EventContext, AnyFact]] = []
    for position, entry in enumerate(world.entries, 1):
        moment, facts = READER(as_recorded(entry, position))
        said += [(moment, fact) for fact in facts]
    return said


def as_recorded(entry: NewEvent, position: int) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        stream=entry.originator_id,
        version=entry.originator_version,
        recorded_at=entry.effective_at,
        effective_at=entry.effective_at,
        event=entry.event,
        meta=entry.meta,
    )


def days_of(world: World) -> Window:
    """From the day before the world begins to two days after its end."""
    first, last = (world.entries[i].effective_at.date() for i in (0, -1))
    return Window(first - timedelta(days=1), last + timedelta(days=2))


def some_windows(world: World, random: Random) -> list[Window]:
    """All of it, each of its days, some stretches, and two in which nothing happened."""
    whole = days_of(world)
    days = [day.first for day in whole.each_day()]
    batches = [Window(*sorted(random.choices(days, k=2))) for _ in range(20)]
    later = Window(whole.last + timedelta(days=30), whole.last + timedelta(days=40))
    return [whole, *whole.each_day(), *batches, whole.previous, later]


@contextmanager
def figures_in(database: Database, world: World) -> Generator[DictCursor]:
    """A cursor on the read models of a world."""
    with (
        built(database, world) as cursor,
        cursor.connection.cursor(row_factory=dict_row) as dicts,
    ):
        yield dicts


def test_every_figure_has_a_plain_reading():
    brute = Brute([], ZoneInfo("UTC"))
    day = START.date()
    read = {*brute.figures(day, day, "gbp"), *brute.figures(day, day, NO_CURRENCY)}
    missing, left_over = sorted(FIGURES.keys() - read), sorted(read - FIGURES.keys())
    assert not missing, (
        f"{', '.join(missing)}: write in tests/kpi/brute.py how a plain loop over the facts finds"
        " it, in a function that `Brute.figures` calls"
    )
    assert not left_over, f"{', '.join(left_over)}: take it out of tests/kpi/brute.py"


# ── By definition ───────────────────────────────────────────────────────────────────────────────


@laws(6)
@given(world=worlds, zone=zones, seed=seeds)
def test_every_figure_is_what_a_plain_reading_of_the_facts_gives(
    fresh_database: Databases, world: World, zone: str, seed: int
):
    """The plain reader hears everything in order and once, the read models in any order."""
    brute = Brute(said_in(world), ZoneInfo(zone))
    database = replace(fresh_database(), time_zone=zone)
    assert_same(database, world.shuffled(seed), brute, some_windows(world, Random(seed)))


def test_in_one_world_every_figure_is_what_its_plain_reading_gives(fresh_database: Databases):
    """The quickest of these laws, to try a new figure with."""
    world = long_world(1)
    brute = Brute(said_in(world), ZoneInfo(LONDON))
    assert_same(replace(fresh_database(), time_zone=LONDON), world, brute, [days_of(world)])


@laws(6)
@given(world=worlds, zone=zones, seed=seeds)
def test_what_has_not_arrived_yet_is_missed_in_the_same_way(
    fresh_database: Databases, world: World, zone: str, seed: int
):
    """Refunds without their charge, payments without their order: half of everything is lost."""
    heard = world.shuffled(seed).split(2)[0]
    brute = Brute(said_in(heard), ZoneInfo(zone))
    database = replace(fresh_database(), time_zone=zone)
    assert_same(database, heard, brute, some_windows(world, Random(seed)))


def assert_same(database: Database, world: World, brute: Brute, windows: list[Window]) -> None:
    with figures_in(database, world) as cursor:
        found = evaluate(cursor, windows)
    for window, by_currency in zip(windows, found, strict=True):
        for currency in (*CURRENCIES, NO_CURRENCY):
            plain = brute.figures(*window, currency)
            ours = by_currency.get(currency, nothing())
            differ = [
                f"{name} is {ours.get(name)}, and {plain.get(name)} by the plain reading"
                for name in sorted(ours.keys() | plain.keys())
                if ours.get(name) != plain.get(name)
            ]
            assert not differ, (
                f"from {window.first} to {window.last}, in {currency or 'no currency'}:"
                f" {'; '.join(differ)}. Its declaration (src/kpi/figures) or its plain reading"
                " (tests/kpi/brute.py) is wrong; list the facts of those days with"
                " `kpi.explain` to see which"
            )


def nothing() -> Values:
    """The figures of a currency in which nothing ever happened."""
    with_currency = [figure for figure in FIGURES.values() if figure.has_currency]
    return {f.id: None if f.kind is Kind.RATIO else 0 for f in with_currency}


def test_the_worlds_straddle_the_change_of_clocks_and_say_something_of_every_figure():
    """So that the laws speak of something."""
    said: set[str] = set()
    for world in map(long_world, range(8)):
        assert days_of(world).first < CHANGE_OF_CLOCKS < days_of(world).last
        brute = Brute(said_in(world), ZoneInfo(LONDON))
        for window in some_windows(world, Random(1)):
            for currency in (*CURRENCIES, NO_CURRENCY):
                said |= {name for name, value in brute.figures(*window, currency).items() if value}
    silent = sorted(FIGURES.keys() - said)
    assert not silent, (
        f"{', '.join(silent)}: 0 in every world of tests/support/worlds.py;"
        " let something happen there that it counts"
    )


# ── Days and windows ────────────────────────────────────────────────────────────────────────────

AT_MOST_THE_SUM_OF_DAYS = {
    "refunded_orders",
    "unique_customers",
    "new_customers",
    "paying_customers",
    "returning_customers",
    "wishlisted_users",
}
"""Not customers who did two things in the window: the second order, or the order after the wish."""
AT_LEAST_EACH_DAY = {
    "unique_customers",
    "repeat_customers",
    "new_customers",
    "paying_customers",
    "wishlisted_users",
    "purchased_users",
}
"""Not refunds that failed on a later day, nor customers who were new on an earlier one."""


@laws(4)
@given(world=worlds, zone=zones, seed=seeds)
def test_a_window_and_its_days(fresh_database: Databases, world: World, zone: str, seed: int):
    """Additive figures add up, distinct ones do not, balances are the last day's."""
    database = replace(fresh_database(), time_zone=zone)
    windows = [w for w in some_windows(world, Random(seed)) if w.days > 1]
    with figures_in(database, world) as cursor:
        found = [evaluate(cursor, [window, *window.each_day()]) for window in windows]
    for whole, *days in found:
        for currency, values in whole.items():
            assert_follows(values, [day[currency] for day in days])


def assert_follows(whole: Values, days: list[Values]) -> None:
    for name, value in whole.items():
        each = [integer(day[name]) for day in days if FIGURES[name].kind is not Kind.RATIO]
        match FIGURES[name].kind:
            case Kind.ADDITIVE:
                assert value == sum(each), name
            case Kind.BALANCE:
                assert value == (each[0] if name.startswith("opening_") else each[-1]), name
            case Kind.DISTINCT:
                assert name not in AT_MOST_THE_SUM_OF_DAYS or integer(value) <= sum(each), name
                assert name not in AT_LEAST_EACH_DAY or integer(value) >= max(each), name
            case Kind.RATIO:
                assert value == from_parts(FIGURES[name], whole), name


def integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def from_parts(figure: Figure, values: Values) -> Fraction | None:
    assert isinstance(figure.measure, Ratio)
    part = sum(integer(values[name]) for name in figure.measure.part)
    whole = sum(integer(values[name]) for name in figure.measure.whole)
    return Fraction(part * figure.measure.times, whole) if whole else None


def test_every_distinct_figure_has_its_bound():
    distinct = {figure.id for figure in FIGURES.values() if figure.kind is Kind.DISTINCT}
    unbounded = sorted(distinct - (AT_MOST_THE_SUM_OF_DAYS | AT_LEAST_EACH_DAY))
    assert not unbounded, (
        f"{', '.join(unbounded)}: write in AT_MOST_THE_SUM_OF_DAYS or AT_LEAST_EACH_DAY (above)"
        " how the figure of a window is bounded by those of its days"
    )
    assert distinct >= AT_MOST_THE_SUM_OF_DAYS | AT_LEAST_EACH_DAY, "a bound of no figure"


# ── Behind a figure ─────────────────────────────────────────────────────────────────────────────

WITH_FACTS = [f for f in FIGURES.values() if not isinstance(f.measure, Total | Ratio)]


@laws(2)
@given(world=worlds, zone=zones, seed=seeds)
def test_the_facts_behind_a_figure_add_up_to_it(
    fresh_database: Databases, world: World, zone: str, seed: int
):
    """Over all pages, in one order whatever the length of a page, and no fact twice."""
    random = Random(seed)
    window = random.choice(some_windows(world, random))
    with figures_in(replace(fresh_database(), time_zone=zone), world) as cursor:
        (found,) = evaluate(cursor, [window])
        for figure in WITH_FACTS:
            for currency in [name for name in found if bool(name) is figure.has_currency]:
                paged = list(pages(cursor, figure, window, currency or None, limit=5))
                assert paged == list(pages(cursor, figure, window, currency or None, limit=1000))
                assert sum(row["counted"] for row in paged) == found[currency][figure.id]
                assert len({repr(row) for row in paged}) == len(paged)
                assert not isinstance(figure.measure, Rows) or {r["counted"] for r in paged} <= {1}


def pages(
    cursor: DictCursor, figure: Figure, window: Window, currency: str | None, limit: int
) -> Iterator[dict[str, Any]]:
    start = None
    while True:
        page = explain(cursor, figure, window, currency=currency, limit=limit, start=start)
        assert 0 < len(page.rows) <= limit or start is None
        yield from page.rows
        if (start := page.next) is None:
            return
