"""Ten million events: what they take, and what reads all of them; once each, as it takes an hour.

It needs 60 GB on the disk of TMPDIR (else of /var/tmp), and is measured only where it is asked for.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from typing import Final, NamedTuple

from benchmarks.checks import engine_of
from benchmarks.load import fire, request
from benchmarks.logs import filled, stripe_log
from benchmarks.measuring import RATE, Figure, Goal, Sample
from benchmarks.processes import Service, following, in_child, watching_memory
from benchmarks.scale import log_bytes, prove_from, rebuild_from
from benchmarks.server import Server, settle
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.engines import PROCESSES
from projections.engine.follow import Follower

FLAT_MB: Final = 400
REQUESTS: Final = 50
PAGES: Final = {
    "the first page of the payments": "/payments?limit=50",
    "a payment's history": "/payments/{payment}/history",
    "a payment as of the log's middle": "/payments/{payment}?as_of={middle}",
    "a week's figures": "/kpi?window=7",
}
SIZES: Final = """
select sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
from pg_class as c
where c.relkind = 'r' and c.relnamespace = %s::regnamespace
"""
MIDDLE: Final = """
select p.payment_id, l.position
from read_models.links as l
join read_models.payments as p on p.payment_id = l.id
where l.kind = 'payment' and l.position > (select max(position) / 2 from read_models.links)
order by l.position
limit 1
"""


class Scale(NamedTuple):
    """How much is measured: events of so many shops, of a segment, and of those that come later."""

    shops: int
    events: int
    segment: int
    later: int


FULL = Scale(shops=10, events=10_000_000, segment=250_000, later=100_000)
QUICK = Scale(shops=2, events=6_000, segment=3_000, later=600)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Fill a log, and measure what it takes and what reads it."""
    database = server.database()
    fill(database, scale)
    return measure_filled(server, database, scale)


def fill(database: Database, scale: Scale) -> None:
    """The logs of several shops in one, two at a time."""
    each = scale.events // scale.shops
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_fill_one, database, f"large {i}", each) for i in range(scale.shops)]
        assert sum(task.result() for task in tasks) == scale.events
    settle(database)


def _fill_one(database: Database, seed: str, count: int) -> int:
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        return filled(log, stripe_log(seed, count))


def measure_filled(server: Server, database: Database, scale: Scale) -> list[Figure]:
    """What is measured of a log that is there."""
    with tempfile.TemporaryDirectory(prefix="ledger-archive-", dir=server.home) as home:
        folder = f"{home}/archive"
        sealed = in_child(seal, database, folder, scale.segment)
        share = sum(each.size for each in segments.manifests(Store(folder))) / log_bytes(database)
        log = _sizes(database, "ledger")
        here = in_child(rebuild_watched, database, None)
        models = _sizes(database, "read_models")
        archived = in_child(rebuild_watched, database, folder)
        believing = in_child(prove_from, database, folder)
        in_child(grow, database, scale.later)
        grown = in_child(prove_from, database, folder)
        began = time.monotonic()
        with following(server, database) as service:
            ready = time.monotonic() - began
            pages = _read(service, database)
    size = partial(Figure, unit="MB")
    peak = partial(size, what="peak memory of its largest process", goals=(Goal("≤", FLAT_MB),))
    rate = partial(Figure, unit="/s")
    return [
        size(what=f"the log of {scale.events:,} events", samples=log[:1]),
        size(what="its indexes", samples=log[1:]),
        size(what="read models", samples=models[:1]),
        size(what="their indexes", samples=models[1:]),
        rate(what="sealing", samples=(sealed[RATE],)),
        Figure(what="size of the segments, of the log in PostgreSQL", unit="×", samples=(share,)),
        rate(what="rebuild from the database", samples=(here[RATE],)),
        peak(samples=(here["peak_mb"],)),
        rate(what="rebuild from the archive, nothing folded before", samples=(archived[RATE],)),
        peak(samples=(archived["peak_mb"],)),
        rate(what="proof from the archive, all folded before", samples=(believing[RATE],)),
        rate(what=f"the same when {scale.later:,} more came", samples=(grown[RATE],)),
        *(Figure(what=f"{what}, p95", unit="ms", samples=(ms,)) for what, ms in pages.items()),
        Figure(what="from `ledger serve` to its first answer", unit="s", samples=(ready,)),
    ]


def seal(database: Database, folder: str, segment: int) -> Sample:
    """Seal all full segments of a log."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        spans = sealing.missing([], log.head(), segment)
    started = time.perf_counter()
    sealed = sum(each.events for each in sealing.seal(database, folder, spans))
    return {RATE: sealed / (time.perf_counter() - started)}


def rebuild_watched(database: Database, folder: str | None) -> Sample:
    """Rebuild from an archive, or from the database for none; with the peak of any process."""
    with watching_memory() as peak:
        return rebuild_from(database, folder, PROCESSES) | {"peak_mb": peak()}


def grow(database: Database, count: int) -> None:
    """Let so many events come, and the read models take them in."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        filled(log, stripe_log("large, later", count))
        Follower(engine_of(database, log)).catch_up()


def _read(service: Service, database: Database) -> dict[str, float]:
    """The p95 of each of `PAGES`, in milliseconds, asked one after the other."""
    with database.connect("reader") as conn:
        row = conn.execute(MIDDLE).fetchone()
    assert row is not None, "there are payments in the second half"
    payment, middle = row
    found: dict[str, float] = {}
    for what, path in PAGES.items():
        url = path.format(payment=payment, middle=middle)
        asked = request("GET", url, b"", Authorization=f"Bearer {service.token}")
        load = fire(service.port, [asked] * REQUESTS, connections=1)
        assert set(load.answers) == {"200"}, (what, load.answers)
        found[what] = load.p95_ms
    return found


def _sizes(database: Database, schema: str) -> tuple[float, float]:
    """Megabytes of the tables of a schema, and of their indexes."""
    with database.connect("reader") as conn:
        row = conn.execute(SIZES, [schema]).fetchone()
    assert row is not None, "an aggregate has one row"
    return float(row[0]) / 1e6, float(row[1]) / 1e6
