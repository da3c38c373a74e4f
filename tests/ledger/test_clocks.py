"""Clocks that jump: neither the service's nor the database's changes readiness or ends anything."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, LiteralString

import psycopg
import pytest
from pydantic import SecretStr

from api.endpoints import orders
from app.asgi import create_app
from kpi import jobs
from kpi.checks.run import RUNS
from kpi.jobs import CheckJob, SnapshotJob
from ledger import clocks, log, sessions
from ledger.clocks import Clocks, Lag, Unchanged
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.sessions import Sessions
from ledger.settings import Settings
from ledger.tokens import issue, listing
from tests.kpi.builder import LedgerBuilder
from tests.support.callers import let_in
from tests.support.judged import JudgedClient

HOUR = timedelta(hours=1)
JUMPS = {"ahead": HOUR, "behind": -HOUR}
MOVE_LOG = """
set session_replication_role = replica;
update ledger.stored_events set recorded_at = recorded_at + {by};
update ledger.head set recorded_at = recorded_at + {by};
set session_replication_role = default;
"""


class Watches:
    """Sets the clocks: the service's, the database's as it is asked for, and the monotonic one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def set_ours(self, by: timedelta) -> None:
        """Put the service's clock forward, or back."""

        class Wrong(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + by

        for module in (clocks, orders, sessions):
            self._monkeypatch.setattr(module, "datetime", Wrong)

    def set_theirs(self, by: timedelta) -> None:
        """Put the database's clock forward, or back, for all that asks what time it is there."""
        wrong = f"(clock_timestamp() + interval '{by.total_seconds()} s')"
        for module, names in (
            (log, ("STATE",)),
            (sessions, ("BEGIN", "FIND")),
            (jobs, ("NEEDS_SNAPSHOT", "NEEDS_PROOF")),
        ):
            for name in names:
                right = getattr(module, name)
                self._monkeypatch.setattr(module, name, right.replace("clock_timestamp()", wrong))

    def wait(self, seconds: float) -> None:
        """Let so many seconds go by on the monotonic clock of what measures."""
        at = time.monotonic()
        self._monkeypatch.setattr(clocks, "monotonic", lambda: at + seconds)


@pytest.fixture
def watches(monkeypatch: pytest.MonkeyPatch) -> Watches:
    return Watches(monkeypatch)


Jump = Callable[[], None]


@pytest.fixture(
    params=[(whose, way) for whose in ("ours", "theirs") for way in JUMPS], ids="-".join
)
def jump(request: pytest.FixtureRequest, watches: Watches) -> Jump:
    """Puts one of both clocks an hour forward or back."""
    whose, way = request.param
    turn = {"ours": watches.set_ours, "theirs": watches.set_theirs}[whose]
    return lambda: turn(JUMPS[way])


# ── The clocks ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", JUMPS.values(), ids=JUMPS)
def test_what_ends_goes_by_the_earlier_and_what_lasts_by_the_later(by: timedelta) -> None:
    both = Clocks()
    assert both.earlier() <= both.later() <= datetime.now(UTC), "the database was not heard yet"
    both.hear(datetime.now(UTC) + by)
    apart = both.later() - both.earlier()
    assert abs(apart - HOUR) < timedelta(seconds=20)
    assert both.earlier() <= datetime.now(UTC) <= both.later() + timedelta(seconds=20)


def test_what_was_heard_goes_on(watches: Watches) -> None:
    both = Clocks()
    both.hear(datetime(2026, 3, 1, tzinfo=UTC))
    watches.wait(90)
    assert both.earlier() >= datetime(2026, 3, 1, 0, 1, 29, tzinfo=UTC)


def test_unchanged_counts_from_the_last_change(watches: Watches) -> None:
    same = Unchanged()
    assert same.seconds("a") == 0
    watches.wait(100)
    assert same.seconds("a") >= 99
    assert same.seconds("b") == 0


# ── Readiness ───────────────────────────────────────────────────────────────────────────────────


def test_lag_is_how_long_the_first_that_waits_was_seen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at (time, head, what is taken in), and what they say."""
    looks = [
        (0, 5, 5, 0),
        (10, 9, 5, 0),  # 6 to 9 wait; they may have come just now
        (20, 12, 5, 10),
        (30, 12, 9, 10),  # 10 to 12 were first seen at 20
        (40, 12, 12, 0),
        (50, 13, 12, 0),
        (60, 8, 8, 0),  # an older log was restored
        (70, 9, 8, 0),
    ]
    lag, now = Lag(), 0.0
    monkeypatch.setattr(clocks, "monotonic", lambda: now)
    for at, head, taken_in, seconds in looks:
        now = float(at)
        assert lag.seconds(head, taken_in) == seconds, at


def test_a_long_lag_takes_little_memory_and_is_told_well(monkeypatch: pytest.MonkeyPatch) -> None:
    lag, now = Lag(), 0.0
    monkeypatch.setattr(clocks, "monotonic", lambda: now)
    for second in range(100_000):
        now = float(second)
        assert lag.seconds(second + 1, 0) == second
    assert len(lag._heads) < 1_000
    for taken_in in range(0, 100_000, 1_000):
        waited = 100_000 - taken_in
        assert waited - 100_000 / clocks.FINENESS - 2 <= lag.seconds(100_000, taken_in) <= waited


@pytest.fixture
def settings(database: Database) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )


@pytest.mark.parametrize("by", ["interval '-1 hour'", "interval '1 hour'"], ids=["forward", "back"])
def test_a_database_whose_clock_was_set_leaves_us_ready_until_something_waits(
    settings: Settings,
    database: Database,
    watches: Watches,
    monkeypatch: pytest.MonkeyPatch,
    by: LiteralString,
) -> None:
    """Events that wait for a moment are an hour old by a clock that was put forward since.

    By one that was put back they are of the future, and nobody would ever have waited.
    """
    monkeypatch.setattr("app.health.MEMORY_SECONDS", 0.0)
    with JudgedClient(create_app(settings, database), base_url="http://127.0.0.1") as client:
        let_in(client)
        mug = {"name": "Blue mug", "prices": {"gbp": 1250}}
        assert client.put("/products/MUG", json=mug).status_code == 200
        with psycopg.connect(database.admin_conninfo, autocommit=True) as conn:
            conn.execute(MOVE_LOG.format(by=by))
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["lag_events"]) == (200, 1)
        assert 0 <= answer.json()["lag_seconds"] < 30
        watches.wait(31)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["lag_seconds"] >= 30


# ── What has a date ─────────────────────────────────────────────────────────────────────────────


def test_no_token_expires_early(database: Database, jump: Jump) -> None:
    """Neither one from before the jump, nor, once the clock is right again, one from after it."""
    with closing(Log(database.conninfo("app"))) as opened:

        def make(name: str) -> None:
            lifetime = timedelta(minutes=30)
            issue(opened, Role.ADMIN, name, Metadata(actor="operator"), lifetime=lifetime)

        make("before")
        jump()
        make("after")
        assert {line.state for line in listing(opened)} == {"valid"}
        assert all(
            line.expires_at and line.expires_at > datetime.now(UTC) + timedelta(minutes=20)
            for line in listing(opened)
        )


def test_an_expired_token_is_over_by_either_clock(database: Database, watches: Watches) -> None:
    with closing(Log(database.conninfo("app"))) as opened:
        issue(
            opened, Role.ADMIN, "short", Metadata(actor="operator"), lifetime=timedelta(minutes=30)
        )
        watches.set_ours(HOUR)
        assert listing(opened)[0].state == "valid"
        watches.set_theirs(HOUR)
        assert listing(opened)[0].state == "expired"


def test_no_reservation_of_a_slow_clock_ends_at_once(
    settings: Settings, database: Database, watches: Watches
) -> None:
    """Another process, or the same once its clock is right again, goes by another one."""
    with JudgedClient(create_app(settings, database), base_url="http://127.0.0.1") as client:
        let_in(client)
        mug = {"name": "Blue mug", "prices": {"gbp": 1250}}
        assert client.put("/products/MUG", json=mug).status_code == 200
        assert client.post("/stock/MUG/receive", json={"quantity": 5}).status_code == 200
        watches.set_ours(-HOUR)
        line = {"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1250}
        answer = client.post("/orders", json={"currency": "gbp", "lines": [line]})
        assert answer.status_code == 201
        events = client.app_state["log"].stream(f"order/{answer.json()['id']}")
    assert events[0].event.expires_at > datetime.now(UTC) + timedelta(minutes=20)


def test_no_session_ends_early(
    database: Database, jump: Jump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for good: one that signs in then clears away what is over."""
    monkeypatch.setattr(sessions, "LIFETIME_SECONDS", 30 * 60)
    with closing(Sessions(database)) as opened:
        before = opened.begin("lgr1")
        jump()
        after = opened.begin("lgr2")
        assert opened.find([before]) == (before, "lgr1")
        assert opened.find([after]) == (after, "lgr2")


@pytest.fixture
def followed(database: Database) -> Iterator[LedgerBuilder]:
    with closing(Log(database.conninfo("app"))) as opened:
        builder = LedgerBuilder(database, opened)
        builder.place()
        builder.follow()
        yield builder


def days_taken(builder: LedgerBuilder) -> list[Any]:
    with builder.engine.database.connect("reader") as conn:
        rows = conn.execute("select last_day, computed_at from kpi.snapshot_runs order by 2")
        return rows.fetchall()


def test_no_snapshot_is_taken_of_a_day_that_has_not_begun(
    followed: LedgerBuilder, watches: Watches
) -> None:
    now = datetime.now(UTC)
    watches.set_ours(timedelta(days=1))
    SnapshotJob(followed.engine, 0, 0).take(Event())
    ((day, computed_at),) = days_taken(followed)
    zone = followed.engine.database.time_zone
    assert zone == "UTC"
    assert day <= datetime.now(UTC).date()
    assert now - HOUR < computed_at < datetime.now(UTC) + HOUR


def test_a_clock_that_is_put_back_makes_no_snapshot_wait(
    followed: LedgerBuilder, watches: Watches
) -> None:
    snapshots = SnapshotJob(followed.engine, 60, 0)
    snapshots.take(Event())
    followed.place()
    followed.follow()
    watches.set_theirs(-timedelta(days=365))
    snapshots.take(Event())
    assert len(days_taken(followed)) == 1
    watches.wait(59 * 60)
    snapshots.take(Event())
    assert len(days_taken(followed)) == 1
    watches.wait(61 * 60)
    snapshots.take(Event())
    assert len(days_taken(followed)) == 2


def test_a_clock_that_is_put_back_makes_no_round_of_checks_wait(
    followed: LedgerBuilder, watches: Watches
) -> None:
    """The last run was recorded in what is the future now."""
    checks = CheckJob(followed.engine, 60)
    checks._every = timedelta(0)
    checks.look(Event())
    checks._every = HOUR
    with psycopg.connect(followed.engine.database.admin_conninfo) as conn:
        conn.execute(MOVE_LOG.format(by="interval '1 year'"))
    assert not checks.is_due()
    watches.wait(61 * 60)
    assert checks.is_due()
    checks.look(Event())
    assert len(followed.engine.log.stream(RUNS)) == 2
    assert not checks.is_due()
