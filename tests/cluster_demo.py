"""`make demo-cluster`: an archive in a bucket, a rebuild by a cluster, and a worker that is killed.

Everything runs on this machine and is gone at the end: an S3 that is played, a Dask scheduler with
two workers, a log of 100,000 events.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import typer

from benchmarks.checks import engine_of
from benchmarks.cluster import Cluster, bucket, cluster
from benchmarks.logs import filled, stripe_log
from benchmarks.server import running
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.log import Log
from projections.engine.build import ProjectionContext
from projections.engine.digest import digests
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.tables import LIVE

EVENTS, SEGMENT = 100_000, 25_000


def main() -> None:
    """Play it; raises where the tables of the two rebuilds differ."""
    home = Path(tempfile.mkdtemp(prefix="ledger-demo-cluster-"))
    try:
        with running() as server, bucket() as address:
            database = server.database()
            with closing(Log(database.conninfo("app"))) as log:
                play(engine_of(database, log), address, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def play(engine: ProjectionContext, address: str, home: Path) -> None:
    """Fill a log, seal it, rebuild it twice."""
    began = time.monotonic()

    def say(text: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {text}")

    filled(engine.log, stripe_log("demo", EVENTS))
    say(f"a log of {EVENTS:,} events of Stripe's")
    rebuild(engine)
    expected = digests_of(engine)
    say(f"rebuilt from the database: {len(expected)} tables")
    sealed = list(sealing.seal(engine.database, address, sealing.missing([], EVENTS, SEGMENT)))
    size = sum(each.size for each in sealed)
    say(f"sealed into a bucket: {len(sealed)} segments, {size / 1e6:.1f} MB")
    with cluster(home) as dask:
        say(f"a scheduler and two workers are up at {dask.address}")
        Thread(target=kill_one, args=[dask, address, say], daemon=True).start()
        manifests = segments.manifests(Store(address))
        rebuild(engine, archive=FoldedArchive(address, manifests, dask.address))
    say("rebuilt by the cluster")
    if digests_of(engine) != expected:
        raise SystemExit("the tables differ")
    say(f"equal: the SHA-256 of all {len(expected)} tables")


def kill_one(dask: Cluster, address: str, say: Callable[[str], None]) -> None:
    """End the second worker with SIGKILL once a fold is there."""
    store = Store(address)
    while not any(each.name.startswith("folds/") for each in store.everything("folds")):
        time.sleep(0.1)
    dask.workers[1].kill()
    say("a worker was killed (SIGKILL)")


def digests_of(engine: ProjectionContext) -> dict[str, str]:
    """The digest of each table."""
    with engine.database.connect("reader") as conn:
        return digests(conn.cursor(), LIVE, engine.registry)


if __name__ == "__main__":
    main()
