"""The archive: sealing, its size, rebuilds and proofs from it, beside those from the database."""

import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Final, NamedTuple

from benchmarks.checks import engine_of
from benchmarks.cluster import cluster
from benchmarks.logs import stripe_log
from benchmarks.measuring import RATE, Figure, Goal, Sample, alternate
from benchmarks.processes import in_child
from benchmarks.rebuild import fill
from benchmarks.server import Server, settle
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.engines import PROCESSES
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify

HERE: Final = "rebuild from the database"
FIRST: Final = "rebuild from the archive, nothing folded before"
AGAIN: Final = "rebuild from the archive, all folded before"
CLUSTER: Final = "rebuild from the archive by two Dask workers, nothing folded before"
PROOF: Final = "proof from the database"
BELIEVING: Final = "proof from the archive, all folded before"
SEALING: Final = "sealing"


class Scale(NamedTuple):
    """How much is measured, in events of the log and of a segment."""

    rounds: int
    events: int
    segment: int


FULL = Scale(rounds=3, events=1_000_000, segment=250_000)
QUICK = Scale(rounds=1, events=6_000, segment=3_000)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Events a second of each, in turns, every time in a fresh process."""
    database = server.database()
    fill(database, stripe_log("scale", scale.events))
    settle(database)
    with tempfile.TemporaryDirectory(prefix="ledger-archive-") as home:
        folder = f"{home}/archive"
        taken = alternate(
            scale.rounds, {SEALING: lambda _: in_child(seal_all, database, folder, scale)}
        )
        with cluster(Path(home)) as dask:
            rebuilt = alternate(
                scale.rounds,
                {
                    HERE: lambda _: in_child(rebuild_from, database, None, PROCESSES),
                    FIRST: lambda _: in_child(rebuild_anew, database, folder, PROCESSES),
                    AGAIN: lambda _: in_child(rebuild_from, database, folder, PROCESSES),
                    CLUSTER: lambda _: in_child(rebuild_anew, database, folder, dask.address),
                },
            )
        proven = alternate(
            scale.rounds,
            {
                PROOF: lambda _: in_child(prove_from, database, None),
                BELIEVING: lambda _: in_child(prove_from, database, folder),
            },
        )
        share = sum(each.size for each in segments.manifests(Store(folder))) / log_bytes(database)
    figure = partial(Figure, unit="/s", beside=rebuilt.beside(HERE))
    return [
        Figure(
            what=f"{SEALING} {scale.events:,} events",
            unit="/s",
            samples=taken.of(SEALING),
            goals=(Goal("≥", 100_000),),
        ),
        Figure(
            what="size of the segments, of the log in PostgreSQL",
            unit="×",
            samples=(share,),
            goals=(Goal("≤", 0.15),),
        ),
        Figure(what=f"{HERE}, {scale.events:,}", unit="/s", samples=rebuilt.of(HERE)),
        figure(what=FIRST, samples=rebuilt.of(FIRST), goals=(Goal("≥", 1 / 0.7, against=HERE),)),
        figure(what=AGAIN, samples=rebuilt.of(AGAIN)),
        Figure(
            what=CLUSTER,
            unit="/s",
            samples=rebuilt.of(CLUSTER),
            beside=rebuilt.beside(FIRST),
            goals=(Goal("≥", 1 / 1.25, against=FIRST),),
        ),
        Figure(what=PROOF, unit="/s", samples=proven.of(PROOF)),
        Figure(
            what=BELIEVING,
            unit="/s",
            samples=proven.of(BELIEVING),
            beside=proven.beside(PROOF),
            goals=(Goal("≥", 4, against=PROOF),),
        ),
    ]


def seal_all(database: Database, folder: str, scale: Scale) -> Sample:
    """Seal all of a log, whatever was sealed before."""
    rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    spans = sealing.missing([], scale.events, scale.segment)
    sealed = sum(each.events for each in sealing.seal(database, folder, spans))
    return {RATE: sealed / (time.perf_counter() - started)}


def rebuild_anew(database: Database, folder: str, on: str) -> Sample:
    """Rebuild from an archive of which nothing was folded."""
    for name in ("folds", "merged"):
        rmtree(Path(folder, name), ignore_errors=True)
    return rebuild_from(database, folder, on)


def archive_of(folder: str | None, on: str) -> FoldedArchive | None:
    """What is sealed in a folder; None for none."""
    return FoldedArchive(folder, segments.manifests(Store(folder)), on) if folder else None


def rebuild_from(database: Database, folder: str | None, on: str) -> Sample:
    """Rebuild from an archive, or from the database for none."""
    archive = archive_of(folder, on)
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        engine = engine_of(database, log)
        started = time.perf_counter()
        _, position = rebuild(engine, archive=archive)
    return {RATE: position / (time.perf_counter() - started)}


def prove_from(database: Database, folder: str | None) -> Sample:
    """Prove the read models from an archive, or from the database for none."""
    archive = archive_of(folder, PROCESSES)
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        engine = engine_of(database, log)
        started = time.perf_counter()
        proof = verify(engine, archive=archive)
        seconds = time.perf_counter() - started
    assert proof.holds, "what is measured holds"
    return {RATE: proof.position / seconds}


def log_bytes(database: Database) -> int:
    """What the log takes in PostgreSQL, with its indexes."""
    with database.connect("reader") as conn:
        row = conn.execute("select pg_total_relation_size('ledger.stored_events')").fetchone()
    assert row is not None, "a function answers a row"
    return row[0]
