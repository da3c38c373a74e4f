"""What is built from the archive is what is built from the log, wherever and whenever folded."""

import errno
import shutil
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ledger
from benchmarks.logs import filled, shop_log
from ledger.archive import sealing, segments
from ledger.archive import store as store_module
from ledger.archive.store import Store
from ledger.domain.events import Metadata, ProofFinished
from ledger.errors import ArchiveDamaged, ArchiveUnavailable, ForeignWorker
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import engines, fold_objects, folding, positions, tables
from projections.engine.background import BackgroundTasks
from projections.engine.build import ProjectionContext
from projections.engine.declare import Journal, Mirror, key, known, line
from projections.engine.digest import digest, digests, leaves, leaves_of
from projections.engine.fold import Fold, ProjectionFailed
from projections.engine.fold_objects import FoldTask, Job
from projections.engine.folding import Folded, FoldedArchive, Objects
from projections.engine.packed import END, HEAD, copied, values_of
from projections.engine.proofs import answer
from projections.engine.rebuild import rebuild
from projections.engine.registry import bases as registry_bases
from projections.engine.registry import discover
from projections.engine.tables import LIVE, PROOF
from projections.engine.verify import verify
from tests.projections.engine.toys import TOYS, arrivals, skus
from tests.support.servers import Server
from tests.support.waiting import wait_for
from webhooks.translate.translator import Translator

EVENTS, SIZE = 4_300, 2_000
FOLDS = 4
READER = Translator("test", "order_id")


@contextmanager
def opened(database: Database) -> Generator[ProjectionContext]:
    with Log(database.conninfo("app")) as log:
        yield ProjectionContext(database, log, discover(), READER)


@pytest.fixture(scope="module")
def world(servers: Callable[[str], Server]) -> Iterator[Database]:
    """A shop's log, and its read models by a rebuild from it."""
    server = servers("embedded")
    database = server.create()
    with opened(database) as engine:
        filled(engine.log, shop_log("folds", EVENTS))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, 0)
        rebuild(engine)
    yield database
    server.drop(database)


@pytest.fixture(scope="module")
def engine(servers: Callable[[str], Server], world: Database) -> Iterator[ProjectionContext]:
    """A copy to which no test appends."""
    server = servers("embedded")
    clone = server.clone(world)
    with opened(clone) as engine:
        yield engine
    server.drop(clone)


@pytest.fixture(scope="module")
def expected(engine: ProjectionContext) -> dict[str, str]:
    return digests_of(engine)


def digests_of(engine: ProjectionContext) -> dict[str, str]:
    with engine.database.connect("reader") as conn:
        return digests(conn.cursor(), LIVE, engine.registry)


@pytest.fixture
def archive(
    engine: ProjectionContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FoldedArchive:
    """Two sealed segments, each to be folded by two tasks."""
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 1_000)
    store = Store(str(tmp_path / "archive"))
    spans = sealing.missing([], engine.log.head(), SIZE)
    for span in spans:
        sealing._seal(engine.database, store.address, span)
    return FoldedArchive(store.address, segments.manifests(store), parts=4)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here: that they can run elsewhere is one test's."""
    monkeypatch.setattr(engines, "opened", lambda _: nullcontext(map))


def job_of(engine: ProjectionContext, archive: FoldedArchive) -> Job:
    zone = engine.database.time_zone
    return fold_objects.job_of(archive.address, engine.registry, engine.reader, zone, archive.parts)


def objects(archive: FoldedArchive) -> dict[str, bytes]:
    root = Path(archive.address)
    made = (path for path in sorted(root.rglob("*")) if path.is_file() and path.parent != root)
    return {str(path.relative_to(root)): path.read_bytes() for path in made}


def test_a_rebuild_from_the_archive_is_one_from_the_log(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    told: list[tuple[int, int]] = []
    rebuild(engine, progress=lambda *each: told.append(each), archive=archive)
    assert digests_of(engine) == expected
    assert told[-1] == (EVENTS, EVENTS)
    before = objects(archive)
    assert sum(name.startswith("folds/") for name in before) == FOLDS
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected
    assert objects(archive) == before


@pytest.mark.usefixtures("in_this_process")
def test_tasks_in_any_order_and_repeated_make_the_same_bytes(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    job = job_of(engine, archive)
    folds = fold_objects.fold_tasks(job, archive.sealed)
    for task in folds:
        assert fold_objects.fold(task).made
    merges = fold_objects.merge_tasks(job, folds)
    for merge in merges:
        assert fold_objects.merge(merge).made
    straight = objects(archive)
    store = Store(archive.address)
    for name in straight:
        store.remove(name)
    for task in [*reversed(folds), *folds]:
        fold_objects.fold(task)
    assert not fold_objects.fold(folds[0]).made, "what is there is done"
    for merge in reversed(merges):
        fold_objects.merge(merge)
    assert objects(archive) == straight
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected


@pytest.mark.usefixtures("in_this_process")
def test_a_run_that_was_cut_off_is_gone_on_with(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    folds = fold_objects.fold_tasks(job_of(engine, archive), archive.sealed)
    for task in folds[1:3]:
        fold_objects.fold(task)
    made = {task.name: Path(archive.address, task.name).stat().st_mtime_ns for task in folds[1:3]}
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected
    assert made == {name: Path(archive.address, name).stat().st_mtime_ns for name in made}


@pytest.mark.usefixtures("in_this_process")
def test_a_longer_archive_folds_only_what_is_new(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    rebuild(engine, archive=archive._replace(sealed=archive.sealed[:1]))
    assert digests_of(engine) == expected
    before = objects(archive)
    rebuild(engine, archive=archive)
    assert digests_of(engine) == expected
    after = objects(archive)
    assert {name: after[name] for name in before} == before
    assert sum(name.startswith("folds/") for name in after) == FOLDS


def torn(data: bytes) -> list[bytes]:
    return [b"", data[:20], data[:-1], data + b"\0", data[:40] + b"\0" + data[41:]]


@pytest.mark.usefixtures("in_this_process")
def test_an_object_that_is_not_whole_never_counts(
    engine: ProjectionContext, archive: FoldedArchive
):
    job = job_of(engine, archive)
    (task, *others) = fold_objects.fold_tasks(job, archive.sealed)
    fold_objects.fold(task)
    store = Store(archive.address)
    good = store.get(task.name) or b""
    for data in torn(good):
        store.put(task.name, data)
        assert fold_objects.fold(task).made, "it is made again"
        assert store.get(task.name) == good
    for other in others:
        fold_objects.fold(other)
    for data in (torn(good)[2], good[:-9] + b"\1" + good[-8:]):
        store.put(task.name, data)
        with pytest.raises(ArchiveDamaged, match=task.name):
            read_all(engine, store, job, [task, *others])
    store.put(task.name, fold_objects._object(400, [("part-0", b"\xc1")]))
    with pytest.raises(ArchiveDamaged, match="is no fold"):
        fold_objects.merge(fold_objects.merge_tasks(job, [task])[0])


def read_all(engine: ProjectionContext, store: Store, job: Job, folds: list[FoldTask]) -> None:
    bases = {t.name: t for p in engine.registry for t in registry_bases(p)}
    for merge in fold_objects.merge_tasks(job, folds):
        fold_objects.merge(merge)
    for each in folds:
        list(fold_objects.tables(store, each.name, bases))
    fold_objects.leaves(store, [each.name for each in folds])


@pytest.mark.usefixtures("in_this_process")
def test_a_rebuild_makes_what_is_not_whole_again(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    rebuild(engine, archive=archive)
    whole = objects(archive)
    for name in (min(whole), max(whole)):
        Path(archive.address, name).write_bytes(whole[name][:-5])
    rebuild(engine, archive=archive)
    assert objects(archive) == whole
    assert digests_of(engine) == expected


@pytest.mark.usefixtures("in_this_process")
def test_a_segment_that_was_changed_is_named_and_nothing_is_put_in_place(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    name = f"{archive.sealed[1].name}.parquet"
    store = Store(archive.address)
    data = store.get(name) or b""
    store.put(name, data[:5_000] + b"\0" + data[5_001:])
    with pytest.raises(ArchiveDamaged, match=name):
        rebuild(engine, archive=archive)
    assert digests_of(engine) == expected


@pytest.mark.usefixtures("in_this_process")
def test_a_proof_goes_on_without_folds_where_a_segment_was_changed(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    """It is no damage of the log; all of it is read in the database, and the answer says why."""
    store, name = Store(archive.address), f"{archive.sealed[1].name}.parquet"
    data = store.get(name) or b""
    store.put(name, data[:5_000] + b"\0" + data[5_001:])
    proof = verify(engine, archive=archive)
    assert proof.holds
    assert proof.tables == expected
    assert proof.folded is None
    assert name in proof.not_folded
    assert proof.log.sealed == archive.last, "manifests vouch for what the log says"


@pytest.mark.usefixtures("in_this_process")
def test_a_proof_compares_an_archive_that_is_read_only_and_folds_nothing_from_it(
    engine: ProjectionContext, archive: FoldedArchive, monkeypatch: pytest.MonkeyPatch
):
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(store_module, "_put_file", read_only)
    proof = verify(engine, archive=archive)
    assert proof.holds
    assert (proof.log.sealed, proof.log.not_compared) == (archive.last, ())
    assert "Read-only file system" in proof.not_folded
    assert answer("1" * 32, proof).not_folded == proof.not_folded, "on record, too"


@pytest.mark.usefixtures("in_this_process")
def test_a_proof_from_the_archive_says_which_folds_it_believed(
    engine: ProjectionContext, archive: FoldedArchive
):
    first, second = (verify(engine, archive=archive) for _ in range(2))
    made = FOLDS + archive.parts
    assert first.folded == Folded(last=EVENTS // SIZE * SIZE, objects=made, made=made)
    assert second.folded == Folded(last=EVENTS // SIZE * SIZE, objects=made, made=0)
    assert first.holds
    assert second.holds
    assert second.log.sealed == archive.last
    assert second.tables == digests_of(engine)


@pytest.mark.usefixtures("in_this_process")
def test_a_proof_that_holds_copies_no_lines_of_journals_and_makes_no_derived_rows_again(
    engine: ProjectionContext, archive: FoldedArchive, monkeypatch: pytest.MonkeyPatch
):
    copied = list[str]()
    copy = folding.copy

    def noting(at: ProjectionContext, schema: str, objects: Objects, its: Any) -> None:
        copied.extend(table.name for table in its)
        copy(at, schema, objects, its)

    monkeypatch.setattr(folding, "copy", noting)
    monkeypatch.setattr("projections.engine.verify.finish", None)
    proof = verify(engine, archive=archive)
    assert proof.holds
    assert proof.tables == digests_of(engine)
    mirrors = {t.name for t in engine.registry.tables.values() if isinstance(t, Mirror)}
    assert set(copied) == mirrors


TAMPERINGS = [
    ("update read_models.audit set reason = 'x' where position = 30", "audit"),
    ("delete from read_models.audit where position = 31", "audit"),
    ("delete from read_models.audit where position = 4200", "audit"),
    ("insert into read_models.audit (position, topic) values (0, 'x')", "audit"),
    ("insert into read_models.links values ('order', 'x', 5000)", "links"),
]
"""In a sealed span, in what came after it, and where no event is."""


@pytest.mark.usefixtures("in_this_process")
def test_wrong_lines_of_journals_are_named_though_their_folds_were_not_copied(
    servers: Callable[[str], Server],
    world: Database,
    archive: FoldedArchive,
    expected: dict[str, str],
):
    server = servers("embedded")
    clone = server.clone(world)
    with opened(clone) as engine:
        for tampering, table in TAMPERINGS:
            with clone.connect("projector") as conn, conn.cursor() as cursor:
                cursor.execute(tampering.encode())
                found = digest(cursor, LIVE, engine.registry.tables[table])
                assert found != expected[table], "each is seen by itself"
        proof = verify(engine, archive=archive)
    server.drop(clone)
    assert [(d.table, d.missing, d.extra, d.changed) for d in proof.differences] == [
        ("audit", 2, 1, 1),
        ("links", 0, 1, 0),
    ]
    assert proof.folded
    assert not proof.holds


@pytest.mark.usefixtures("in_this_process")
def test_folds_that_cut_leaves_are_copied_and_prove_the_same(
    engine: ProjectionContext, archive: FoldedArchive, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fold_objects, "TASK_EVENTS", 900)
    proof = verify(engine, archive=archive)
    assert proof.holds
    assert proof.folded
    assert proof.folded.last == archive.last
    assert proof.tables == digests_of(engine)


@pytest.mark.usefixtures("in_this_process")
def test_what_a_service_does_in_the_background_reads_the_archive_too(
    servers: Callable[[str], Server], world: Database, archive: FoldedArchive
):
    server = servers("embedded")
    clone = server.clone(world)
    with opened(clone) as engine:
        with closing(BackgroundTasks(engine, lambda: archive)) as tasks:
            rebuild_id, _ = tasks.rebuild([], Metadata(actor="ada"))
            wait_for(lambda: tasks.progress(rebuild_id) is None)
            assert len(objects(archive)) == FOLDS + archive.parts
            proof_id, _ = tasks.start(Metadata(actor="ada"))
            wait_for(lambda: tasks.progress(proof_id) is None)
        proof = engine.log.stream(f"proof/{proof_id}")[-1].event
    server.drop(clone)
    assert isinstance(proof, ProofFinished)
    assert proof.holds
    assert (proof.sealed, proof.believed_folds) == (archive.last, FOLDS + archive.parts)


@pytest.mark.usefixtures("in_this_process")
def test_a_proof_in_the_background_goes_on_without_an_archive_that_cannot_be_read(
    servers: Callable[[str], Server], world: Database
):
    def away() -> FoldedArchive:
        raise ArchiveUnavailable("The archive at s3://gone: no such bucket")

    server = servers("embedded")
    clone = server.clone(world)
    with opened(clone) as engine:
        with closing(BackgroundTasks(engine, away)) as tasks:
            proof_id, _ = tasks.start(Metadata(actor="ada"))
            wait_for(lambda: tasks.progress(proof_id) is None)
        proof = engine.log.stream(f"proof/{proof_id}")[-1].event
    server.drop(clone)
    assert isinstance(proof, ProofFinished)
    assert proof.holds
    assert proof.not_compared == ("The archive at s3://gone: no such bucket",)


@pytest.mark.usefixtures("in_this_process")
def test_every_segment_is_compared_on_both_sides_of_a_gap(
    engine: ProjectionContext, archive: FoldedArchive
):
    """By its own positions and root; a changed one is the archive's fault, and not the log's."""
    first, second = archive.sealed
    proof = verify(engine, archive=archive._replace(sealed=[], beyond=[second]))
    assert (proof.log.sealed, proof.log.beyond) == (0, ((second.first, second.last),))
    assert proof.holds
    forged = msgspec.structs.replace(first, root=second.root)
    proof = verify(engine, archive=archive._replace(sealed=[], beyond=[forged, second]))
    assert (proof.log.sealed, proof.log.beyond) == (0, ((second.first, second.last),))
    assert len(proof.log.not_compared) == 1
    assert proof.log.faults == ()


@pytest.mark.usefixtures("in_this_process")
def test_a_forged_fold_is_believed_until_a_proof_from_scratch_names_it(
    engine: ProjectionContext, archive: FoldedArchive
):
    """Who can write to the archive can forge a fold with all of its hashes; not what is sealed."""
    assert verify(engine, archive=archive).holds
    folds = fold_objects.fold_tasks(job_of(engine, archive), archive.sealed)
    store = Store(archive.address)
    forged = folds[-1]
    whole = store.get(forged.name)
    assert whole
    job = job_of(engine._replace(reader=Translator("live", "order_id")), archive)
    elsewhere = fold_objects.fold(forged._replace(job=job))
    assert store.get(elsewhere.name) != whole
    store.put(forged.name, store.get(elsewhere.name) or b"")
    believed = verify(engine, archive=archive)
    assert "audit" in {each.table for each in believed.differences}
    from_scratch = verify(engine, archive=archive._replace(again=True))
    assert from_scratch.differing_folds == (forged.name,)
    assert not from_scratch.differences
    assert not from_scratch.holds
    assert store.get(forged.name) == whole
    assert verify(engine, archive=archive._replace(again=True)).holds


@pytest.mark.usefixtures("in_this_process")
def test_a_fold_that_another_compressor_made_is_no_other_one(
    engine: ProjectionContext, archive: FoldedArchive, monkeypatch: pytest.MonkeyPatch
):
    job = job_of(engine, archive)
    (task, *_) = fold_objects.fold_tasks(job._replace(again=True), archive.sealed)
    with monkeypatch.context() as other:
        other.setattr(fold_objects, "LEVEL", 1)
        fold_objects.fold(task)
    before = objects(archive)
    assert not fold_objects.fold(task).differed
    assert objects(archive) != before


@pytest.mark.usefixtures("in_this_process")
def test_a_fold_that_is_no_rows_of_its_table_is_named(
    engine: ProjectionContext, archive: FoldedArchive
):
    """Whole, with all of its hashes; a proof does not pass it over by reading the database."""
    task, *_ = fold_objects.fold_tasks(job_of(engine, archive), archive.sealed)
    store = Store(archive.address)
    store.put(task.name, fold_objects._object(400, [("audit", b"\0\1\0\0\0\1?")]))
    for work, said in ((rebuild, "do not fit together"), (verify, "is no fold")):
        with pytest.raises(ArchiveDamaged, match=said):
            work(engine, archive=archive)


@pytest.mark.parametrize("quantity", [2**63, "many"])
def test_a_value_that_its_column_does_not_take_names_the_projection(quantity: Any):
    """It was a traceback, where folds are packed far from the database that would say so."""
    fold = Fold(TOYS)
    fold.rows[arrivals][1,] = [1, "A", quantity]
    fold.rows[skus]["A",] = ["A", 1, quantity, quantity]
    with pytest.raises(ProjectionFailed, match="deliveries: "):
        list(fold_objects._sections_of(fold, 1))
    with pytest.raises(ProjectionFailed, match="deliveries: "):
        list(fold_objects._merged_rows(fold))


@pytest.mark.usefixtures("in_this_process")
def test_a_machine_without_the_archive_says_so_and_names_no_segment_to_remove(
    engine: ProjectionContext, archive: FoldedArchive, tmp_path: Path
):
    """A folder that a worker had not mounted was told as a segment to be sealed again."""
    job = job_of(engine, archive)._replace(address=str(tmp_path / "not mounted"))
    folds = fold_objects.fold_tasks(job, archive.sealed)
    merge, *_ = fold_objects.merge_tasks(job, folds)
    for work in (lambda: fold_objects.fold(folds[0]), lambda: fold_objects.merge(merge)):
        with pytest.raises(ArchiveUnavailable, match=r"not mounted on the machine .*same address"):
            work()
    assert not (tmp_path / "not mounted").exists()


def a_head(text: bytes) -> bytes:
    return len(text).to_bytes(4) + sha256(text).digest() + text


def one_section(**given: int) -> bytes:
    stored = b"not compressed"
    section = {"name": "part-0", "start": 0, "size": len(stored), "unpacked": 9, **given}
    section["sha256"] = sha256(stored).hexdigest()
    head = {"layout": fold_objects.LAYOUT, "events": 9, "sections": [section]}
    return a_head(msgspec.json.encode(head)) + stored


def an_object(rows: list[tuple[int, list[list[str]]]]) -> bytes:
    return fold_objects._object(9, [(f"part-{n}", msgspec.msgpack.encode(rows)) for n in range(4)])


NOT_WHOLE = {
    "a head that is no document": a_head(b"{"),
    "a head of another layout": a_head(b'{"layout": 3}'),
    "a head longer than all of it": b"\xff" + a_head(b"{}")[1:],
    "a section of a negative size": one_section(start=20, size=-6),
}
NO_FOLD = {
    "rows of a table that is none": an_object([(99, [["x"]])]),
    "rows of a table before the first": an_object([(-1, [["x"]])]),
    "a section that is not compressed": one_section(),
    "a section larger than the memory": one_section(unpacked=2**62),
}
"""With hashes that fit."""


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("what", [*NOT_WHOLE, *NO_FOLD])
def test_a_forged_object_is_told_in_words_and_made_again_from_scratch(
    engine: ProjectionContext, archive: FoldedArchive, what: str
):
    """Some were a traceback, some an archive that cannot be reached, from scratch as well."""
    job = job_of(engine, archive)
    (task, *_) = fold_objects.fold_tasks(job, archive.sealed)
    fold_objects.fold(task)
    store = Store(archive.address)
    good = store.get(task.name)
    store.put(task.name, (NOT_WHOLE | NO_FOLD)[what])
    if what in NO_FOLD:
        with pytest.raises(ArchiveDamaged, match="is no fold"):
            fold_objects.merge(fold_objects.merge_tasks(job, [task])[0])
        assert fold_objects.fold(task._replace(job=job._replace(again=True))).differed
    else:
        assert fold_objects.fold(task).made, "it is made again in any case"
    assert store.get(task.name) == good


@pytest.mark.usefixtures("in_this_process")
def test_folds_that_do_not_fit_together_are_named(
    engine: ProjectionContext, archive: FoldedArchive, expected: dict[str, str]
):
    first, second, *_ = fold_objects.fold_tasks(job_of(engine, archive), archive.sealed)
    fold_objects.fold(first)
    store = Store(archive.address)
    store.put(second.name, store.get(first.name) or b"")
    for work in (rebuild, verify):
        with pytest.raises(ArchiveDamaged, match="do not fit together"):
            work(engine, archive=archive)
    assert digests_of(engine) == expected


def test_a_worker_of_another_version_refuses(engine: ProjectionContext, archive: FoldedArchive):
    job = job_of(engine, archive)
    for other in (
        job._replace(fingerprint="0" * 16),
        job._replace(reader=Translator("live", "order_id")),
        job._replace(projections=job.projections[:-1]),
    ):
        (task, *_) = fold_objects.fold_tasks(other, archive.sealed)
        with pytest.raises(ForeignWorker, match="same version of Ledger"):
            fold_objects.fold(task)


def test_folds_of_one_segment_are_never_taken_for_another_of_the_same_positions(
    engine: ProjectionContext, archive: FoldedArchive
):
    job = job_of(engine, archive)
    (manifest, _) = archive.sealed
    other = msgspec.structs.replace(manifest, sha256="0" * 64)
    assert FoldTask(job, manifest, 1, 400).name != FoldTask(job, other, 1, 400).name


def test_a_fold_is_of_all_code_that_could_have_made_it(
    engine: ProjectionContext,
    archive: FoldedArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Also of what no projection's version covers: currencies, the mapper, merging."""
    before = job_of(engine, archive).fingerprint
    copied = tmp_path / "ledger"
    shutil.copytree(Path(ledger.__file__).parent, copied)
    monkeypatch.setattr(ledger, "__path__", [str(copied)])
    fold_objects._code.cache_clear()
    assert job_of(engine, archive).fingerprint == before
    with (copied / "domain" / "money.py").open("a") as file:
        file.write("# changed\n")
    fold_objects._code.cache_clear()
    assert job_of(engine, archive).fingerprint != before
    fold_objects._code.cache_clear()


def test_equal_keys_are_in_one_part_whatever_zone_their_times_are_written_in():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    other = noon.astimezone(timezone(timedelta(hours=5)))
    assert fold_objects.part_of(("a", noon), 64) == fold_objects.part_of(("a", other), 64)
    parts = {fold_objects.part_of((f"pi_{number}",), 64) for number in range(2_000)}
    assert parts == set(range(64))


EVERY = Mirror(
    "every_type",
    a=key(),
    b=key("timestamptz"),
    c=known("bigint"),
    e=known("boolean"),
    f=known("text"),
    g=known("jsonb"),
)
ROWS: list[list[Any]] = [
    ["é\t\\N", datetime(1999, 12, 31, 23, 59, 59, 1, UTC), -(2**63), True, "", "{}"],
    ["", datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1, False, "\U0001f600", "[null, 1]"],
    ["b", datetime(2026, 3, 1, 17, tzinfo=timezone(timedelta(hours=5))), *[None] * 4],
]


def test_packed_rows_are_what_copy_takes(database: Database):
    with database.connect("projector", autocommit=True) as conn, conn.cursor() as cursor:
        tables.use(cursor, PROOF)
        tables.create(cursor, [EVERY])
        with cursor.copy("copy every_type from stdin (format binary)") as copy:
            copy.write(HEAD + copied(EVERY, values_of(EVERY, ROWS)) + END)
        found = cursor.execute("select a, b, c, e, f, g::text from every_type").fetchall()
    assert sorted(map(list, found)) == sorted(ROWS)


@pytest.mark.parametrize(
    ("column", "value"), [(0, "a\0b"), (2, 2**63), (2, "3"), (4, 4), (1, "2026-03-01")]
)
def test_a_value_that_no_column_takes_is_refused_before_it_is_stored(column: int, value: object):
    wrong = [*ROWS[0][:column], value, *ROWS[0][column + 1 :]]
    with pytest.raises((ValueError, TypeError, AttributeError, struct.error)):
        values_of(EVERY, [wrong])


EVERY_LINE = Journal(
    "every_line",
    a=key(),
    b=key("bigint"),
    c=line("timestamptz"),
    e=line("boolean"),
    f=line("text"),
)
WHEN = [None, datetime(1999, 12, 31, 23, 59, 59, 1, UTC), datetime(9999, 1, 1, tzinfo=UTC)]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(1, 4_000) | st.sampled_from([999, 1_000, 1_001]),
            st.sampled_from(WHEN),
            st.none() | st.booleans(),
            st.none() | st.sampled_from(["", "é\t\\N", "\U0001f600", "\uffff"]),
        ),
        max_size=40,
        unique_by=lambda row: row[:3],
    )
)
def test_leaves_are_those_that_postgresql_makes(
    engine: ProjectionContext, rows: list[tuple[Any, ...]]
):
    with engine.database.connect("projector", autocommit=True) as conn, conn.cursor() as cursor:
        tables.clear(cursor, PROOF)
        tables.use(cursor, PROOF)
        tables.create(cursor, [EVERY_LINE])
        made = [*leaves_of(EVERY_LINE, rows)]
        with cursor.copy("copy every_line from stdin (format binary)") as copy:
            copy.write(HEAD + b"".join(copied(EVERY_LINE, lines) for _, lines in made) + END)
        assert leaves(cursor, PROOF, EVERY_LINE) == [leaf for leaf, _ in made]
        tables.clear(cursor, PROOF)
