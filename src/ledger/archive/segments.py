"""A sealed segment: a span of the log as one Parquet file, and a manifest that vouches for it.

    000000000001-000000250000.parquet   the events, in the log's order
    000000000001-000000250000.json      their number, the file's size and SHA-256, and the root

The root is that of RFC 6962 over the events' leaf hashes, which the log itself keeps: a segment of
another log, or one that was changed together with its manifest, has another root than the log has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import msgspec

from ledger.archive.store import Store, arrow
from ledger.domain import merkle
from ledger.errors import ArchiveDamaged, LogDamaged, SegmentDamaged
from ledger.leaves import StoredRow, leaf_hash

FORMAT: Final = 1
GROUP_EVENTS: Final = 10_000
"""How many events a row group of the file has: as many are in memory while it is written."""
BATCH_EVENTS: Final = 2_000
"""How many are in memory while it is read."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

NAME: Final = re.compile(r"(\d{12})-(\d{12})\.(json|parquet)")


class _Version(msgspec.Struct, frozen=True):
    """What every manifest says, of whatever format."""

    format: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment's file is: positions `first` to `last`, its `size` in bytes, its `sha256`.

    `root` is the RFC 6962 root of its events' leaf hashes, `last_leaf` the leaf hash of the last
    one, both in hexadecimal digits; times are in microseconds since 1970.
    """

    format: int
    first: int
    last: int
    size: int
    sha256: str
    root: str
    last_leaf: str
    first_recorded_at: int
    last_recorded_at: int

    @property
    def name(self) -> str:
        """The name that its objects begin with."""
        return name_of(self.first, self.last)

    @property
    def events(self) -> int:
        """How many events it has."""
        return self.last - self.first + 1


def name_of(first: int, last: int) -> str:
    """What a segment of these positions is called; sorted by name they are in the log's order."""
    return f"{first:012d}-{last:012d}"


def seal(store: Store, first: int, last: int, rows: Iterable[StoredRow]) -> Manifest:
    """Put a span of the log into the store, and its manifest once the file was read back.

    Raises `LogDamaged` where an event is missing or does not fit its hash: it is never sealed.
    """
    sink = arrow().BufferOutputStream()
    leaves: list[bytes] = []
    times: list[int] = []
    layout = schema()
    options = {"compression": "zstd", "compression_level": 3, "use_dictionary": ["topic"]}
    with arrow("pyarrow.parquet").ParquetWriter(sink, layout, **options) as writer:
        for group in _groups(_checked(first, last, rows)):
            leaves += [row.leaf_hash for row in group]
            times += [group[0].recorded_at or 0, group[-1].recorded_at or 0]
            columns = list(zip(*(row[:6] for row in group), strict=True))
            arrays = [arrow().array(c, f.type) for c, f in zip(columns, layout, strict=True)]
            writer.write_batch(arrow().record_batch(arrays, schema=layout), GROUP_EVENTS)
    data = sink.getvalue().to_pybytes()
    made = Manifest(
        format=FORMAT,
        first=first,
        last=last,
        size=len(data),
        sha256=sha256(data).hexdigest(),
        root=merkle.root_of(leaves).hex(),
        last_leaf=leaves[-1].hex(),
        first_recorded_at=times[0],
        last_recorded_at=times[-1],
    )
    store.put(f"{made.name}.parquet", data)
    whole(store, made)
    manifest = msgspec.json.format(msgspec.json.encode(made)) + b"\n"
    store.put(f"{made.name}.json", manifest)
    return made


def schema() -> Any:
    """The columns of a segment's file."""
    pa = arrow()
    return pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            pa.field("stream", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            pa.field("topic", pa.string(), nullable=False),
            pa.field("recorded_at", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("state", pa.binary(), nullable=False),
        ]
    )


def _checked(first: int, last: int, rows: Iterable[StoredRow]) -> Iterator[StoredRow]:
    """The rows, if they are all of the span and each fits its hash."""
    expected = first
    for row in rows:
        if row.position != expected:
            break
        if row.recorded_at is None or leaf_hash(row) != row.leaf_hash:
            raise LogDamaged(
                f"The event at position {row.position:,} does not fit its hash. Nothing of its"
                " segment was sealed; `ledger verify` names every such place."
            )
        yield row
        expected += 1
    if expected != last + 1:
        raise LogDamaged(
            f"Position {expected:,} has no event of its own. Nothing of its segment was sealed;"
            " `ledger verify` names every such place."
        )


def _groups(rows: Iterable[StoredRow]) -> Iterator[list[StoredRow]]:
    group: list[StoredRow] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP_EVENTS:
            yield group
            group = []
    if group:
        yield group


def manifests(store: Store) -> list[Manifest]:
    """The segments that are sealed, in the log's order.

    Raises `ArchiveDamaged` where a manifest cannot be read, or two spans overlap.
    """
    found = [
        _manifest(store, name)
        for name in store.names()
        if NAME.fullmatch(name) and name.endswith(".json")
    ]
    for before, after in pairwise(found):
        if after.first <= before.last:
            raise ArchiveDamaged(
                f"The segments {before.name} and {after.name} overlap: keep one of them."
            )
    return found


def from_the_first(sealed: Iterable[Manifest]) -> list[Manifest]:
    """The segments without a gap from position 1 on."""
    found: list[Manifest] = []
    for manifest in sealed:
        if manifest.first != (found[-1].last if found else 0) + 1:
            break
        found.append(manifest)
    return found


def _manifest(store: Store, name: str) -> Manifest:
    data = store.get(name) or b""
    try:
        if (found := msgspec.json.decode(data, type=_Version).format) != FORMAT:
            raise ArchiveDamaged(
                f"The manifest {name} has format {found}, which this version does not know: use the"
                " version of Ledger that sealed it, or a newer one."
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveDamaged(
            f"The manifest {name} cannot be read: {error}. {cure(name[:-5])}"
        ) from None
    if f"{manifest.name}.json" != name:
        raise ArchiveDamaged(
            f"The manifest {name} is of positions {manifest.name}. {cure(name[:-5])}"
        )
    return manifest


def cure(name: str) -> str:
    """What is to be done about a segment that is not what its manifest says."""
    return (
        "Where its events were offloaded, bring it back from a copy of the archive; else remove"
        f" {name}.json, and `ledger archive seal` makes the segment again from the log."
    )


def whole(store: Store, manifest: Manifest) -> bytes:
    """The file of a segment; raises `SegmentDamaged` where it is not what the manifest says."""
    name = f"{manifest.name}.parquet"
    data = store.get(name)
    if data is None:
        raise SegmentDamaged(f"The segment {name} is missing. {cure(manifest.name)}")
    if len(data) != manifest.size or sha256(data).hexdigest() != manifest.sha256:
        raise SegmentDamaged(f"The segment {name} is not what was sealed. {cure(manifest.name)}")
    return data


Stored = tuple[int, str, int, str, datetime, bytes]
"""Position, stream, version, topic, time of recording and state of an event."""


def events(data: bytes, manifest: Manifest, first: int, last: int) -> Iterator[Stored]:
    """Events of a segment's file at positions `first` to `last`, as `Log` reads them.

    Raises `SegmentDamaged` where the file does not have each of them, once, in its place.
    """
    begin = (first - manifest.first) // GROUP_EVENTS
    end = (last - manifest.first) // GROUP_EVENTS
    expected = first
    damaged = SegmentDamaged(f"The segment {manifest.name} cannot be read. {cure(manifest.name)}")
    try:
        file = arrow("pyarrow.parquet").ParquetFile(arrow().BufferReader(data))
        if not file.schema_arrow.equals(schema()):
            raise damaged
        for position, stream, version, topic, time, state in _rows(file, range(begin, end + 1)):
            if position == expected <= last:
                yield position, stream, version, topic, EPOCH + timedelta(0, 0, time), state
                expected += 1
    except (OSError, ValueError, OverflowError, arrow().ArrowException) as error:
        raise damaged from error
    if expected <= last:
        raise damaged


Row = tuple[int, str, int, str, int, bytes]
"""The same, with the time in microseconds since 1970."""


def rows_of(table: Any) -> Iterator[Row]:
    """The rows of a table of a segment's file, or of a batch of one.

    Times as numbers: Arrow takes four times as long to make a time as Python.
    """
    times = table.column("recorded_at").cast(arrow().int64())
    columns = table.set_column(table.schema.get_field_index("recorded_at"), "recorded_at", times)
    return zip(*columns.to_pydict().values(), strict=True)


def as_stored(row: Row) -> StoredRow:
    """The same with its leaf hash, made of the rest."""
    stored = StoredRow(*row, b"")
    return stored._replace(leaf_hash=leaf_hash(stored))


def leaves(data: bytes, manifest: Manifest) -> list[bytes]:
    """The leaf hashes of what a segment's file holds, made of its events; none for other positions.

    They are as many as the manifest says, or none: also of a file that is no segment's.
    """
    try:
        return _leaves(arrow("pyarrow.parquet").ParquetFile(arrow().BufferReader(data)), manifest)
    except (OSError, ValueError, OverflowError, arrow().ArrowException):
        return []


def _leaves(file: Any, manifest: Manifest) -> list[bytes]:
    if not file.schema_arrow.equals(schema()) or file.metadata.num_rows != manifest.events:
        return []
    found: list[bytes] = []
    for row in _rows(file, range(file.num_row_groups)):
        if row[0] != manifest.first + len(found):
            return []
        found.append(as_stored(row).leaf_hash)
    return found


def _rows(file: Any, groups: Sequence[int]) -> Iterator[Row]:
    """The rows of these row groups, a few at a time: a whole group takes 70 MB more."""
    for batch in file.iter_batches(BATCH_EVENTS, row_groups=groups):
        yield from rows_of(batch)
