"""What is sealed, what is not yet, and whether what is sealed is still what the log says."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple

from psycopg import Connection, Cursor, ServerCursor

from ledger.archive import segments
from ledger.archive.segments import Manifest
from ledger.archive.states import OffloadedStates
from ledger.archive.store import Store
from ledger.domain import merkle
from ledger.errors import ArchiveDamaged, ArchiveUnavailable
from ledger.leaves import SELECT, StoredRow, leaf_hash
from ledger.postgres.database import UNLIMITED, Database
from ledger.postgres.leadership import SEAL, take
from ledger.workers import spread, uncollected

FETCH: Final = 2_000

ROWS: Final = SELECT + "where notification_id between %s and %s order by notification_id"
OFFLOADED: Final = """
select first_position, last_position from ledger.offloaded order by first_position
"""
LAST_LEAVES: Final = """
select notification_id, encode(leaf_hash, 'hex')
from ledger.stored_events
where notification_id = any(%s)
"""
LEAVES: Final = """
select notification_id, leaf_hash from ledger.stored_events where notification_id between %s and %s
"""


class Span(NamedTuple):
    """Positions `first` to `last`, both included."""

    first: int
    last: int


class Finding(NamedTuple):
    """What is wrong with an object of the archive, by its name."""

    name: str
    what: str


def missing(
    sealed: Sequence[Manifest], head: int, size: int, gone: Sequence[Span] = ()
) -> list[Span]:
    """The spans of at most `size` events that are to be sealed.

    Those are gaps between segments, and what follows the last one, as far as it fills a segment.
    What is `gone` from the log is sealed again as it was: its file is read for that.
    """
    there = [Span(each.first, each.last) for each in sealed]
    lost = [each for each in gone if not _has(there, each.first)]
    found: list[Span] = []
    after = 0
    for span in sorted([*there, *lost]):
        found += _cut(after, span.first - 1, size)
        found += [span] if span in lost else []
        after = span.last
    return found + _cut(after, after + (head - after) // size * size, size)


def _cut(after: int, upto: int, size: int) -> list[Span]:
    return [Span(start + 1, min(start + size, upto)) for start in range(after, upto, size)]


def seal(database: Database, address: str, spans: Sequence[Span]) -> Iterator[Manifest]:
    """Seal these spans of the log, on all cores; yields each segment that is done.

    Whatever ends it, a segment that has a manifest is whole, and the others are sealed by the next
    call. States that left the database are read from the files that lie there. Raises `LogDamaged`,
    `ArchiveDamaged`, `ArchiveUnavailable`, `EngineUnavailable`, `StoreUnavailable`.
    """
    yield from spread(_seal, [(database, address, each) for each in spans])


@uncollected()
def _seal(database: Database, address: str, span: Span) -> Manifest:
    with closing(_connected(database)) as conn, conn.cursor("log", binary=True) as cursor:
        cursor.execute(ROWS, span)
        rows = _whole(filled(cursor, conn.cursor(binary=True), address), offloaded(conn))
        return segments.seal(Store(address), *span, rows)


def filled(
    cursor: ServerCursor[Any], beside: Cursor[Any], address: str | None
) -> Iterator[StoredRow]:
    """The rows of a cursor on the log, with the states that left it, as far as an archive has them.

    `beside` is on the same log.
    """
    archived = OffloadedStates(address)
    while rows := cursor.fetchmany(FETCH):
        for row in archived.look(rows, beside):
            yield StoredRow(*row)


def _whole(rows: Iterable[StoredRow], gone: Sequence[Span]) -> Iterator[StoredRow]:
    """The rows; raises `ArchiveDamaged` at one of which the only copy of its state is not here."""
    for row in rows:
        if not row.state and _has(gone, row.position):
            raise ArchiveDamaged(
                f"The state of the event at position {row.position:,} left the database, and is not"
                " here as it was: bring its segment back from a copy of the archive."
            )
        yield row


def _connected(database: Database) -> Connection:
    return database.connect("reader", seconds=UNLIMITED)


def verify(
    database: Database,
    address: str,
    sealed: Sequence[Manifest],
    report: Callable[[int, int], None] = lambda _read, _total: None,
) -> Iterator[Finding]:
    """What is wrong with the segments: each file, its root, and the root that the log has."""
    found = spread(compare, [(database, address, manifest) for manifest in sealed])
    for read, each in enumerate(found, 1):
        report(read, len(sealed))
        if each is not None:
            yield each


@uncollected()
def compare(database: Database, address: str, manifest: Manifest) -> Finding | None:
    """What is wrong with a segment, if anything is: its file, its root, or what the log has."""
    try:
        sealed = leaves_of(Store(address), manifest)
    except ArchiveDamaged as error:
        return Finding(manifest.name, str(error))
    there = Leaves()
    with closing(_connected(database)) as conn, conn.cursor("log", binary=True) as cursor:
        cursor.execute(ROWS, (manifest.first, manifest.last))
        for stored in filled(cursor, conn.cursor(binary=True), address):
            there.add(stored.position, leaf_hash(stored))
    differ = there.differing(manifest, sealed)
    return Finding(manifest.name, _differing(manifest, differ)) if differ else None


def leaves_of(store: Store, manifest: Manifest) -> list[bytes]:
    """The leaf hashes of a segment's events; raises `ArchiveDamaged` unless they have its root."""
    sealed = segments.leaves(segments.whole(store, manifest), manifest)
    if not sealed or merkle.root_of(sealed).hex() != manifest.root:
        raise ArchiveDamaged(
            f"The events of the segment {manifest.name} have another root than its manifest."
            f" {segments.cure(manifest.name)}"
        )
    return sealed


class Leaves(dict[int, bytes | None]):
    """The leaf hashes that a span of the log has, by position in its order.

    None where several events stand at one position: no single one is what was sealed.
    """

    def add(self, position: int, leaf: bytes) -> None:
        """Take in the leaf hash of the next event."""
        self[position] = None if position in self else leaf

    def are_sealed(self, manifest: Manifest) -> bool:
        """Whether these are the events of a segment, by its root."""
        leaves = [leaf for leaf in self.values() if leaf is not None]
        return len(self) == len(leaves) == manifest.events and (
            merkle.root_of(leaves).hex() == manifest.root
        )

    def differing(self, manifest: Manifest, sealed: Sequence[bytes]) -> list[int]:
        """The positions of a segment at which the log has something else than was sealed."""
        return [
            position
            for position, leaf in enumerate(sealed, manifest.first)
            if self.get(position) != leaf
        ]


def offloaded(conn: Connection) -> list[Span]:
    """The spans of the log whose states lie in the archive only (`ledger.archive.offload`)."""
    return [Span(*row) for row in conn.execute(OFFLOADED).fetchall()]


def _differing(manifest: Manifest, positions: Sequence[int]) -> str:
    """What is said of a whole segment where the log has something else at these positions."""
    if len(positions) == manifest.events:
        return f"It is of another log: none of its events is in the log here. {ANOTHER_LOG}"
    told = f"position {positions[0]:,}"
    if len(positions) > 1:
        told = f"{len(positions):,} positions from {positions[0]:,} to {positions[-1]:,}"
    return (
        f"The log is not what was sealed at {told}; the segment is whole. One of the two was"
        " changed: keep both as they are, and compare them with a backup. Where a backup was"
        " restored that ends before, the segment has what was lost: take from it what you need,"
        " move it and those after it to another place, and `ledger archive seal` goes on."
    )


ANOTHER_LOG: Final = (
    "Name another place for the archive of this log; where a backup was restored that ends before,"
    " keep this archive, it has what was lost."
)


@contextmanager
def alone(database: Database) -> Generator[None]:
    """Be the only seal or offload of this log; raises `ArchiveUnavailable` where one is at work."""
    with database.connect("reader", seconds=UNLIMITED, autocommit=True) as conn:
        if not take(conn, SEAL):
            raise ArchiveUnavailable(
                "Another `ledger archive seal` or `offload` of this log is at work: try again once"
                " it has ended."
            )
        yield


def gaps(sealed: Sequence[Manifest], gone: Sequence[Span] = ()) -> list[Finding]:
    """Spans before the last segment, or `gone` from the log, that are in none."""
    last = max(sealed[-1].last if sealed else 0, gone[-1].last if gone else 0)
    return [
        Finding(
            segments.name_of(*span),
            "It is missing, and the only copy: `ledger archive seal` makes it again where its file"
            " is still there; else bring it back from a copy of the archive."
            if any(each.first <= span.last and span.first <= each.last for each in gone)
            else "It is missing: `ledger archive seal` makes it again.",
        )
        for span in missing(sealed, last, last or 1)
    ]


def strange(store: Store, sealed: Sequence[Manifest], gone: Sequence[Span] = ()) -> list[Finding]:
    """Objects beside the segments that no manifest vouches for; states of `gone` left the log."""
    ours = {f"{each.name}.{kind}" for each in sealed for kind in ("json", "parquet")}
    there = [Span(each.first, each.last) for each in sealed]
    return [
        Finding(name, _strange(name, there, gone)) for name in store.names() if name not in ours
    ]


def _strange(name: str, sealed: Sequence[Span], gone: Sequence[Span]) -> str:
    match = segments.NAME.fullmatch(name)
    if match is None:
        return "It is none of the archive's: move it elsewhere."
    first = int(match[1])
    if _has(gone, first) and not _has(sealed, first):
        return (
            "It has no manifest, and may be the only copy of states that left the database: keep"
            " it; `ledger archive seal` makes its manifest again."
        )
    return "It has no manifest, as a seal left it that did not end: seal again, or remove it."


def _has(spans: Sequence[Span], position: int) -> bool:
    return any(each.first <= position <= each.last for each in spans)


def absent(store: Store, sealed: Sequence[Manifest]) -> list[Finding]:
    """Segments that have a manifest and no file, or one of another length."""
    sizes = {each.name: each.size for each in store.everything()}
    found: list[Finding] = []
    for each in sealed:
        size = sizes.get(f"{each.name}.parquet")
        if size is None:
            found.append(Finding(each.name, f"Its file is missing. {segments.cure(each.name)}"))
        elif size != each.size:
            what = f"Its file has {size:,} bytes, and {each.size:,} were sealed."
            found.append(Finding(each.name, f"{what} {segments.cure(each.name)}"))
    return found


def check_of_this_log(conn: Connection, sealed: Sequence[Manifest]) -> None:
    """Raise `ArchiveDamaged` where the log has another event than a segment ends with.

    Only the last event of each is compared: `verify` compares all.
    """
    for name, what in foreign(conn, sealed):
        raise ArchiveDamaged(f"The segment {name}: {what}")


def foreign(conn: Connection, sealed: Sequence[Manifest]) -> list[Finding]:
    """The segments whose last event is not the one that the log has there."""
    asked = [[manifest.last for manifest in sealed]]
    leaves = dict[int, str](conn.execute(LAST_LEAVES, asked).fetchall())
    return [
        Finding(
            manifest.name,
            f"Its last event is not the one at position {manifest.last:,}: it is of another log, or"
            " one of the two was changed. `ledger archive verify` says which.",
        )
        for manifest in sealed
        if leaves.get(manifest.last) != manifest.last_leaf
    ]


def is_of_this_log(conn: Connection, store: Store, sealed: Sequence[Manifest]) -> bool:
    """Whether segments are of this log, however it was changed since.

    They are not where neither an event of the first segment nor the last one of any other stands at
    its position in the log. Raises `ArchiveDamaged` where the first one cannot be read.
    """
    if len(foreign(conn, sealed)) < len(sealed):
        return True
    first = sealed[0]
    there = Leaves(conn.execute(LEAVES, (first.first, first.last)).fetchall())
    return len(there.differing(first, leaves_of(store, first))) < first.events
