"""A sealed segment is the log's span, event by event; whatever is done to either is named."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.logs import filled, shop_log, stripe_log
from ledger.archive import sealing, segments
from ledger.archive.sealing import Span
from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from ledger.domain.events import RecordedEvent
from ledger.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    InvalidRequest,
    LogDamaged,
    SegmentDamaged,
)
from ledger.log import Log
from ledger.postgres.database import Database
from tests.support.damage import superuser
from tests.support.servers import Server

EVENTS, SIZE = 1_130, 500


@pytest.fixture(scope="module")
def world(servers: Callable[[str], Server]) -> Iterator[Database]:
    """A shop's log, which tests only read."""
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("archive", EVENTS))
    yield database
    server.drop(database)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "archive"))


def sealed(database: Database, store: Store) -> list[Manifest]:
    found = sealing.missing(segments.manifests(store), EVENTS, SIZE)
    list(sealing.seal(database, store.address, found))
    return segments.manifests(store)


def found(database: Database, store: Store) -> list[tuple[str, str]]:
    """What a look at all of the archive names."""
    manifests = segments.manifests(store)
    named = [
        *sealing.gaps(manifests),
        *sealing.strange(store, manifests),
        *sealing.verify(database, store.address, manifests),
    ]
    return [(each.name, each.what) for each in named]


def read(log: Log, store: Store, manifests: list[Manifest]) -> list[RecordedEvent]:
    return [
        log.mapper.recorded(row)
        for manifest in manifests
        for row in segments.events(
            segments.whole(store, manifest), manifest, manifest.first, manifest.last
        )
    ]


@pytest.mark.processes
def test_what_is_sealed_is_what_the_log_reads(world: Database, store: Store):
    manifests = sealed(world, store)
    assert [(each.first, each.last) for each in manifests] == [(1, 500), (501, 1000)]
    with Log(world.conninfo("app")) as log:
        assert read(log, store, manifests) == log.read(0, limit=1_000)
    assert found(world, store) == []


def test_a_span_of_a_segment_is_read_alone(world: Database, store: Store):
    (manifest, _) = sealed(world, store)
    data = segments.whole(store, manifest)
    positions = [row[0] for row in segments.events(data, manifest, 120, 340)]
    assert positions == list(range(120, 341))


def test_only_what_is_missing_is_sealed_and_comes_out_the_same(world: Database, store: Store):
    first, second = sealed(world, store)
    written = store.get(f"{first.name}.parquet"), store.get(f"{first.name}.json")
    store.remove(f"{first.name}.json")
    assert found(world, store) == [
        (first.name, "It is missing: `ledger archive seal` makes it again."),
        (
            f"{first.name}.parquet",
            "It has no manifest, as a seal left it that did not end: seal again, or remove it.",
        ),
    ]
    assert sealing.missing(segments.manifests(store), EVENTS, SIZE) == [Span(1, 500)]
    assert sealed(world, store) == [first, second]
    assert (store.get(f"{first.name}.parquet"), store.get(f"{first.name}.json")) == written


def test_what_is_to_be_sealed_fills_gaps_and_ends_with_a_full_segment():
    def made(first: int, last: int) -> Manifest:
        return msgspec.convert(
            dict.fromkeys(Manifest.__struct_fields__, 0)
            | dict.fromkeys(("sha256", "root", "last_leaf"), "")
            | {"first": first, "last": last},
            Manifest,
        )

    assert sealing.missing([], 99, 100) == []
    assert sealing.missing([], 250, 100) == [Span(1, 100), Span(101, 200)]
    kept = [made(101, 150), made(401, 500)]
    assert sealing.missing(kept, 720, 100) == [
        Span(1, 100), Span(151, 250), Span(251, 350), Span(351, 400),
        Span(501, 600), Span(601, 700),
    ]  # fmt: skip


def damaged(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 2
    return {
        "a byte": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "cut": data[:-100],
        "empty": b"",
        "longer": data + b"\0",
    }


@pytest.mark.parametrize("how", ["a byte", "cut", "empty", "longer"])
def test_a_changed_file_is_named_and_never_read(world: Database, store: Store, how: str):
    first, _ = sealed(world, store)
    name = f"{first.name}.parquet"
    store.put(name, damaged(store.get(name) or b"")[how])
    said = f"The segment {name} is not what was sealed. {segments.cure(first.name)}"
    assert found(world, store) == [(first.name, said)]
    with pytest.raises(ArchiveDamaged, match="is not what was sealed"):
        segments.whole(store, first)


def test_a_file_that_is_gone_is_named(world: Database, store: Store):
    _, second = sealed(world, store)
    store.remove(f"{second.name}.parquet")
    assert [name for name, _ in found(world, store)] == [second.name]
    ((name, what),) = sealing.absent(store, segments.manifests(store))
    assert (name, what) == (second.name, f"Its file is missing. {segments.cure(second.name)}")


def test_a_file_of_another_length_is_named_without_being_read(world: Database, store: Store):
    """`ledger archive status` said that nothing was missing where another segment lay there."""
    first, second = sealed(world, store)
    data = store.get(f"{first.name}.parquet") or b""
    store.put(f"{first.name}.parquet", data[:-1])
    ((name, what),) = sealing.absent(store, [first, second])
    assert name == first.name
    assert what.startswith(f"Its file has {len(data) - 1:,} bytes, and {len(data):,} were sealed.")


def test_a_segment_of_another_log_is_named(
    world: Database, store: Store, tmp_path: Path, database: Database
):
    other = Store(str(tmp_path / "other"))
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("another", EVENTS))
    theirs = sealed(database, other)
    ours, _ = sealed(world, store)
    for kind in ("json", "parquet"):
        store.put(f"{ours.name}.{kind}", other.get(f"{ours.name}.{kind}") or b"")
    ((name, what),) = found(world, store)
    assert name == ours.name
    assert "of another log" in what
    with world.connect("reader") as conn:
        with pytest.raises(ArchiveDamaged, match="of another log"):
            sealing.check_of_this_log(conn, segments.manifests(store))
        assert sealing.is_of_this_log(conn, store, segments.manifests(store)), "one of two is"
        assert not sealing.is_of_this_log(conn, other, theirs)
    with database.connect("reader") as conn:
        sealing.check_of_this_log(conn, theirs)


def test_an_archive_is_this_logs_also_where_all_last_events_were_changed(
    store: Store, database: Database
):
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("last", 2 * SIZE))
    manifests = sealed(database, store)
    with superuser(database) as conn:
        conn.execute(
            "update ledger.stored_events set leaf_hash = decode(repeat('00', 32), 'hex')"
            " where notification_id in (500, 1000)"
        )
    with database.connect("reader") as conn:
        assert len(sealing.foreign(conn, manifests)) == 2
        assert sealing.is_of_this_log(conn, store, manifests)
    store.remove(f"{manifests[0].name}.parquet")
    with database.connect("reader") as conn, pytest.raises(ArchiveDamaged, match="is missing"):
        sealing.is_of_this_log(conn, store, manifests)


def test_events_that_were_changed_with_their_manifest_are_named(world: Database, store: Store):
    """Whoever can write to the archive can make both fit each other; not the log as well."""
    first, _ = sealed(world, store)
    table = pq.read_table(pa.BufferReader(segments.whole(store, first)))
    rows = list(segments.rows_of(table))
    rows[7] = (*rows[7][:5], rows[7][5] + b" ")
    remade = segments.seal(store, 1, SIZE, map(segments.as_stored, rows))
    assert remade.root != first.root
    ((name, what),) = found(world, store)
    assert name == first.name
    assert "The log is not what was sealed at position 8; the segment is whole." in what


def test_a_backup_that_ends_before_what_was_sealed_says_how_to_go_on(
    servers: Callable[[str], Server], store: Store
):
    """Nothing is sealed beside segments of a past that was lost, until they are moved."""
    server = servers("embedded")
    backup = server.create()
    with Log(backup.conninfo("app")) as log:
        filled(log, shop_log("backup", SIZE + 200))
    database, restored = server.clone(backup), server.clone(backup)
    for each, seed in ((database, "lost"), (restored, "since")):
        with Log(each.conninfo("app")) as log:
            filled(log, stripe_log(seed, SIZE))
    first, second = sealed(database, store)
    with restored.connect("reader") as conn:
        (other,) = sealing.foreign(conn, segments.manifests(store))
    assert other.name == second.name
    ((name, what),) = found(restored, store)
    assert name == second.name
    assert "at 300 positions from 701 to 1,000;" in what
    assert "move it and those after it to another place, and `ledger archive seal` goes on" in what
    for kind in ("json", "parquet"):
        store.remove(f"{second.name}.{kind}")
    again = sealed(restored, store)
    assert (again[0], again[1].name) == (first, second.name)
    assert found(restored, store) == []
    for each in (backup, database, restored):
        server.drop(each)


def test_a_log_that_was_changed_is_named_by_the_archive(store: Store, database: Database):
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("changed", 2 * SIZE))
    sealed(database, store)
    with superuser(database) as conn:
        conn.execute(
            "update ledger.stored_events set topic = 'stock.adjusted.v1',"
            " leaf_hash = ledger.leaf_hash(notification_id, originator_id, originator_version,"
            " 'stock.adjusted.v1', recorded_at, state) where notification_id = 700"
        )
    assert [name for name, _ in found(database, store)] == [segments.name_of(501, 1000)]
    with superuser(database) as conn:
        conn.execute("delete from ledger.stored_events where notification_id in (702, 704)")
    ((_, what),) = found(database, store)
    assert what.startswith("The log is not what was sealed at 3 positions from 700 to 704;")


def test_an_event_that_does_not_fit_its_hash_is_never_sealed(store: Store, database: Database):
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("damaged", 2 * SIZE))
    with superuser(database) as conn:
        conn.execute(
            "update ledger.stored_events set topic = 'x' where notification_id in (3, 700)"
        )
        conn.execute("delete from ledger.stored_events where notification_id = 5")
    with pytest.raises(LogDamaged, match=r"position 3 does not fit its hash"):
        list(sealing.seal(database, store.address, [Span(1, SIZE)]))
    with pytest.raises(LogDamaged, match=r"Position 5 has no event"):
        list(sealing.seal(database, store.address, [Span(4, SIZE)]))
    with pytest.raises(LogDamaged, match=r"position 700 does not fit its hash"):
        list(sealing.seal(database, store.address, [Span(501, 1000)]))
    assert store.names() == []


def test_an_event_that_was_changed_beside_its_hash_is_named(store: Store, database: Database):
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("beside", 2 * SIZE))
    sealed(database, store)
    with superuser(database) as conn:
        conn.execute("update ledger.stored_events set topic = 'x' where notification_id = 700")
    assert [name for name, _ in found(database, store)] == [segments.name_of(501, 1000)]


@pytest.mark.parametrize("root", [None, hashlib.sha256().hexdigest()])
@pytest.mark.parametrize("position", [0, 1_001])
def test_events_that_were_added_to_a_segment_are_named(
    world: Database, store: Store, position: int, root: str | None
):
    """With a manifest that fits, and the root that it had, or that of no events."""
    first, _ = sealed(world, store)
    rows = list(segments.events(segments.whole(store, first), first, 1, SIZE))
    table = pa.Table.from_pylist(
        [
            dict(zip(segments.schema().names, row, strict=True))
            for row in [*rows, (position, *rows[0][1:])]
        ],
        schema=segments.schema(),
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data = sink.getvalue().to_pybytes()
    store.put(f"{first.name}.parquet", data)
    forged = msgspec.structs.replace(
        first, size=len(data), sha256=hashlib.sha256(data).hexdigest(), root=root or first.root
    )
    store.put(f"{first.name}.json", msgspec.json.encode(forged))
    ((name, what),) = found(world, store)
    assert name == first.name
    assert "another root than its manifest" in what


def test_manifests_that_are_none_are_refused_with_the_cure(world: Database, store: Store):
    first, _ = sealed(world, store)
    name = f"{first.name}.json"
    good = store.get(name) or b""
    wrong = {
        b"{": "cannot be read",
        good.replace(b'"format": 1', b'"format": 2'): "has format 2",
        b'{"format": 2, "spans": []}': "use the version of Ledger that sealed it, or a newer one",
        good.replace(b'"last": 500', b'"last": 499'): "is of positions",
    }
    for data, said in wrong.items():
        store.put(name, data)
        with pytest.raises(ArchiveDamaged, match=said):
            segments.manifests(store)
    store.put(name, good)
    store.put("000000000400-000000000600.json", good.replace(b'"first": 1,', b'"first": 400,')
              .replace(b'"last": 500', b'"last": 600'))  # fmt: skip
    with pytest.raises(ArchiveDamaged, match="overlap"):
        segments.manifests(store)


def test_what_lies_there_beside_is_told(world: Database, store: Store):
    sealed(world, store)
    store.put("notes.txt", b"mine")
    assert found(world, store) == [("notes.txt", "It is none of the archive's: move it elsewhere.")]


def test_folders_that_are_not_the_archives_are_not_looked_into(world: Database, store: Store):
    """`lost+found`, which only root may list, kept `status` and `clean` from a disk's own root."""
    manifests = sealed(world, store)
    for name in ("lost+found/x", f"lost+found/x.{'a' * 32}.part", "folds/a/b"):
        store.put(name, b"1")
    assert [each.name for each in store.everything("folds")] == [
        *(f"{each.name}.{kind}" for each in manifests for kind in ("json", "parquet")),
        "folds/a/b",
    ]
    assert sealing.absent(store, manifests) == []


def test_a_file_that_was_written_again_in_other_groups_is_read_whole_or_not_at_all(
    world: Database, store: Store
):
    """Smaller groups of rows would have been folded in part, in silence."""
    manifest, _ = sealed(world, store)
    sink = pa.BufferOutputStream()
    table = pq.read_table(pa.BufferReader(segments.whole(store, manifest)))
    pq.write_table(table, sink, row_group_size=SIZE // 5)
    data = sink.getvalue().to_pybytes()
    assert len(segments.leaves(data, manifest)) == SIZE
    with pytest.raises(SegmentDamaged, match="cannot be read"):
        list(segments.events(data, manifest, 1, SIZE))


def test_a_file_of_other_columns_is_not_read(world: Database, store: Store):
    manifest, _ = sealed(world, store)
    sink = pa.BufferOutputStream()
    table = pq.read_table(pa.BufferReader(segments.whole(store, manifest)))
    pq.write_table(table.drop_columns("recorded_at"), sink)
    data = sink.getvalue().to_pybytes()
    assert segments.leaves(data, manifest) == []
    with pytest.raises(SegmentDamaged, match="cannot be read"):
        list(segments.events(data, manifest, 1, SIZE))


def test_a_folder_may_be_told_as_an_address_or_from_home(
    world: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    for address in (f"file://{tmp_path}/new/archive", "~/here", str(tmp_path / "plain")):
        store = Store(address)
        sealed(world, store)
        store.put("folds/a/b", b"1")
        assert Store(store.address).get("folds/a/b") == b"1"
        assert found(world, store) == []
    assert {path.name for path in tmp_path.iterdir()} == {"new", "here", "plain"}


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:hidden@bucket/ledger",
        "s3://AKIA:hid/hidden@bucket/ledger",
        "s3://bucket/ledger?endpoint_override=https://ada:hidden@store",
        "abfss://container@account.dfs.core.windows.net/ledger?client_secret=hidden",
        "abfss://container@account.dfs.core.windows.net/ledger?sv=2026&sig=hidden",
    ],
)
def test_an_address_with_a_secret_is_refused_without_it(address: str):
    with pytest.raises(InvalidRequest) as refused:
        Store(address)  # before anything is asked which region it is in
    assert "hidden" not in str(refused.value)
    assert "environment" in str(refused.value)


def test_the_name_of_a_container_is_no_secret():
    """The usual form of an address of Azure's was refused."""
    address = "abfss://container@account.dfs.core.windows.net/ledger"
    assert Store(address).address == address
    assert Store(f"{address}/")._path("x") == Store(address)._path("x")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3:/bucket/ledger", "s3:/bucket/ledger"),
        ("~unknown-user/ledger", "Write the whole path"),
    ],
)
def test_an_address_that_is_written_wrong_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
):
    """A slash too few sealed into a folder of that name; an unknown user was a traceback."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArchiveUnavailable, match=said):
        Store(address).put("x", b"1")
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_no_store_says_what_there_is():
    with pytest.raises(ArchiveUnavailable, match=r"ftp://a/b.* a folder, s3://…, gs://… or abfss"):
        Store("ftp://a/b")


def test_one_seal_at_a_time(world: Database):
    with (
        sealing.alone(world),
        pytest.raises(ArchiveUnavailable, match="Another `ledger archive seal`"),
        sealing.alone(world),
    ):
        pass


def test_a_place_that_cannot_be_written_says_so(world: Database, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    store = Store(str(tmp_path / "file"))
    with pytest.raises(ArchiveUnavailable, match=r"The archive at .*file"):
        list(sealing.seal(world, store.address, [Span(1, 2)]))
    with pytest.raises(ArchiveUnavailable, match="nowhere://"):
        Store("nowhere://bucket")
