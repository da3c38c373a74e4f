"""A rebuild on a cluster, and over an object store, is the rebuild from the log: S3 by moto."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.logs import filled, shop_log
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.errors import EngineUnavailable, InvalidRequest
from ledger.log import Log
from projections.engine import engines, fold_objects, positions
from projections.engine.build import ProjectionContext
from projections.engine.digest import digests
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from projections.engine.tables import LIVE
from tests.support.servers import Server
from webhooks.translate.translator import Translator

EVENTS, SIZE = 3_100, 1_500
START_SECONDS = 60


@pytest.fixture(scope="module")
def engine(servers: Callable[[str], Server]) -> Iterator[ProjectionContext]:
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("clusters", EVENTS))
        engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, 0)
        rebuild(engine)
        yield engine
    server.drop(database)


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


@contextmanager
def running(*args: str) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def worker(scheduler: str, folder: Path) -> Generator[subprocess.Popen[bytes]]:
    options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    options += ["--local-directory", str(folder)]
    with running("distributed.cli.dask_worker", scheduler, *options) as process:
        yield process


@pytest.fixture
def scheduler() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One on a free port of this machine's own address, without its web page."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    options = f"--host 127.0.0.1 --port {port} --no-dashboard --no-show".split()
    with running("distributed.cli.dask_scheduler", *options) as process:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}", process


def test_a_worker_is_killed_and_the_rebuild_is_the_same(
    engine: ProjectionContext,
    expected: dict[str, str],
    scheduler: tuple[str, subprocess.Popen[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 150)
    address, _ = scheduler
    archive = sealed(engine, str(tmp_path / "archive"), f"dask://{address}")
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            rebuild(engine, archive=archive)
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 - told by the test
            ended.append(error)

    with (
        worker(f"tcp://{address}", tmp_path / "one"),
        worker(f"tcp://{address}", tmp_path / "two") as two,
    ):
        thread = Thread(target=run)
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        folds = Path(archive.address, "folds")
        while time.monotonic() < deadline and sum(1 for _ in folds.rglob("*-*")) < 4:
            time.sleep(0.02)
        os.kill(two.pid, signal.SIGKILL)
        thread.join(timeout=2 * START_SECONDS)
    assert ended == [None]
    assert digests_of(engine) == expected


def test_a_scheduler_that_dies_ends_the_rebuild_with_what_is_kept(
    engine: ProjectionContext,
    expected: dict[str, str],
    scheduler: tuple[str, subprocess.Popen[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 150)
    address, process = scheduler
    archive = sealed(engine, str(tmp_path / "archive"), f"dask://{address}")
    folds = Path(archive.address, "folds")

    def kill() -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and sum(1 for _ in folds.rglob("*-*")) < 4:
            time.sleep(0.02)
        process.kill()

    with worker(f"tcp://{address}", tmp_path / "one"):
        killing = Thread(target=kill)
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
    for address in ("spark", "ray://x", "http://127.0.0.1:1"):
        with pytest.raises(InvalidRequest, match="is no engine"), engines.opened(address):
            pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 1)
    nowhere = engines.opened(f"dask://127.0.0.1:{port}")
    with pytest.raises(EngineUnavailable, match="start one with"), nowhere:
        pass


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of an archive in a bucket of a server that plays S3."""
    from moto.server import ThreadedMotoServer

    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (keys | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
            patched.setenv(name, value)
        store = f"?endpoint_override=http://{host}:{port}&region=us-east-1"
        Store(f"s3://ledger{store}&allow_bucket_creation=true").make_folder()
        yield f"s3://ledger/archive{store}"
    server.stop()


def test_an_archive_in_a_bucket_is_the_same(
    engine: ProjectionContext,
    expected: dict[str, str],
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(engines, "opened", lambda _: nullcontext(map))
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
