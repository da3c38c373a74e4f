"""The follower: from an event's commit to its visibility in every read model."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple

from benchmarks.load import percentile
from benchmarks.logs import filled, stripe_log
from benchmarks.measuring import RATE, Figure, Goal, Sample, alternate
from benchmarks.processes import in_child, ledger
from benchmarks.server import Server
from ledger.domain.events import NewEvent
from ledger.log import Log
from ledger.postgres.database import Database

FOLLOWER: Final = "ledger follow"
BACKLOG: Final = "a backlog taken in"
EVENTS_PER_SECOND: Final = 500
POLL_SECONDS: Final = 0.002
LIMIT_SECONDS: Final = 60

# Rows and position are committed together: where the last projection is, all rows are.
VISIBLE: Final = "select coalesce(min(position), 0) from read_models.projections"
READY: Final = "select exists (select from read_models.projections)"


class Scale(NamedTuple):
    """How long is measured, in seconds a repetition."""

    rounds: int
    warm_up: int
    seconds: int
    backlog: int
    """How many events came in while no follower was there."""


FULL = Scale(rounds=3, warm_up=3, seconds=20, backlog=200_000)
QUICK = Scale(rounds=1, warm_up=1, seconds=3, backlog=5_000)


class Sight(NamedTuple):
    """When a position was seen in the read models; seconds of the monotonic clock."""

    at: float
    position: int


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Times from commit to visible at 500 events a second, with a follower of its own.

    Then how soon it takes in what came while it was away.
    """
    database = server.database()
    with ledger(server, database, "follow"):
        _wait_for_tables(database)
        in_child(append_and_watch, database, "warm-up", scale.warm_up)
        taken = alternate(
            scale.rounds,
            {FOLLOWER: lambda turn: in_child(append_and_watch, database, f"{turn}", scale.seconds)},
        )
    behind = alternate(
        scale.rounds,
        {BACKLOG: lambda turn: _away(server, database, f"{turn}", scale.backlog)},
    )
    return [
        Figure(
            what="from commit to visible, p50",
            unit="ms",
            samples=taken.of(FOLLOWER, "p50_ms"),
        ),
        Figure(
            what="from commit to visible, p99",
            unit="ms",
            samples=taken.of(FOLLOWER, "p99_ms"),
            goals=(Goal("<", 25),),
        ),
        Figure(what="while events were appended at", unit="/s", samples=taken.of(FOLLOWER)),
        Figure(
            what=f"{BACKLOG}, {scale.backlog:,} events",
            unit="/s",
            samples=behind.of(BACKLOG),
            goals=(Goal("≥", 20_000),),
        ),
    ]


def _away(server: Server, database: Database, seed: str, count: int) -> Sample:
    """Append so many events while no follower is there; then how many a second one takes in."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        filled(log, stripe_log(f"backlog {seed}", count))
        head = log.head()
    with (
        ledger(server, database, "follow"),
        database.connect("reader", autocommit=True) as conn,
    ):
        began: tuple[float, int] | None = None
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            (position,) = conn.execute(VISIBLE).fetchone() or (0,)
            now = time.monotonic()
            assert now < deadline, f"the follower is at {position} of {head}"
            if position > head - count and began is None:
                began = now, position
            if began is not None and position >= head:
                return {RATE: (position - began[1]) / (now - began[0])}
            time.sleep(POLL_SECONDS)


def _wait_for_tables(database: Database) -> None:
    """A follower makes its tables while the log is empty; so nothing is appended before."""
    deadline = time.monotonic() + LIMIT_SECONDS
    with database.connect("reader", autocommit=True) as conn:
        while conn.execute(READY).fetchone() != (True,):
            assert time.monotonic() < deadline, "the follower does not start"
            time.sleep(0.02)


def append_and_watch(database: Database, seed: str, seconds: int) -> Sample:
    """Append at a steady rate, one event a commit, and watch them become visible."""
    entries = list(stripe_log(f"follower {seed}", EVENTS_PER_SECOND * seconds))
    with (
        closing(Log(database.conninfo("app"), connections=1)) as log,
        ThreadPoolExecutor(1) as pool,
    ):
        head = log.head()
        watching = pool.submit(_watch, database, head + len(entries))
        started = time.perf_counter()
        committed = _append_steadily(log, entries, started)
        sights = watching.result()
    lags = sorted(1000 * lag for lag in _lags(head, committed, sights))
    return {
        RATE: len(entries) / (committed[-1] - started),
        "p50_ms": percentile(lags, 50),
        "p99_ms": percentile(lags, 99),
    }


def _append_steadily(log: Log, entries: Sequence[NewEvent], started: float) -> list[float]:
    """When each was committed; one that is late does not delay the plan of the others."""
    committed: list[float] = []
    for number, entry in enumerate(entries):
        time.sleep(max(0.0, started + number / EVENTS_PER_SECOND - time.perf_counter()))
        log.append_new([entry])
        committed.append(time.perf_counter())
    return committed


def _watch(database: Database, upto: int) -> list[Sight]:
    """Look every two milliseconds until a position is visible."""
    sights: list[Sight] = []
    deadline = time.perf_counter() + LIMIT_SECONDS
    with database.connect("reader", autocommit=True) as conn:
        while not sights or sights[-1].position < upto:
            row = conn.execute(VISIBLE, prepare=True).fetchone()
            now = time.perf_counter()
            assert row is not None
            assert now < deadline, f"position {upto} is not visible; the follower is at {row[0]}"
            sights.append(Sight(now, row[0]))
            time.sleep(POLL_SECONDS)
    return sights


def _lags(head: int, committed: Sequence[float], sights: Sequence[Sight]) -> list[float]:
    """Seconds from each commit to the first sight; our own clock may read the commit too late."""
    positions = [sight.position for sight in sights]
    return [
        max(0.0, sights[bisect_right(positions, head + number)].at - at)
        for number, at in enumerate(committed)
    ]
