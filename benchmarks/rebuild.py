"""Rebuilding all read models, beside the library's own projections and beside mere reading."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Final, NamedTuple

from benchmarks.library import run_projection
from benchmarks.logs import filled, mean_state_bytes, shop_log, stripe_log
from benchmarks.measuring import RATE, Figure, Goal, Sample, alternate, timed
from benchmarks.processes import SECRET, in_child, watching_memory
from benchmarks.server import Server, settle
from ledger.domain.events import NewEvent
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.build import ProjectionContext, batches
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from projections.engine.verify import verify
from webhooks.recheck import Rechecker
from webhooks.translate.translator import Translator

STRIPE: Final = "rebuild of a log of Stripe's events"
SHOP: Final = "rebuild of a log with the shop's orders"
LIBRARY: Final = "the library's ProjectionRunner"
PROOF: Final = "proof of the read models of Stripe's events and of their log"
READING: Final = "reading and decoding in one process, the limit"


class Scale(NamedTuple):
    """How much is measured, in events of the log."""

    rounds: int
    events: int
    library_events: int


FULL = Scale(rounds=3, events=200_000, library_events=3_000)
QUICK = Scale(rounds=1, events=20_000, library_events=300)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Events a second of each, in turns, every time in a fresh process."""
    stripe, shop = server.database(), server.database()
    fill(stripe, stripe_log("rebuild", scale.events))
    fill(shop, shop_log("rebuild", scale.events))
    taken = alternate(
        scale.rounds,
        {
            STRIPE: lambda _: in_child(rebuild_all, stripe),
            PROOF: lambda _: in_child(prove_all, stripe),
            SHOP: lambda _: in_child(rebuild_all, shop),
            LIBRARY: lambda _: in_child(run_projection, stripe, scale.library_events),
            READING: lambda _: in_child(read_all, stripe),
        },
    )
    figure = partial(
        Figure,
        unit="/s",
        beside=taken.beside(LIBRARY, READING),
        goals=(Goal("≥", 30_000), Goal("≥", 20, against=LIBRARY)),
    )
    return [
        figure(what=f"{STRIPE}, {scale.events:,}", samples=taken.of(STRIPE)),
        figure(what=f"{SHOP}, {scale.events:,}", samples=taken.of(SHOP)),
        Figure(
            what=f"{PROOF}, {scale.events:,}",
            unit="/s",
            samples=taken.of(PROOF),
            beside=taken.beside(STRIPE),
            goals=(Goal("≥", 0.77, against=STRIPE),),
        ),
        Figure(what="size of one of Stripe's, mean", unit="B", samples=(mean_state_bytes(stripe),)),
        Figure(what="size in a log with orders, mean", unit="B", samples=(mean_state_bytes(shop),)),
    ]


def fill(database: Database, entries: Iterable[NewEvent]) -> int:
    """Put entries into a log, and let PostgreSQL tidy up; answers how many."""
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        count = filled(log, entries)
    settle(database)
    return count


def rebuild_all(database: Database) -> Sample:
    """Rebuild all read models; the peak is that of the largest process."""
    with _engine(database) as engine, watching_memory() as peak:
        head = engine.log.head()
        started = time.perf_counter()
        built, position = rebuild(engine)
        seconds = time.perf_counter() - started
        assert position == head
        assert built.by_name == engine.registry.by_name
        return {RATE: head / seconds, "peak_mb": peak()}


def prove_all(database: Database) -> Sample:
    """Prove what was rebuilt before, and check each event's hash and signature."""
    with _engine(database) as engine:
        started = time.perf_counter()
        assert verify(engine._replace(recheck=Rechecker([SECRET]))).holds
        return {RATE: engine.log.head() / (time.perf_counter() - started)}


def read_all(database: Database) -> Sample:
    """Read the log and make facts of it, and nothing else."""
    with _engine(database) as engine:

        def work() -> None:
            for events in batches(engine.log, 0, head):
                for recorded in events:
                    engine.reader(recorded)

        head = engine.log.head()
        return timed(head, work)


@contextmanager
def _engine(database: Database) -> Iterator[ProjectionContext]:
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        yield ProjectionContext(database, log, discover(), Translator("test", "order_id"))
