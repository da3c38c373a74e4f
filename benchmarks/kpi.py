"""Figures of a busy shop's ninety days: over HTTP, as snapshots, as an export, and how fresh."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.request import Request, urlopen

from benchmarks.checks import engine_of, prepare
from benchmarks.load import fire, request
from benchmarks.measuring import RATE, Figure, Goal, Sample
from benchmarks.processes import HOST, Service, following, in_child, peak_megabytes, reading
from benchmarks.rebuild import fill
from benchmarks.server import Server, run_sql, settle
from benchmarks.trading import PaidLater, trading_log
from kpi.exports.declare import export
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.snapshots import DAYS, take
from kpi.windows import ending
from ledger.disclosures import DisclosureLog
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.follow import Follower
from projections.engine.reads import Reads

LIMIT_SECONDS: Final = 30
QUERIES: Final = {
    "GET /kpi?window=90": "/kpi?window=90",
    "GET /kpi?window=90&compare=previous": "/kpi?window=90&compare=previous",
    "GET /kpi/daily?window=90": "/kpi/daily?window=90",
    "GET /kpi/products?window=90": "/kpi/products?window=90",
    "GET /kpi/revenue/explain?window=90": "/kpi/revenue/explain?window=90&currency=gbp",
}


class Scale(NamedTuple):
    """How much is measured; `late` events are timed until they show in the figures."""

    rounds: int
    orders: int
    requests: int
    late: int


FULL = Scale(rounds=3, orders=100_000, requests=100, late=20)
QUICK = Scale(rounds=1, orders=500, requests=10, late=2)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Each in processes of its own, on one log of so many orders."""
    database = server.database()
    count = fill(database, trading_log(scale.orders))
    in_child(prepare, database)
    settle(database)
    return [
        *_over_http(server, database, scale),
        *_taken_down(database, scale),
        *_exported(database, scale),
        *_fresh(server, database, scale),
        Figure(what=f"events of {scale.orders:,} orders", unit="", samples=(count,)),
    ]


def _over_http(server: Server, database: Database, scale: Scale) -> list[Figure]:
    with reading(server, database) as service:
        bearer = f"Bearer {service.token}"
        found = {
            name: [
                fire(
                    service.port,
                    [request("GET", path, b"", Authorization=bearer)] * scale.requests,
                    connections=1,
                )
                for _ in range(scale.rounds)
            ]
            for name, path in QUERIES.items()
        }
    return [
        Figure(
            what=f"{name}, p95",
            unit="ms",
            samples=tuple(load.p95_ms for load in loads),
            goals=(Goal("<", 100),),
        )
        for name, loads in found.items()
    ]


def _taken_down(database: Database, scale: Scale) -> list[Figure]:
    seconds: list[float] = []
    for _ in range(scale.rounds):
        run_sql(database, "delete from kpi.snapshots", "delete from kpi.snapshot_runs")
        seconds.append(in_child(take_all, database)["seconds"])
    return [
        Figure(
            what=f"all snapshots of {DAYS} days from nothing",
            unit="s",
            samples=tuple(seconds),
            goals=(Goal("<", 10),),
        )
    ]


def take_all(database: Database) -> Sample:
    """Record every window of ninety days."""
    now = datetime.now(UTC)
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        engine = engine_of(database, log)
        Follower(engine).catch_up()  # to the rounds of checks of the service that read before
        started = time.perf_counter()
        taken = take(engine, now.date(), now)
        assert taken.complete
        return {"seconds": time.perf_counter() - started}


def _exported(database: Database, scale: Scale) -> list[Figure]:
    samples = [in_child(export_orders, database) for _ in range(scale.rounds)]
    few = in_child(export_orders, database, 7)
    return [
        Figure(
            what="rows of the orders export, CSV",
            unit="/s",
            samples=tuple(s[RATE] for s in samples),
            goals=(Goal("≥", 50_000),),
        ),
        Figure(
            what="memory that 90 days of it took more than 7 days, peak",
            unit="MB",
            samples=tuple(s["peak_mb"] - few["peak_mb"] for s in samples),
            goals=(Goal("<", 10),),
        ),
    ]


def export_orders(database: Database, days: int = 90) -> Sample:
    """Write the orders of so many days to nowhere."""
    asked = Asked(export("orders"), ending(datetime.now(UTC).date(), days), Format.CSV, {})
    with (
        closing(Log(database.conninfo("app"), connections=2)) as log,
        closing(Reads(engine_of(database, log))) as reads,
    ):
        started = time.perf_counter()
        with closing(begin(reads, DisclosureLog(log), asked, Metadata(actor="bench"))) as transfer:
            for _ in transfer.chunks:
                pass
        seconds = time.perf_counter() - started
    return {RATE: transfer.rows / seconds, "peak_mb": peak_megabytes()}


def _fresh(server: Server, database: Database, scale: Scale) -> list[Figure]:
    in_child(prepare, database)  # the export's own events are to be followed, not waited for
    with following(server, database) as service:
        sample = in_child(see_late_payments, service, scale.late)
    return [
        Figure(
            what="from a payment's commit to the figures of GET /kpi, slowest",
            unit="ms",
            samples=(sample["slowest_ms"],),
            goals=(Goal("<", 1_000),),
        )
    ]


def see_late_payments(service: Service, count: int) -> Sample:
    """Pay for new orders one by one, and ask for the figures until each of them is there."""
    times: list[float] = []
    with closing(Log(service.database.conninfo("app"), connections=1)) as log:
        orders = _orders(service, after=log.head())
        for entries in PaidLater(count).each():
            log.append(entries)
            started = time.perf_counter()
            orders += 1
            while _orders(service) < orders:
                assert time.perf_counter() - started < LIMIT_SECONDS, "it does not show"
            times.append(time.perf_counter() - started)
    return {"slowest_ms": 1000 * max(times)}


def _orders(service: Service, after: int = 0) -> int:
    address = f"http://{HOST}:{service.port}/kpi?window=7&currency=gbp&after={after}"
    bearer = {"Authorization": f"Bearer {service.token}"}
    with urlopen(Request(address, headers=bearer), timeout=LIMIT_SECONDS) as answer:
        document: dict[str, Any] = json.load(answer)
    return document["currencies"]["gbp"]["orders"]["value"]
