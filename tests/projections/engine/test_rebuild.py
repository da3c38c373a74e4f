"""A rebuild: the same rows, no downtime, nothing missed while it runs."""

import time
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread

import psycopg
import pytest

from ledger.errors import ProjectionStopped, RebuildBlocked, RebuildRunning, UnknownProjection
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.leadership import REBUILD, take
from projections.engine import positions
from projections.engine import rebuild as rebuilding
from projections.engine.build import ProjectionContext
from projections.engine.digest import digests
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from projections.engine.tables import LIVE, PROOF, everything
from projections.engine.tables import REBUILD as SCRATCH
from projections.engine.verify import verify
from tests.projections.engine.test_follow import following, rows
from tests.projections.engine.toys import POISON, delivery
from webhooks.translate.translator import Translator


def live(engine: ProjectionContext) -> dict[str, str]:
    with engine.database.connect("reader") as conn, conn.cursor() as cursor:
        return digests(cursor, LIVE, engine.registry)


def test_a_rebuild_changes_nothing_that_is_right(engine: ProjectionContext):
    sizes = [0 if n == POISON else n for n in range(100)]
    engine.log.append([delivery(f"S{n % 7}", 1 + n // 7, size) for n, size in enumerate(sizes)])
    Follower(engine).catch_up()
    before = live(engine)
    chosen, position = rebuild(engine)
    assert (set(chosen.by_name), position) == (set(engine.registry.by_name), 100)
    assert live(engine) == before


def test_a_rebuild_mends_what_is_wrong(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, 5), delivery("B", 1, 5)])
    Follower(engine).catch_up()
    before = live(engine)
    with engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("update read_models.skus set largest = 6 where sku = 'B'")
        conn.execute("delete from read_models.sums")
    assert live(engine) != before
    rebuild(engine, ["deliveries"])
    assert live(engine) == before


def test_a_rebuild_of_one_takes_its_readers_with_it(engine: ProjectionContext):
    engine.log.append([delivery("A", 1)])
    Follower(engine).catch_up()
    assert set(rebuild(engine, ["deliveries"])[0].by_name) == {"deliveries", "shelves"}
    assert set(rebuild(engine, ["counter"])[0].by_name) == {"counter"}


def test_one_at_a_time(engine: ProjectionContext):
    with engine.database.connect("projector", autocommit=True) as conn:
        assert take(conn, REBUILD)
        with pytest.raises(RebuildRunning):
            rebuild(engine)
        with pytest.raises(RebuildRunning):
            verify(engine)


def test_an_unknown_name_is_said(engine: ProjectionContext):
    with pytest.raises(UnknownProjection, match="'nonsense'; there are"):
        rebuild(engine, ["nonsense"])


def test_what_cannot_be_made_from_the_log_is_told_in_a_sentence(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, POISON)])
    with pytest.raises(
        ProjectionStopped,
        match=r"deliveries cannot be made from this log: ValueError at toys\.py:\d+: .*"
        r"`ledger rebuild deliveries`\. Nothing changed\.",
    ):
        rebuild(engine)


def test_a_value_that_its_column_does_not_take_is_told_in_a_sentence(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, 2**63)])
    with pytest.raises(ProjectionStopped, match=r"deliveries cannot be made from this log: "):
        rebuild(engine)


@pytest.mark.parametrize("work", [rebuild, verify])
def test_what_fails_leaves_no_table_behind(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch, work: Callable[..., object]
):
    """What was made of them may be what filled the disk, and stayed until the next rebuild."""
    engine.log.append([delivery("A", 1), delivery("B", 1)])
    Follower(engine).catch_up()
    made: list[str] = []

    def fill_the_disk(*_: object) -> None:
        made.extend(scratch_tables(engine))
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(rebuilding, "finish", fill_the_disk)
    monkeypatch.setattr("projections.engine.verify._meet", fill_the_disk)
    with pytest.raises(psycopg.errors.DiskFull):
        work(engine)
    assert "arrivals" in made
    assert scratch_tables(engine) == []


def scratch_tables(engine: ProjectionContext) -> list[str]:
    with engine.database.connect("reader") as conn:
        return [name for schema in (SCRATCH, PROOF) for name in everything(conn.cursor(), schema)]


@pytest.mark.every_server
def test_rebuilds_under_load_lose_nothing_and_hide_nothing(engine: ProjectionContext):
    """While events arrive and are followed, readers always find the tables, at the end all rows."""
    done = Event()
    seen: list[int] = []

    def write() -> None:
        for n in range(1, 601):
            engine.log.append([delivery("A", n)])
        done.set()

    def read() -> None:
        with engine.database.connect("reader", autocommit=True) as conn:
            while not done.is_set():
                row = conn.execute("select count(*) from read_models.arrivals").fetchone()
                assert row is not None
                seen.append(row[0])

    threads = [Thread(target=write), Thread(target=read)]
    with following(engine):
        for thread in threads:
            thread.start()
        rebuilds = 0
        while not done.is_set():
            rebuild(engine)
            rebuilds += 1
        for thread in threads:
            thread.join()
    assert Follower(engine).catch_up() == 600
    assert rows(engine, "select units, lines from read_models.sums") == [(600, 600)]
    assert seen == sorted(seen), "what a reader saw never goes back"
    assert rebuilds > 0
    assert verify(engine).holds


def test_what_is_left_of_an_interrupted_rebuild_is_removed(engine: ProjectionContext):
    with engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("create table rebuild.leftover (a int)")
        conn.execute("create view rebuild.leftover_view as select a from rebuild.leftover")
    rebuild(engine)
    with engine.database.connect("projector") as conn, pytest.raises(psycopg.errors.UndefinedTable):
        conn.execute("select from rebuild.leftover")


def test_a_rebuild_waits_for_an_open_read_and_nobody_waits_for_the_rebuild(
    engine: ProjectionContext,
):
    """A dump or a slow download holds the old tables; other readers never queue behind the swap."""
    engine.log.append([delivery("A", n) for n in range(1, 21)])
    Follower(engine).catch_up()
    waited, ended = list[str](), Event()

    def read() -> None:
        with engine.database.connect("reader", autocommit=True) as conn:
            conn.execute("set lock_timeout = '2s'")
            while not ended.is_set():
                try:
                    conn.execute("select from read_models.sums, read_models.arrivals")
                except psycopg.errors.LockNotAvailable as error:
                    waited.append(str(error))

    builder, readers = Thread(target=rebuild, args=[engine]), [Thread(target=read) for _ in "abc"]
    with engine.database.connect("reader") as dump, engine.database.connect("reader") as watcher:
        dump.execute("set transaction isolation level repeatable read")
        dump.execute("select from read_models.arrivals")
        before = watcher.execute("select 'read_models.arrivals'::regclass::oid").fetchone()
        for thread in (builder, *readers):
            thread.start()
        queued = "select from pg_locks where not granted and mode = 'AccessExclusiveLock'"
        for _ in range(40):
            assert not watcher.execute(queued).rowcount, "it stands in no queue"
            builder.join(0.05)
        assert builder.is_alive()
        assert dump.execute("select count(*) from read_models.arrivals").fetchone() == (20,)
        dump.rollback()
        builder.join(60)
        assert not builder.is_alive()
        ended.set()
        for thread in readers:
            thread.join()
        watcher.rollback()
        found = watcher.execute("select 'read_models.arrivals'::regclass::oid").fetchone()
        assert found != before, "the new tables are in place"
    assert not waited


def test_a_rebuild_that_is_never_let_in_says_who_is_in_the_way(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    engine.log.append([delivery("A", n) for n in range(1, 21)])
    Follower(engine).catch_up()
    before = live(engine)
    monkeypatch.setattr(rebuilding, "SWAP_SECONDS", 0.3)
    with engine.database.connect("reader") as dump:
        dump.execute("set application_name = 'a long dump'")
        dump.execute("select from read_models.arrivals")
        pid = dump.info.backend_pid
        with pytest.raises(RebuildBlocked, match=rf"process {pid} \(a long dump\)"):
            rebuild(engine)
    assert live(engine) == before
    rebuild(engine)
    assert live(engine) == before


def test_a_snapshot_that_has_read_nothing_yet_keeps_the_tables_in_place(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """It would see the new tables, but of their rows only those that were there before it."""
    monkeypatch.setattr(rebuilding, "SWAP_SECONDS", 0.3)
    engine.log.append([delivery("A", n) for n in range(1, 21)])
    Follower(engine).catch_up()
    counted = "select count(*) as lines from arrivals"
    with closing(Reads(engine, connections=1)) as reads:
        with reads.snapshot() as cursor:
            with pytest.raises(RebuildBlocked, match="ledger reader"):
                rebuild(engine)
            with pytest.raises(RebuildBlocked):
                rebuild(engine, ["counter"])
            assert cursor.execute(counted).fetchall() == [{"lines": 20}]
        rebuild(engine)
        with reads.snapshot() as cursor:
            assert cursor.execute(counted).fetchall() == [{"lines": 20}]


def test_no_reader_waits_long_for_a_rebuild_of_all_read_models(database: Database):
    """Of all that there are, while they are read again and again: the swap itself is short."""
    with closing(Log(database.conninfo("app"))) as log:
        engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        longest, ended = [0.0], Event()

        def read() -> None:
            with closing(Reads(engine, connections=1)) as reads:
                while not ended.is_set():
                    began = time.monotonic()
                    with reads.snapshot() as cursor:
                        cursor.execute("select from orders, payments").fetchall()
                    longest.append(time.monotonic() - began)
                    time.sleep(0.002)

        reader = Thread(target=read)
        reader.start()
        for _ in range(3):
            rebuild(engine)
        ended.set()
        reader.join()
    assert len(longest) > 10
    assert max(longest) < 1, f"{max(longest) * 1000:.0f} ms"
