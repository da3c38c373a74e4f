"""A rebuild on a cluster, and over an object store, is the rebuild from the log: S3 by moto."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from benchmarks.cluster import START_SECONDS, STARTS, Member, bucket, cluster
from ledger import waits
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.errors import EngineUnavailable, ForeignWorker, InvalidRequest, Stopped
from projections.engine import engines, fold_objects
from projections.engine.build import ProjectionContext
from projections.engine.cluster import kinds
from projections.engine.digest import digests
from projections.engine.fold import ProjectionFailed
from projections.engine.fold_objects import Done, FoldTask
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.tables import LIVE
from tests.support.rebuilt import rebuilt_shop
from tests.support.servers import Server

pytestmark = pytest.mark.filterwarnings(
    "ignore:subprocess .* is still running:ResourceWarning"  # Spark's Java ends with this process
)
EVENTS, SIZE = 3_100, 1_500
ROOT = Path(__file__).parents[3]


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


def kill_after_four(folds: Path, *members: Member) -> None:
    """End them with SIGKILL once four folds are there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and sum(1 for _ in folds.rglob("*-*")) < 4:
        time.sleep(0.02)
    for each in members:
        each.kill()


@pytest.fixture(params=STARTS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kind of cluster whose package is here: `make test-engines` has all of them."""
    found = kinds()[request.param]
    if find_spec(found.package) is None:
        pytest.skip(f"{found.package} is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 150)
    return request.param


def test_a_worker_is_killed_and_the_rebuild_is_the_same(
    engine: ProjectionContext, expected: dict[str, str], tmp_path: Path, kind: str
):
    with cluster(tmp_path, kind=kind) as there:
        archive = sealed(engine, str(tmp_path / "archive"), there.address)
        folds = Path(archive.address, "folds")
        killing = Thread(target=kill_after_four, args=[folds, there.workers[1]])
        killing.start()
        rebuild(engine, archive=archive)
        killing.join()
        assert there.workers[1].wait() == -signal.SIGKILL
    assert digests_of(engine) == expected


def test_a_cluster_that_dies_ends_the_rebuild_with_what_is_kept(
    engine: ProjectionContext,
    expected: dict[str, str],
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
):
    def kill(*members: Member) -> None:
        kill_after_four(folds, *members)
        monkeypatch.setattr("projections.engine.cluster.ALONE_SECONDS", 3)

    with cluster(tmp_path, workers=1, kind=kind) as there:
        archive = sealed(engine, str(tmp_path / "archive"), there.address)
        folds = Path(archive.address, "folds")
        lost = [there.head, *(there.workers if kind == "spark" else [])]
        killing = Thread(target=kill, args=lost)
        killing.start()
        with pytest.raises(EngineUnavailable, match=r"\d+ of 20 are done and kept; run it again"):
            rebuild(engine, archive=archive)
        killing.join()
    kept = {path: path.stat().st_mtime_ns for path in folds.rglob("*-*") if path.is_file()}
    assert len(kept) >= 4
    assert digests_of(engine) == expected, "nothing took the place of the live tables"
    rebuild(engine, archive=archive._replace(engine=engines.PROCESSES))
    assert digests_of(engine) == expected
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


@pytest.mark.parametrize("kind", ["spark"], indirect=True)
def test_sparks_workers_go_on_without_their_master(
    engine: ProjectionContext, expected: dict[str, str], tmp_path: Path, kind: str
):
    with cluster(tmp_path, kind=kind) as there:
        archive = sealed(engine, str(tmp_path / "archive"), there.address)
        folds = Path(archive.address, "folds")
        killing = Thread(target=kill_after_four, args=[folds, there.head])
        killing.start()
        rebuild(engine, archive=archive)
        killing.join()
    assert digests_of(engine) == expected


def fail(task: FoldTask) -> Done:
    raise ProjectionFailed("orders", "its handler raised")


def test_what_is_wrong_is_told_as_it_is(
    engine: ProjectionContext, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    """Not as an engine wraps it, and not after its retries; then the cluster does other tasks."""
    monkeypatch.setattr("projections.engine.cluster.ALONE_SECONDS", 60)
    archive = sealed(engine, str(tmp_path / "archive"), engines.PROCESSES)
    zone = engine.database.time_zone
    job = fold_objects.job_of(archive.address, engine.registry, engine.reader, zone, 4)
    tasks = fold_objects.fold_tasks(job, archive.sealed)[:3]
    strange = [task._replace(job=job._replace(fingerprint="another")) for task in tasks]
    with cluster(tmp_path, workers=1, kind=kind) as there, engines.opened(there.address) as run:
        with pytest.raises(ForeignWorker, match="have another: run the same version"):
            list(run(fold_objects.fold, strange))
        with pytest.raises(ProjectionFailed) as failed:
            list(run(fail, tasks))
        assert (failed.value.projection, failed.value.because) == ("orders", "its handler raised")
        assert {each.name for each in run(fold_objects.fold, tasks)} == {t.name for t in tasks}
        assert list(run(fold_objects.fold, [])) == []


def test_a_cluster_without_workers_is_waited_for_until_a_deadline(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("projections.engine.cluster.ALONE_SECONDS", 2)
    with cluster(tmp_path, workers=0, kind=kind) as there, engines.opened(there.address) as run:
        with pytest.raises(EngineUnavailable, match=r"no worker for 2 s\): 0 of 1 are done"):
            list(run(fail, [None]))
        stop = Event()
        with waits.until(stop), waits.telling(stop.set), pytest.raises(Stopped):
            list(run(fail, [None]))


@pytest.mark.parametrize("kind", ["dask"], indirect=True)
def test_a_scheduler_that_stands_still_is_given_up(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    """It was asked for its workers without a deadline, and a rebuild waited for ever."""
    monkeypatch.setattr("projections.engine.cluster.ALONE_SECONDS", 1)
    with cluster(tmp_path, workers=0, kind=kind) as there, engines.opened(there.address) as run:
        monkeypatch.setattr("projections.engine.cluster.CONNECT_SECONDS", 2)
        os.killpg(there.head.pid, signal.SIGSTOP)
        with pytest.raises(EngineUnavailable, match="0 of 1 are done and kept; run it again"):
            list(run(fail, [None]))


@pytest.mark.parametrize("kind", ["dask"], indirect=True)
def test_workers_that_stand_still_are_given_up(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    """They are there, so they would be waited for without an end."""
    monkeypatch.setattr("projections.engine.cluster.STILL_SECONDS", 1)
    with cluster(tmp_path, workers=1, kind=kind) as there, engines.opened(there.address) as run:
        os.killpg(there.workers[0].pid, signal.SIGSTOP)
        with pytest.raises(EngineUnavailable, match=r"done anything for 1 s\): 0 of 1 are done"):
            list(run(fail, [None]))


def test_where_nothing_listens_it_says_what_to_start(kind: str, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr("projections.engine.cluster.CONNECT_SECONDS", 1)
    nowhere = engines.opened(f"{kind}://127.0.0.1:{port}")
    with pytest.raises(EngineUnavailable, match="start one with"), nowhere:
        pass


@pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed")
def test_a_dask_scheduler_without_certificates_is_told_in_one_line():
    """Its client is what finds that out, and printed a traceback as it went."""
    asked = (
        "from projections.engine.engines import opened; opened('tls://127.0.0.1:{}').__enter__()"
    )
    with socket.create_server(("127.0.0.1", 0)) as listens:
        ran = subprocess.run(
            [sys.executable, "-c", asked.format(listens.getsockname()[1])],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "no certificates are set in DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT" in ran.stderr
    assert "Exception ignored" not in ran.stderr


@pytest.mark.parametrize("kind", STARTS)
def test_what_is_not_installed_says_what_to_install(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, kinds()[kind].package, None)
    here = engines.opened(f"{kind}://127.0.0.1:1")
    with pytest.raises(InvalidRequest, match=rf"install --force '\.\[{kind}\]'"), here:
        pass


def test_an_engine_that_is_none_says_what_is_one():
    for address in ("spark", "ray://x", "http://127.0.0.1:1", "dask://", "dask://x", "tls://x:y"):
        with pytest.raises(InvalidRequest, match=r"is no engine.*ray://host"):
            engines.check(address)


def test_every_kind_is_tried_here():
    """Each is an extra; none is imported before it is asked for."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = declared["project"]["optional-dependencies"]
    for kind in kinds().values():
        assert kind.extra in STARTS
        assert kind.extra in extras
        assert urlsplit(kind.example).scheme in kind.schemes
        engines.check(kind.example)
    loaded = "import sys, app.cli, projections.engine.engines as e; e.check('ray://x:1')"
    packages = sorted({kind.package for kind in kinds().values()})
    said = f"{loaded}; print([each for each in {packages} if each in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


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
