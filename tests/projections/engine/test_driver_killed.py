"""The process that drives a rebuild is killed: the next goes on, and nothing wrong is believed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.postgres.database import Database
from projections.engine import fold_leftovers, fold_objects
from projections.engine.build import ProjectionContext
from projections.engine.digest import digests
from projections.engine.folding import FoldedArchive
from projections.engine.rebuild import rebuild
from projections.engine.tables import LIVE
from projections.engine.verify import verify
from tests.support.rebuilt import rebuilt_shop
from tests.support.servers import Server
from tests.support.waiting import wait_for

EVENTS, SIZE, TASK, MADE = 1_200, 600, 100, 3
DRIVER = """
import sys, time
from pathlib import Path

from app.cli import app
from ledger.archive import store
from projections.engine import fold_objects

task_events, made, root, moment = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
put = store._put_file

def put_and_stand_still(target, data):
    if sum(not each.name.endswith(".part") for each in root.glob("folds/*/*/*")) >= made:
        if moment == "within":
            target.with_name(f"{target.name}.{'a' * 32}.part").write_bytes(data[: len(data) // 2])
        (root.parent / "stands-still").touch()
        time.sleep(600)
    put(target, data)

store._put_file = put_and_stand_still
fold_objects.TASK_EVENTS = task_events
if __name__ == "__main__":
    app(["rebuild"])
"""
"""`ledger rebuild`, whose workers stand still once some folds are made: before one, or in it."""

ADVISORY_LOCKS = """
select count(*) from pg_locks
where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())
"""


@pytest.fixture
def engine(servers: Callable[[str], Server]) -> Iterator[ProjectionContext]:
    with rebuilt_shop(servers, "killed", EVENTS) as engine:
        yield engine


def digests_of(engine: ProjectionContext) -> dict[str, str]:
    with engine.database.connect("reader") as conn:
        return digests(conn.cursor(), LIVE, engine.registry)


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether a process works; one that ended and that nobody has waited for does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def kill_the_driver(database: Database, folder: Path, moment: str) -> list[int]:
    """Run a rebuild until its workers stand still, and kill it; answers what worked for it."""
    script = folder / "driver.py"
    script.write_text(DRIVER)
    given = {
        "DATABASE_URL": database.admin_conninfo,
        "LEDGER_ARCHIVE": str(folder / "archive"),
        "LEDGER_MODE": "test",
        "LEDGER_ORDER_METADATA_KEY": "order_id",
    }
    words = [str(TASK), str(MADE), given["LEDGER_ARCHIVE"], moment]
    driver = subprocess.Popen([sys.executable, script, *words], env=os.environ | given, cwd=folder)
    try:
        wait_for(lambda: (folder / "stands-still").exists() or driver.poll() is not None, 120)
        assert driver.poll() is None, "it stands still, and has not ended"
        return workers_of(driver.pid)
    finally:
        driver.kill()
        driver.wait()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found by /proc")
@pytest.mark.parametrize("moment", ["between", "within"])
def test_the_next_run_goes_on_where_the_driver_was_killed(
    engine: ProjectionContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", TASK)
    store = Store(str(tmp_path / "archive"))
    for span in sealing.missing([], EVENTS, SIZE):
        sealing._seal(engine.database, store.address, span)
    archive = FoldedArchive(store.address, segments.manifests(store))
    expected = digests_of(engine)
    workers = kill_the_driver(engine.database, tmp_path, moment)
    assert workers
    wait_for(lambda: not any(map(is_running, workers)))
    with engine.database.connect("reader", autocommit=True) as conn:
        wait_for(lambda: conn.execute(ADVISORY_LOCKS).fetchone() == (0,))

    assert digests_of(engine) == expected, "nothing took the place of the live tables"
    folds = Path(store.address, "folds")
    kept = {path: path.stat().st_mtime_ns for path in folds.glob("*/*/*") if path.suffix == ""}
    assert len(kept) >= MADE
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected
    assert kept == {path: path.stat().st_mtime_ns for path in kept}, (
        "what was made is not made again"
    )
    whole = [path for path in folds.glob("*/*/*") if path.suffix == ""]
    assert len(whole) == EVENTS // TASK
    proof = verify(engine, archive=archive._replace(again=True))
    assert proof.holds, "no fold was another one than its events come to"
    used = [str(path.relative_to(store.address)) for path in Path(store.address).rglob("*-*")]
    later = datetime.now(UTC) + timedelta(days=1)
    left = [each.name for each in fold_leftovers.left_over(store, used, later)]
    assert bool(left) == (moment == "within")
    assert all(name.endswith(".part") for name in left)
