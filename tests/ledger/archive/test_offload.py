"""What left the database for the archive is read as before; what is lost or forged is named."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import LiteralString

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.errors import InsufficientPrivilege

from benchmarks.books import balance_log
from benchmarks.cluster import bucket
from benchmarks.logs import filled, shop_log
from ledger import tokens
from ledger.archive import sealing, segments
from ledger.archive import states as states_module
from ledger.archive.offload import due, offload
from ledger.archive.sealing import Span
from ledger.archive.segments import Manifest
from ledger.archive.states import MOST_HANGING, OffloadedStates
from ledger.archive.store import Store
from ledger.domain.access import Role
from ledger.domain.events import Metadata, NewEvent, RecordedEvent
from ledger.errors import ArchiveDamaged, LogDamaged, StatesMissing, StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.database import Role as DatabaseRole
from ledger.waits import Limits
from tests.support.damage import superuser
from tests.support.servers import Server
from tests.support.waiting import wait_for

EVENTS, SIZE, GONE = 1_130, 500, 1_000
FUTURE = datetime(3000, 1, 1, tzinfo=UTC)


class World:
    """A log, its archive, and what the log was before anything left it."""

    def __init__(self, database: Database, address: str) -> None:
        self.store = Store(address)
        self.database = replace(database, archive=address)
        with Log.of(self.database) as log:
            self.before = log.read(limit=EVENTS)
        spans = sealing.missing([], EVENTS, SIZE)
        list(sealing.seal(self.database, self.store.address, spans))

    @property
    def sealed(self) -> list[Manifest]:
        return segments.manifests(self.store)

    def offload(self, before: datetime = FUTURE) -> list[str]:
        with self.database.connect("reader") as conn:
            todo = due(self.sealed, sealing.offloaded(conn), before)
        return [each.name for each in offload(self.database, self.store.address, todo)]

    def read(self, **more: int) -> list[RecordedEvent]:
        with Log.of(self.database) as log:
            return log.read(**more)

    def empty_states(self) -> int:
        with self.database.connect("reader") as conn:
            query = "select count(*) from ledger.stored_events where octet_length(state) = 0"
            row = conn.execute(query).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def filled_log(servers: Callable[[str], Server]) -> Iterator[tuple[Server, Database]]:
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("offloaded", EVENTS))
    yield server, database
    server.drop(database)


@pytest.fixture
def world(filled_log: tuple[Server, Database], tmp_path: Path) -> Iterator[World]:
    server, filled_database = filled_log
    database = server.clone(filled_database)
    yield World(database, str(tmp_path / "archive"))
    server.drop(database)


def test_every_way_of_reading_finds_what_left(world: World) -> None:
    assert world.offload() == ["000000000001-000000000500", "000000000501-000000001000"]
    assert world.empty_states() == GONE
    assert world.read(limit=EVENTS) == world.before
    assert world.read(after=498, limit=4) == world.before[498:502]
    streams = {event.stream for event in world.before}
    with Log.of(world.database) as log:
        assert log.at([1, 500, 501, 1_000, 1_001]) == [
            world.before[position - 1] for position in (1, 500, 501, 1_000, 1_001)
        ]
        for stream in sorted(streams)[:50]:
            assert log.stream(stream) == [each for each in world.before if each.stream == stream]
        last = {event.stream: event for event in world.before}
        assert log.latest(sorted(streams)) == last


def test_a_bucket_is_read_as_a_folder_is(world: World) -> None:
    with bucket() as address:
        elsewhere = World(world.database, address)
        assert len(elsewhere.offload()) == 2
        assert elsewhere.empty_states() == GONE
        assert elsewhere.read(limit=EVENTS) == world.before
        assert list(sealing.verify(elsewhere.database, address, elsewhere.sealed)) == []


def test_an_offload_that_is_cut_off_leaves_a_segment_wholly_or_not_at_all(world: World) -> None:
    end = """
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
    """
    admin = world.database.admin_conninfo
    with (
        ThreadPoolExecutor(1) as beside,
        psycopg.connect(admin) as holder,
        psycopg.connect(admin, autocommit=True) as killer,
    ):
        holder.execute("select from ledger.stored_events where notification_id = 700 for update")
        offloading = beside.submit(world.offload)
        wait_for(lambda: killer.execute(end).rowcount)
        with pytest.raises(StoreUnavailable):
            offloading.result()
    assert world.empty_states() == SIZE
    assert world.read(limit=EVENTS) == world.before
    assert world.offload() == ["000000000501-000000001000"]
    assert world.read(limit=EVENTS) == world.before


def test_an_offload_waits_for_a_vacuum_that_is_at_work(world: World) -> None:
    """One that had begun before, as against wraparound, ended it once the segment had left."""
    blocked = """
        select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query ilike 'vacuum%'
    """
    world.database = replace(world.database, limits=Limits(write=0.2))
    admin = world.database.admin_conninfo
    with (
        ThreadPoolExecutor(1) as beside,
        psycopg.connect(admin) as holder,
        psycopg.connect(admin, autocommit=True) as watch,
    ):
        holder.execute("lock table ledger.stored_events in share update exclusive mode")
        offloading = beside.submit(world.offload)
        wait_for(lambda: watch.execute(blocked).fetchone() == (1,) or offloading.done())
        time.sleep(0.4)
        assert not offloading.done()
        holder.rollback()
        assert len(offloading.result()) == 2
    assert world.empty_states() == GONE


def test_rooms_given_back_to_the_disk_change_nothing(world: World) -> None:
    world.offload()
    with Log.of(world.database) as log:
        assert log.read(limit=EVENTS) == world.before
        with world.database.connect("owner", autocommit=True) as conn:
            conn.execute("vacuum full ledger.stored_events")
        assert log.read(limit=EVENTS) == world.before


def test_tokens_stay(world: World) -> None:
    """Signing in does not need the archive."""
    with Log.of(world.database) as log:
        meta = Metadata(actor="admin", reason="test")
        tokens.issue(log, Role.AUDITOR, "Aldo", meta)
        head = log.head()
        filled(log, balance_log(SIZE))
    spans = sealing.missing(world.sealed, head + SIZE, SIZE)
    list(sealing.seal(world.database, world.store.address, spans))
    assert len(world.offload()) == 3
    with Log(world.database.conninfo("app")) as log:
        assert [line.name for line in tokens.listing(log)] == ["Aldo"]


def test_what_left_is_still_taken(world: World) -> None:
    """An event that came once is no new one, and a stream goes on from its last version."""
    world.offload()
    old = world.before[0]
    again = NewEvent(old.stream, old.version, old.event, old.effective_at, old.meta)
    with Log.of(world.database) as log:
        assert log.append_new([again]) == [None]
        assert log.version(old.stream) == max(
            each.version for each in world.before if each.stream == old.stream
        )


def test_only_what_is_old_leaves_and_only_once(world: World) -> None:
    middle = world.before[SIZE].recorded_at
    assert world.offload(world.before[0].recorded_at - timedelta(seconds=1)) == []
    assert world.offload(world.before[SIZE - 1].recorded_at + timedelta(microseconds=1)) in (
        ["000000000001-000000000500"],
        ["000000000001-000000000500", "000000000501-000000001000"],  # recorded at that time too
    )
    world.offload(middle + timedelta(days=1))
    assert world.offload() == []


def test_the_archive_is_compared_with_the_log_as_before(world: World) -> None:
    world.offload()
    assert list(sealing.verify(world.database, world.store.address, world.sealed)) == []


def test_what_was_changed_beside_a_state_that_left_is_named(world: World) -> None:
    world.offload()
    with superuser(world.database) as conn:
        conn.execute("update ledger.stored_events set topic = 'x' where notification_id = 7")
    (finding,) = sealing.verify(world.database, world.store.address, world.sealed)
    assert "position 7" in finding.what


def test_a_segment_that_is_not_what_the_log_says_does_not_leave(world: World) -> None:
    first = world.sealed[0]
    with superuser(world.database) as conn:
        conn.execute("update ledger.stored_events set topic = 'x' where notification_id = 7")
    with pytest.raises(ArchiveDamaged, match="position 7"):
        world.offload()
    assert world.empty_states() == 0
    with superuser(world.database) as conn:
        conn.execute(
            "update ledger.stored_events set topic = %s where notification_id = 7",
            [world.before[6].event.TOPIC],
        )
    file = world.store.get(f"{first.name}.parquet")
    assert file is not None
    world.store.put(f"{first.name}.parquet", file[:-1])
    with pytest.raises(ArchiveDamaged, match="is not what was sealed"):
        world.offload()
    assert world.empty_states() == 0


def test_without_the_archive_what_left_is_refused_and_the_rest_is_read(world: World) -> None:
    world.offload()
    with Log(world.database.conninfo("app")) as log:
        assert log.read(after=GONE, limit=EVENTS) == world.before[GONE:]
        with pytest.raises(StoreUnavailable, match="LEDGER_ARCHIVE"):
            log.at([1])


def test_what_the_archive_lost_or_forged_is_refused_and_never_taken_for_nothing(
    world: World,
) -> None:
    """An archive that was away made a rebuild of 6,000 empty events, and an order unknown."""
    world.offload()
    first, second = (f"{each.name}.parquet" for each in world.sealed)
    data = world.store.get(second)
    assert data is not None
    world.store.put(first, data)  # whole, and of other positions
    with Log.of(world.database) as log:
        with pytest.raises(StatesMissing, match="position 3 left the database"):
            log.at([3, 503])
        assert log.at([503])[0] == world.before[502]
    world.store.put(second, data[:-40] + bytes(40))
    with Log.of(world.database) as log, pytest.raises(StatesMissing, match="position 503"):
        log.at([503])
    away = Path(world.store.address).rename(Path(world.store.address).with_name("away"))
    with Log.of(world.database) as log:
        with pytest.raises(StatesMissing, match=r"2 events from position 3 .* bring back"):
            log.at([3, 4, 1_001])
        world.store.put(second, data)
        assert log.at([503])[0] == world.before[502], "once it is back, it is read"
    assert away.is_dir()


def test_a_changed_byte_costs_no_more_than_the_events_that_it_is_of(world: World) -> None:
    """Text that is no UTF-8, or a time beyond the year 9999, ended a proof with a traceback."""
    world.offload()
    name = f"{world.sealed[0].name}.parquet"
    file = Path(world.store.address, name)
    written = pq.read_table(file)
    stream = written.column("stream").to_pylist()
    streams = pa.array([b"\xff", *(text.encode() for text in stream[1:])]).view(pa.string())
    times = written.column("recorded_at").cast(pa.int64()).to_pylist()
    times = pa.array([*times[:-1], 2**62]).cast(written.schema.field("recorded_at").type)
    forged = written.set_column(1, written.schema.field("stream"), streams).set_column(
        4, written.schema.field("recorded_at"), times
    )
    pq.write_table(forged, file)
    leaves = {
        each.position: segments.as_stored(row).leaf_hash
        for each, row in zip(world.before, segments.rows_of(written), strict=False)
    }
    found = OffloadedStates(world.store.address).states(leaves)
    assert leaves.keys() - found.keys() == {1, SIZE}


def test_what_is_damaged_is_not_read_whole_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thousand events of a proof read all of a segment of which one page was damaged."""
    world.offload()
    name = f"{world.sealed[0].name}.parquet"
    data = world.store.get(name) or b""
    world.store.put(name, data[:-40] + bytes(40))
    whole, get = list[str](), Store.get
    monkeypatch.setattr(Store, "get", lambda store, name: whole.append(name) or get(store, name))
    states = OffloadedStates(world.store.address)
    leaf = {1: bytes(32)}
    assert [states.states(leaf) for _ in range(3)] == [{}, {}, {}]
    assert whole == [name]
    monkeypatch.setattr(states_module, "DAMAGED_SECONDS", 0)
    states = OffloadedStates(world.store.address)
    assert states.states(leaf) == {}
    world.store.put(name, data)
    with Log.of(world.database) as log:
        log._offloaded = states
        assert log.at([3])[0] == world.before[2], "once it is back, it is read"


def test_an_archive_that_does_not_answer_holds_neither_readers_nor_appends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket behind a silent address held each reader, and its connection, for 100 seconds."""
    world.offload()
    answers = Event()
    monkeypatch.setattr(Store, "names", lambda *_: answers.wait(60) and [])
    silent = replace(world.database, limits=Limits(write=2, read=0.2))
    old = world.before[0]
    again = NewEvent(old.stream, old.version, old.event, old.effective_at, old.meta)
    try:
        with Log.of(silent, connections=1) as log, ThreadPoolExecutor(1) as pool:
            reading = pool.submit(log.at, [1])
            assert log.append_new([again]) == [None], "the only connection is free meanwhile"
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                reading.result(10)
            for _ in range(MOST_HANGING - 1):
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    log.at([1])
            with pytest.raises(StoreUnavailable, match="does not answer"):
                log.at([1])
            answers.set()
            monkeypatch.undo()
            eventually = time.monotonic() + 10
            while time.monotonic() < eventually:
                with suppress(StoreUnavailable):
                    assert log.at([1]) == world.before[:1]
                    return
        pytest.fail("it is not read again once it answers")
    finally:
        answers.set()


def test_a_file_that_fits_its_manifest_and_is_no_segment_is_named(world: World) -> None:
    world.offload()
    first, garbage = world.sealed[0], b"PAR1 and then nothing of a table"
    forged = msgspec.structs.replace(
        first, size=len(garbage), sha256=hashlib.sha256(garbage).hexdigest()
    )
    world.store.put(f"{first.name}.parquet", garbage)
    world.store.put(f"{first.name}.json", msgspec.json.encode(forged))
    (finding,) = sealing.verify(world.database, world.store.address, world.sealed)
    assert "another root than its manifest" in finding.what
    with pytest.raises(ArchiveDamaged, match="cannot be read"):
        list(segments.events(garbage, forged, 1, 10))
    with Log.of(world.database) as log, pytest.raises(StatesMissing):
        log.at([3])


def test_what_a_killed_seal_left_hides_no_segment(world: World) -> None:
    """A file without a manifest, of another size of segments, lay in the middle of a segment."""
    world.offload()
    world.store.put("000000000101-000000000200.parquet", b"x")
    world.store.put("000000000451-000000000550.parquet", b"x")
    assert world.read(limit=EVENTS) == world.before


def test_settings_that_reach_no_archive_are_no_mistake_of_who_asks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pyarrow, a call was answered as an invalid request."""
    world.offload()
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    with Log.of(world.database) as log, pytest.raises(StoreUnavailable, match="pyarrow"):
        log.at([1])


@pytest.mark.parametrize("size", [SIZE, SIZE // 5])
def test_a_manifest_that_was_lost_is_made_again_from_the_only_copy(world: World, size: int) -> None:
    """`ledger archive status` said to remove the file, and to seal again was refused."""
    world.offload()
    before, name = world.sealed, world.sealed[0].name
    world.store.remove(f"{name}.json")
    with world.database.connect("reader") as conn:
        gone = sealing.offloaded(conn)
    ((file, what),) = sealing.strange(world.store, world.sealed, gone)
    assert (file, "keep it" in what, "remove" in what) == (f"{name}.parquet", True, False)
    todo = sealing.missing(world.sealed, EVENTS, size, gone)
    list(sealing.seal(world.database, world.store.address, todo[:1]))
    assert world.sealed == before
    assert sealing.strange(world.store, world.sealed, gone) == []
    assert list(sealing.verify(world.database, world.store.address, world.sealed)) == []


def test_a_span_that_left_is_not_sealed_again_as_nothing(world: World) -> None:
    """Its segment is the only copy: without it there is nothing to make another one from."""
    world.offload()
    name = world.sealed[0].name
    file, todo = Path(world.store.address, f"{name}.parquet"), [Span(1, SIZE)]
    world.store.remove(f"{name}.json")
    whole = file.read_bytes()
    for data in (whole[:200] + b"?" + whole[201:], None):
        file.unlink() if data is None else file.write_bytes(data)
        with pytest.raises(ArchiveDamaged, match=r"position \d+ .*from a copy of the archive"):
            list(sealing.seal(world.database, world.store.address, todo))
        assert world.store.get(file.name) == data
    assert f"{name}.json" not in world.store.names()


def test_a_state_that_was_lost_and_not_offloaded_is_damage_of_the_log(world: World) -> None:
    """No copy of the archive brings it back."""
    last = Span(EVENTS // SIZE * SIZE + 1, EVENTS)
    with superuser(world.database) as conn:
        conn.execute(
            "update ledger.stored_events set state = '' where notification_id = %s", [last.first]
        )
    with pytest.raises(LogDamaged, match=f"position {last.first:,} does not fit its hash"):
        list(sealing.seal(world.database, world.store.address, [last]))


def test_an_archive_without_a_segment_is_listed_once_for_all_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed for each event: a bucket took minutes, and the proof named none of them."""
    world.offload()
    world.store.remove(f"{world.sealed[0].name}.parquet")
    names, listed = Store.names, list[str]()

    def counted(store: Store, folder: str = "") -> list[str]:
        listed.append(folder)
        return names(store, folder)

    monkeypatch.setattr(Store, "names", counted)
    with pytest.raises(StatesMissing, match="from position"):
        world.read(limit=200)
    assert listed == [""]


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger.stored_events set state = '' where notification_id = 1",
        "update ledger.stored_events set state = 'x'",
        "update ledger.stored_events set state = '', topic = topic",
        "update ledger.offloaded set last_position = 5000",
        "delete from ledger.offloaded",
        "delete from ledger.stored_events",
    ],
)
@pytest.mark.parametrize("role", ["owner", "app", "projector"])
def test_nothing_else_may_be_changed(
    world: World, role: DatabaseRole, statement: LiteralString
) -> None:
    with (
        world.database.connect(role) as conn,
        pytest.raises(InsufficientPrivilege),
    ):
        conn.execute(statement)


def test_a_state_never_comes_back_another(world: World) -> None:
    world.offload()
    with world.database.connect("owner") as conn, pytest.raises(psycopg.Error, match="append-only"):
        conn.execute("update ledger.stored_events set state = 'x' where notification_id = 1")
