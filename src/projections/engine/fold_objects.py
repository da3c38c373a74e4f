"""Folds of sealed events, kept beside the archive: made once, by any process, in any order.

    folds/<fingerprint>/<segment's sha256>/<first>-<last>   what a span of events comes to
    merged/<fingerprint>/<spans>/<part>                 a part of all mirrors, ready for COPY

A mirror's rows are cut into parts by their keys, so that parts merge apart from each other. The
lines of journals never merge: they lie in the first object as they are copied into their table,
with their leaves, by which a proof knows them without copying.

An object that is there and whole is done. So a repeated task, one that another worker took over
and one of a run that was killed are the same case: nothing, and a later rebuild folds only what is
new. `fingerprint` covers the code and settings that made it (`fingerprint_of`); where a worker's
differs from the driver's, it refuses.
"""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Final, NamedTuple, TypeVar
from zlib import crc32

import msgspec
from eventsourcing.persistence import JSONTranscoder

from ledger.archive import segments
from ledger.archive.segments import Manifest
from ledger.archive.store import Store, arrow
from ledger.errors import ArchiveDamaged, ArchiveUnavailable, ForeignWorker
from ledger.mapper import LedgerMapper
from ledger.workers import uncollected
from projections.engine.build import Reader, folded
from projections.engine.declare import Journal, Mirror
from projections.engine.digest import Leaf, can_be_known_before, leaves_of
from projections.engine.fold import Fold, storing
from projections.engine.packed import copied, values_of
from projections.engine.registry import Registry, bases, discover

T = TypeVar("T")

LAYOUT: Final = 2
"""Another one where what an object holds, or how, is changed."""
PARTS: Final = 64
"""Into how many parts rows are cut, where nothing else is said."""
LEVEL: Final = 3
"""How much an object is compressed."""
LEAVES: Final = "leaves-of-journals"
"""The section of a fold that has them."""
LOOKS: Final = 16
"""How many objects are looked for at once."""
TASK_EVENTS: Final = 50_000
"""An object's events: fewer cost more objects, more cost a worker's memory (375 MB for these)."""


Size = Annotated[int, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True):
    """Where something stands in an object, of which table, and its SHA-256; sizes in bytes."""

    name: str
    start: Size
    size: Size
    unpacked: Size
    sha256: str


class Head(msgspec.Struct, frozen=True):
    """What an object begins with, behind its own length and SHA-256."""

    layout: int
    events: int
    sections: tuple[Section, ...]


class Job(NamedTuple):
    """What every task of a rebuild knows: where the archive is, and what folds it.

    With `again` an object that is there is made once more, and compared with what was there.
    """

    address: str
    projections: tuple[str, ...]
    reader: Reader
    time_zone: str
    parts: int
    fingerprint: str
    again: bool = False


class FoldTask(NamedTuple):
    """Fold the events at positions `first` to `last` of a segment."""

    job: Job
    segment: Manifest
    first: int
    last: int

    @property
    def name(self) -> str:
        """The name of its object."""
        where = f"folds/{self.job.fingerprint}/{self.segment.sha256[:16]}"
        return f"{where}/{segments.name_of(self.first, self.last)}"


class MergeTask(NamedTuple):
    """Merge one part of these folds, which follow each other in the log."""

    job: Job
    folds: tuple[str, ...]
    part: int

    @property
    def name(self) -> str:
        """The name of its object."""
        of = sha256("\n".join(self.folds).encode()).hexdigest()[:16]
        return f"merged/{self.job.fingerprint}/{of}/part-{self.part:02d}"


class Done(NamedTuple):
    """An object that is there: how many events it stands for, and whether it was made just now.

    `differed` says that another one was there, which these events do not come to.
    """

    name: str
    events: int
    made: bool
    differed: bool = False


def job_of(
    address: str,
    registry: Registry,
    reader: Reader,
    time_zone: str,
    parts: int,
    *,
    again: bool = False,
) -> Job:
    """The job of folding an archive here."""
    fingerprint = fingerprint_of(registry, reader, time_zone, parts)
    return Job(address, tuple(registry.by_name), reader, time_zone, parts, fingerprint, again)


def fingerprint_of(registry: Registry, reader: Reader, time_zone: str, parts: int) -> str:
    """What decides what a fold comes to: all of our code that could, the reader, and the layout."""
    given = [f"{LAYOUT} {parts}", *registry.by_name, reader.fingerprint, time_zone, _code()]
    return sha256("\n".join(given).encode()).hexdigest()[:16]


@lru_cache
def _code() -> str:
    """A hash of every source file below which events become rows, and of what decodes them."""
    found = sha256(msgspec.__version__.encode())
    for package in ("ledger", "webhooks", "projections"):
        (folder,) = import_module(package).__path__
        for path in sorted(Path(folder).rglob("*.py")):
            found.update(path.relative_to(folder).as_posix().encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def fold_tasks(job: Job, sealed: Iterable[Manifest]) -> list[FoldTask]:
    """The tasks whose folds are all events of these segments, in the log's order."""
    return [
        FoldTask(job, each, start, min(start + TASK_EVENTS - 1, each.last))
        for each in sealed
        for start in range(each.first, each.last + 1, TASK_EVENTS)
    ]


def merge_tasks(job: Job, folds: Sequence[FoldTask]) -> list[MergeTask]:
    """The tasks that merge all folds, part by part."""
    names = tuple(task.name for task in folds)
    return [MergeTask(job, names, part) for part in range(job.parts)]


@uncollected()
def fold(task: FoldTask) -> Done:
    """Fold a span, unless that was done.

    Raises `ArchiveDamaged`, `ArchiveUnavailable`, `ProjectionFailed`.
    """
    store, registry = _ready(task.job)
    events = task.last - task.first + 1
    if not task.job.again and _is_there(store, task.name):
        return Done(task.name, events, made=False)
    with _here(store):
        data = segments.whole(store, task.segment)
    recorded = LedgerMapper(JSONTranscoder()).recorded
    rows = segments.events(data, task.segment, task.first, task.last)
    made = folded(map(recorded, rows), task.job.reader, Fold(registry))
    return _put(store, task, events, _sections_of(made, task.job.parts))


@uncollected()
def merge(task: MergeTask) -> Done:
    """Merge a part, unless that was done.

    Raises `ArchiveDamaged` where a fold is not whole, `ArchiveUnavailable`, `ProjectionFailed`.
    """
    store, registry = _ready(task.job)
    if not task.job.again and _is_there(store, task.name):
        return Done(task.name, 0, made=False)
    merged = Fold(registry)
    mirrors = [table for table in merged.rows if isinstance(table, Mirror)]
    with _here(store):
        for name in task.folds:
            for _, data in _sections(store, name, {f"part-{task.part}"}):
                try:
                    for number, its in _decoded(name, data, list[tuple[Size, list[list[Any]]]]):
                        merged.put((mirrors[number], tuple(row)) for row in its)
                except (IndexError, TypeError, ValueError):
                    raise _no_fold(name) from None
    return _put(store, task, 0, _merged_rows(merged))


def _merged_rows(merged: Fold) -> Iterator[tuple[str, bytes]]:
    for projection in merged.projections:
        for table in bases(projection):
            if rows := merged.rows[table]:
                with storing(projection.name):
                    values = values_of(table, [rows[key] for key in sorted(rows)])
                yield table.name, copied(table, values)


def _put(
    store: Store, task: FoldTask | MergeTask, events: int, contents: Iterable[tuple[str, bytes]]
) -> Done:
    before = _held(store, task.name) if task.job.again else None
    store.put(task.name, _object(events, contents))
    differed = before is not None and before != _held(store, task.name)
    return Done(task.name, events, made=True, differed=differed)


def _held(store: Store, name: str) -> dict[str, str] | None:
    """The SHA-256 of what each section holds, which another compressor leaves as it is.

    None where there is no whole object.
    """
    if not _is_there(store, name):
        return None
    try:
        return {name: sha256(data).hexdigest() for name, data in _sections(store, name)}
    except ArchiveDamaged:
        return {}


def tables(
    store: Store, name: str, bases: Mapping[str, Mirror | Journal]
) -> Iterator[tuple[Mirror | Journal, bytes]]:
    """What an object has for these, as COPY takes it: a fold for journals, a part for mirrors.

    Raises `ArchiveDamaged` where it is not whole.
    """
    for table, data in _sections(store, name, bases):
        yield bases[table], data


def leaves(store: Store, names: Sequence[str]) -> dict[str, list[Leaf]]:
    """The leaves that these folds have of journals, by the table, in the order of the folds.

    Raises `ArchiveDamaged` where one is not whole.
    """

    def of(name: str) -> dict[str, list[Leaf]]:
        data = b"".join(data for _, data in _sections(store, name, {LEAVES}))
        return _decoded(name, data, dict[str, list[Leaf]])

    found: dict[str, list[Leaf]] = {}
    with ThreadPoolExecutor(LOOKS) as pool:
        for its in pool.map(of, names):
            for table, leaves in its.items():
                found.setdefault(table, []).extend(leaves)
    return found


def are_whole(store: Store, names: Sequence[str]) -> dict[str, bool | None]:
    """Whether the objects of these names are whole; None where there is none."""
    with ThreadPoolExecutor(LOOKS) as pool:
        return dict(zip(names, pool.map(partial(_is_whole, store), names), strict=True))


def _decoded(name: str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:
        raise _no_fold(name) from None


def _no_fold(name: str) -> ArchiveDamaged:
    return ArchiveDamaged(f"The object {name} of the archive is no fold. {CURE}")


def _object(events: int, contents: Iterable[tuple[str, bytes]]) -> bytes:
    """An object: the length of its head, the head's SHA-256, the head, and the sections."""
    zstd = arrow().Codec("zstd", LEVEL)
    sections: list[Section] = []
    parts: list[bytes] = []
    start = 0
    for name, data in contents:
        stored = zstd.compress(data, asbytes=True)
        sections.append(Section(name, start, len(stored), len(data), sha256(stored).hexdigest()))
        parts.append(stored)
        start += len(stored)
    head = msgspec.json.encode(Head(LAYOUT, events, tuple(sections)))
    return b"".join([len(head).to_bytes(4), sha256(head).digest(), head, *parts])


_BEFORE: Final = 36
"""The bytes before an object's head."""
_MOST_HEADS: Final = 32_768
"""What is read at once of an object: few heads are longer."""


def _head(file: Any) -> tuple[Head, int] | None:
    """An open object's head, and where its sections begin; None where there is no whole object."""
    if file is None or file.size() < _BEFORE:
        return None
    begin = file.read_at(_MOST_HEADS, 0)
    start = _BEFORE + int.from_bytes(begin[:4])
    if start > file.size():
        return None
    text = begin[_BEFORE:start] if start <= len(begin) else file.read_at(start - _BEFORE, _BEFORE)
    if sha256(text).digest() != begin[4:_BEFORE]:
        return None
    try:
        head = msgspec.json.decode(text, type=Head)
    except msgspec.MsgspecError:
        return None
    end = start + sum(section.size for section in head.sections)
    return (head, start) if file.size() == end else None


def _is_there(store: Store, name: str) -> bool:
    return _is_whole(store, name) is True


def _is_whole(store: Store, name: str) -> bool | None:
    with store.opened(name) as file:
        return None if file is None else _head(file) is not None


def _sections(
    store: Store, name: str, wanted: Container[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """What an object's sections of these names hold, or all; raises `ArchiveDamaged`."""
    with store.opened(name) as file:
        if file is None:
            raise ArchiveDamaged(
                f"The object {name} is not there: `ledger task fold`, or a rebuild, makes it."
            )
        found = _head(file)
        if found is None:
            raise ArchiveDamaged(f"The object {name} of the archive is not whole. {CURE}")
        head, start = found
        for section in head.sections:
            if wanted is None or section.name in wanted:
                stored = file.read_at(section.size, start + section.start)
                if sha256(stored).hexdigest() != section.sha256:
                    raise ArchiveDamaged(f"The object {name} of the archive was changed. {CURE}")
                yield section.name, _unpacked(name, section, stored)


def _unpacked(name: str, section: Section, stored: bytes) -> bytes:
    try:
        return arrow().Codec("zstd").decompress(stored, section.unpacked, asbytes=True)
    except (OSError, ValueError, OverflowError, MemoryError, arrow().ArrowException):
        raise _no_fold(name) from None


CURE: Final = "Remove it, and the next rebuild makes it again from the segments."


def _ready(job: Job) -> tuple[Store, Registry]:
    """The store, and the projections as they are here; raises `ForeignWorker` for others."""
    registry = discover().only(job.projections)
    found = fingerprint_of(registry, job.reader, job.time_zone, job.parts)
    if found != job.fingerprint:
        raise ForeignWorker(
            f"This worker's projections have the fingerprint {found}, the rebuild's have"
            f" {job.fingerprint}: run the same version of Ledger with the same settings on both."
        )
    return Store(job.address), registry


@contextmanager
def _here(store: Store) -> Generator[None]:
    """Say of a machine that has nothing of the archive so, instead of what it lacks of it."""
    try:
        yield
    except ArchiveDamaged as error:
        if store.names():
            raise
        raise ArchiveUnavailable(
            f"There is nothing at {store.address} on the machine {gethostname()}: all that work"
            " for a rebuild must reach the archive at the same address; mount it, or use a bucket."
        ) from error


def _sections_of(fold: Fold, parts: int) -> Iterator[tuple[str, bytes]]:
    """A part of the mirrors at a time, then each journal, then the leaves of all of them."""
    mirrors = [table for table in fold.rows if isinstance(table, Mirror)]
    cuts: list[list[tuple[int, list[Any]]]] = [[] for _ in range(parts)]
    for mirror_number, table in enumerate(mirrors):
        cut: list[list[Any]] = [[] for _ in range(parts)]
        for key, row in fold.rows[table].items():
            cut[part_of(key, parts)].append(row)
        for part, its in zip(cuts, cut, strict=True):
            if its:
                part.append((mirror_number, its))
    for number, part in enumerate(cuts):
        if part:
            yield f"part-{number}", msgspec.msgpack.encode(part)
    leaves: dict[str, list[Leaf]] = {}
    for projection in fold.projections:
        for table in bases(projection):
            kept = fold.rows[table]
            if isinstance(table, Journal) and kept:
                with storing(projection.name):
                    found, lines = zip(*_leaves(table, kept.values()), strict=True)
                if can_be_known_before(table):
                    leaves[table.name] = [*found]
                yield table.name, b"".join(lines)
    yield LEAVES, msgspec.msgpack.encode(leaves)


def _leaves(table: Journal, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Leaf, bytes]]:
    """Leaf by leaf, with its lines as they are copied: packed, all of them take a hundred MB."""
    for leaf, values in leaves_of(table, rows):
        yield leaf, copied(table, values)


def part_of(key: Any, parts: int) -> int:
    """The part of so many in which the row of a key is, the same in every process."""
    return crc32(msgspec.msgpack.encode(key)) % parts
