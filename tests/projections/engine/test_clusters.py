"""A rebuild on a cluster, and over an object store, is the rebuild from the log: S3 by moto."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.cluster import START_SECONDS, bucket, cluster
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.errors import EngineUnavailable, InvalidRequest
from projections.engine import engines, fold_objects
from projections.engine.build import ProjectionContext
from projections.engine.digest import digests
from projections.engine.fold_objects import Done, FoldTask
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.tables import LIVE
from tests.support.rebuilt import rebuilt_shop
from tests.support.servers import Server

EVENTS, SIZE = 3_100, 1_500


@pytest.fixture(scope="module")
def engine(servers: Callable[[str], Server]) -> Iterator[ProjectionContext]:
    with rebuilt_shop(servers, "clusters", EVENTS) as engine:
        yield engine


@pytest.fixture(scope="module")
def expected(engine: ProjectionContext) -> dict[str, str]:
    return digests_of(engine)


def digests_of(engine: ProjectionContext) -> dict[str, str]:
    with engine.database.connect("reader") as conn:
        return digests(conn.cursor(), LIVE, engine.registry)


def sealed(engine: ProjectionContext, address: str, on: str) -> FoldedArchive:
    spans = sealing.missing([], engine.log.head(), SIZE)
    for span in spans:
        sealing._seal(engine.database, address, span)
    return FoldedArchive(address, segments.manifests(Store(address)), on, parts=4)


def kill_after_four(folds: Path, process: subprocess.Popen[bytes]) -> None:
    """End a process with SIGKILL once four folds are there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and sum(1 for _ in folds.rglob("*-*")) < 4:
        time.sleep(0.02)
    process.kill()


def test_a_worker_is_killed_and_the_rebuild_is_the_same(
    engine: ProjectionContext,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 150)
    with cluster(tmp_path) as dask:
        archive = sealed(engine, str(tmp_path / "archive"), dask.address)
        folds = Path(archive.address, "folds")
        killing = Thread(target=kill_after_four, args=[folds, dask.workers[1]])
        killing.start()
        rebuild(engine, archive=archive)
        killing.join()
        assert dask.workers[1].wait() == -signal.SIGKILL
    assert digests_of(engine) == expected


def test_a_scheduler_that_dies_ends_the_rebuild_with_what_is_kept(
    engine: ProjectionContext,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 150)
    with cluster(tmp_path, workers=1) as dask:
        archive = sealed(engine, str(tmp_path / "archive"), dask.address)
        folds = Path(archive.address, "folds")
        killing = Thread(target=kill_after_four, args=[folds, dask.scheduler])
        killing.start()
        with pytest.raises(EngineUnavailable, match="done and kept; run it again"):
            rebuild(engine, archive=archive)
        killing.join()
    kept = {path: path.stat().st_mtime_ns for path in folds.rglob("*-*") if path.is_file()}
    assert len(kept) >= 4
    assert digests_of(engine) == expected, "nothing took the place of the live tables"
    rebuild(engine, archive=archive._replace(engine=engines.PROCESSES))
    assert digests_of(engine) == expected
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_an_engine_that_is_none_or_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch):
    for address in ("spark", "ray://x", "http://127.0.0.1:1", "dask://", "dask://x", "tls://x:y"):
        with pytest.raises(InvalidRequest, match="is no engine"), engines.opened(address):
            pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 1)
    nowhere = engines.opened(f"dask://127.0.0.1:{port}")
    with pytest.raises(EngineUnavailable, match="start one with"), nowhere:
        pass


def die_once(task: FoldTask) -> Done:
    """End this process as the system does that is out of memory, the first time."""
    mark = Path(task.job.address, "died")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return fold_objects.fold(task)


def die(task: FoldTask) -> Done:
    os.kill(os.getpid(), signal.SIGKILL)
    return Done(task.name, 0, made=False)


def test_a_process_that_is_killed_has_its_tasks_done_by_others(
    engine: ProjectionContext, tmp_path: Path
):
    archive = sealed(engine, str(tmp_path / "archive"), engines.PROCESSES)
    zone = engine.database.time_zone
    job = fold_objects.job_of(archive.address, engine.registry, engine.reader, zone, 4)
    tasks = fold_objects.fold_tasks(job, archive.sealed)
    with engines.opened(engines.PROCESSES) as run:
        done = list(run(die_once, tasks))
        assert {each.name for each in done} == {task.name for task in tasks}
        with pytest.raises(
            EngineUnavailable, match=r"2 of 2 tasks were left.*What is done is kept"
        ):
            list(run(die, tasks))


def test_an_archive_in_a_bucket_is_the_same(
    engine: ProjectionContext,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(engines, "opened", lambda _: nullcontext(map))
    with bucket() as address:
        is_the_same(engine, expected, address, tmp_path)


def is_the_same(
    engine: ProjectionContext, expected: dict[str, str], bucket: str, tmp_path: Path
) -> None:
    archive = sealed(engine, bucket, engines.PROCESSES)
    folder = sealed(engine, str(tmp_path / "archive"), engines.PROCESSES)
    assert archive.sealed == folder.sealed
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected
    rebuild(engine, archive=folder)
    there, here = Store(bucket), Store(folder.address)
    names = [
        path.relative_to(here.address) for path in Path(here.address).rglob("*") if path.is_file()
    ]
    assert len(names) > 6
    assert all(there.get(str(name)) == here.get(str(name)) for name in names)
    assert list(sealing.verify(engine.database, bucket, archive.sealed)) == []
    assert sealing.strange(there, archive.sealed) == []
