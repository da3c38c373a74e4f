"""All checks over a shop's orders: when nothing is new, and when every issue is."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from time import perf_counter
from typing import Final, NamedTuple

from benchmarks.logs import shop_log
from benchmarks.measuring import Figure, Goal, Sample
from benchmarks.processes import in_child
from benchmarks.rebuild import fill
from benchmarks.server import Server, settle
from kpi.checks.run import Report, run_checks
from ledger.domain.events import NewEvent, OrderPlaced
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from webhooks.translate.translator import Translator

EVENTS_AN_ORDER: Final = 20
LONG_AGO: Final = int(datetime(2024, 1, 1, 8, tzinfo=UTC).timestamp())
"""When the shop begins, so that none of its days lies ahead: each would be a finding."""


class Scale(NamedTuple):
    """How much is measured."""

    rounds: int
    orders: int


FULL = Scale(rounds=3, orders=100_000)
QUICK = Scale(rounds=1, orders=1_000)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Seconds of a run of all checks, each in a fresh process; the first one opens all issues."""
    database = server.database()
    count = fill(database, _log_of(scale.orders))
    in_child(prepare, database)
    settle(database)
    first = in_child(run_all, database)
    settle(database)
    later = [in_child(run_all, database) for _ in range(scale.rounds)]
    seconds = tuple(sample["seconds"] for sample in later)
    return [
        Figure(
            what=f"all checks over {scale.orders:,} orders ({count:,} events), nothing new",
            unit="s",
            samples=seconds,
            goals=(Goal("<", 5),),
        ),
        Figure(what="the slowest check", unit="s", samples=tuple(s["slowest"] for s in later)),
        Figure(what="the first run, opening issues", unit="s", samples=(first["seconds"],)),
        Figure(what="issues that it opened", unit="", samples=(first["appended"],)),
        Figure(
            what="issues that later runs opened again",
            unit="",
            samples=tuple(s["appended"] for s in later),
            goals=(Goal("=", 0, of_speed=False),),
        ),
        Figure(
            what="checks that crashed",
            unit="",
            samples=(first["crashed"],),
            goals=(Goal("=", 0, of_speed=False),),
        ),
    ]


def prepare(database: Database) -> None:
    """Make the read models."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        rebuild(engine_of(database, log))


def run_all(database: Database) -> Sample:
    """Run all checks once, and take in what they appended."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        engine = engine_of(database, log)
        started = perf_counter()
        report = run_checks(engine, datetime.now(UTC))
        seconds = perf_counter() - started
        Follower(engine).catch_up()
    return {
        "seconds": seconds,
        "slowest": max(outcome.seconds for outcome in report.outcomes),
        "appended": _appended(report),
        "crashed": len(report.crashed),
    }


def _appended(report: Report) -> int:
    return sum(outcome.events.total() for outcome in report.outcomes)


def engine_of(database: Database, log: Log) -> ProjectionContext:
    """The engine of the product's read models."""
    return ProjectionContext(database, log, discover(), Translator("test", "order_id"))


def _log_of(orders: int) -> Iterator[NewEvent]:
    """A shop's log up to the order with this number."""
    placed = 0
    for entry in shop_log("checks", EVENTS_AN_ORDER * orders, LONG_AGO):
        placed += isinstance(entry.event, OrderPlaced)
        if placed > orders:
            return
        yield entry
