"""What is wrong with the log itself: every fault that shows without an anchor outside the database.

What does not show: anyone who writes as the database's superuser can rewrite an event together with
its hash, cut the tail off together with the head, or renumber all that follows (docs/security.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from eventsourcing.persistence import JSONTranscoder
from msgspec import Struct, field
from msgspec.structs import replace

from ledger import waits
from ledger.archive.sealing import Leaves, filled, leaves_of
from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from ledger.domain.events import Event, StripeEventReceived
from ledger.domain.signatures import Recheck, Signature
from ledger.domain.streams import belongs
from ledger.errors import ArchiveDamaged, ArchiveUnavailable, UnknownTopic
from ledger.leaves import SELECT, StoredRow, leaf_hash
from ledger.mapper import LedgerMapper
from ledger.postgres.database import Database
from ledger.workers import spread, uncollected
from projections.engine.log_report import Fault, LogReport
from projections.engine.snapshots import seeing

ROWS: Final = (
    SELECT + "where notification_id between %s and %s"
    " order by notification_id, originator_id, originator_version"
)
SIZE: Final = "select coalesce(max(notification_id), 0), count(*) from ledger.stored_events"
LEAST, MOST = -(2**63), 2**63 - 1
NEVER: Final = -(2**62)
SPAN_EVENTS: Final = 50_000
"""So many events are looked at in one go, where they are not of a segment."""
Rechecks = Callable[[StripeEventReceived], Recheck]
HEADS: Final = """
select
    position,
    case
        when isfinite(recorded_at) then (extract(epoch from recorded_at) * 1000000)::bigint
    end
from ledger.head
"""
STREAMS: Final = """
select
    originator_id,
    array_agg(originator_version order by notification_id),
    array_agg(notification_id order by notification_id)
from ledger.stored_events
where originator_id in (
    select originator_id
    from (
        select
            originator_id, originator_version, notification_id,
            row_number() over version as number,
            lag(notification_id) over version as before
        from ledger.stored_events
        window version as (partition by originator_id order by originator_version)
    ) as e
    where originator_version <> number or before >= notification_id
)
group by originator_id
order by min(notification_id)
"""
SHOWN_VERSIONS: Final = 12


def _place(fault: Fault) -> tuple[int, int, str]:
    return fault.first, fault.last, fault.kind


def check(
    database: Database,
    snapshot: str,
    recheck: Rechecks,
    address: str = "",
    sealed: Sequence[Manifest] = (),
) -> LogReport:
    """Look at every stored event that an exported snapshot sees. Raises for no damage.

    On all cores, span by span. Each span of the log that is `sealed` in the archive at an address
    must have the root that its manifest has; where it has not, its events are compared one by one.
    """
    with seeing(database, snapshot) as conn:
        heads = [tuple(row) for row in conn.execute(HEADS).fetchall()]
        end, events = conn.execute(SIZE).fetchone() or (0, 0)
        spans = _spans(sealed, end, events)
        tasks = [(database, snapshot, recheck, address, span) for span in spans]
        scans = sorted(spread(_scan, tasks), key=lambda scan: scan.span.first)
        streams = conn.execute(STREAMS).fetchall()
    faults = [fault for scan in scans for fault in scan.faults]
    faults += _between(scans)
    faults += _at_the_end(scans, heads)
    faults += [_fault("version", row[2][0], _versions(row[0], row[1])) for row in streams]
    upto, beyond = _compared(scans)
    return LogReport(
        events=sum(scan.events for scan in scans),
        head=heads[0][0] if heads else 0,
        faults=tuple(sorted(_joined(sorted(faults, key=_place)), key=_place)),
        signatures=dict(sum((scan.signatures for scan in scans), Counter[Signature]())),
        unknown_secrets=dict(sum((scan.unknown_secrets for scan in scans), Counter[str]())),
        sealed=upto,
        beyond=beyond,
        not_compared=tuple(scan.not_compared for scan in scans if scan.not_compared),
    )


def _compared(scans: Sequence[_Scan]) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Up to where the log was compared with what is sealed, and in which spans after a gap."""
    found = [(0, 0)]
    for scan in scans:
        if scan.span.segment and not scan.not_compared:
            first, last = scan.span.first, scan.span.last
            if first == found[-1][1] + 1:
                first = found.pop()[0]
            found.append((first, last))
    return found[0][1], tuple(found[1:])


class Span(NamedTuple):
    """Positions that are looked at in one go; what lies before or beyond them, where it is `open`.

    `expected` is the last of them that there should be; `segment` is what was sealed of them.
    """

    first: int
    last: int
    expected: int
    begins_open: bool
    ends_open: bool
    segment: Manifest | None

    @property
    def bounds(self) -> tuple[int, int]:
        """From which position to which one."""
        first, last = (LEAST, MOST)
        return (first if self.begins_open else self.first, last if self.ends_open else self.last)


def _spans(sealed: Sequence[Manifest], end: int, events: int) -> list[Span]:
    """The segments, and what lies between and after them up to the last position that there is.

    So many events need no more spans, whatever positions they have: the last span is open.
    """
    cuts: list[tuple[int, int, Manifest | None]] = []
    after = 0
    for manifest in sealed:
        cuts += _cut(after, manifest.first - 1)
        cuts.append((manifest.first, manifest.last, manifest))
        after = manifest.last
    cuts += _cut(after, min(end, events))
    cuts = cuts or [(1, SPAN_EVENTS, None)]
    return [
        Span(first, last, min(last, end), number == 0, number == len(cuts) - 1, segment)
        for number, (first, last, segment) in enumerate(cuts)
    ]


def _cut(after: int, upto: int) -> list[tuple[int, int, None]]:
    """The positions after one up to another one, so many in one go."""
    return [
        (start + 1, min(start + SPAN_EVENTS, upto), None)
        for start in range(after, upto, SPAN_EVENTS)
    ]


def _fault(kind: str, first: int, detail: str = "", last: int | None = None) -> Fault:
    return Fault(kind=kind, first=first, last=first if last is None else last, detail=detail)


class _Scan(Struct, kw_only=True):
    """What was found in a span so far, row by row in the order of positions.

    `begin` is the position and the time of its first event. Times are in microseconds since 1970.
    """

    span: Span
    last: int
    events: int = 0
    begin: tuple[int, int | None] | None = None
    time: int | None = None
    latest: int = NEVER
    faults: list[Fault] = field(default_factory=list[Fault])
    latest_of: dict[str, int] = field(default_factory=dict[str, int])
    """Where the last fault of a kind stands in `faults`."""
    signatures: Counter[Signature] = field(default_factory=Counter[Signature])
    unknown_secrets: Counter[str] = field(default_factory=Counter[str])
    not_compared: str = ""

    def note(self, kind: str, first: int, detail: str = "", last: int | None = None) -> None:
        made, at = _fault(kind, first, detail, last), self.latest_of.get(kind)
        if at is not None and _are_one(self.faults[at], made):
            self.faults[at] = replace(self.faults[at], last=made.last)
        else:
            self.latest_of[kind] = len(self.faults)
            self.faults.append(made)

    def take(self, row: StoredRow, leaf: bytes) -> None:
        self._position(row.position)
        self.events += 1
        self.begin = self.begin or (row.position, row.recorded_at)
        if row.recorded_at is None or (self.time is not None and row.recorded_at < self.time):
            self.note("time", row.position)
        if row.recorded_at is not None:
            self.time = row.recorded_at
            self.latest = max(self.latest, self.time)
        if not row.state:
            self.note("state", row.position)
        elif leaf != row.leaf_hash:
            self.note("hash", row.position)

    def _position(self, position: int) -> None:
        if position < 1:
            self.note("beyond", position)
        elif position == self.last:
            self.note("twice", position)
        elif position > self.last + 1:
            self.note("missing", self.last + 1, last=position - 1)
        self.last = max(self.last, position)

    def content(self, event: Event, row: StoredRow, recheck: Rechecks) -> None:
        if not belongs(row.stream, event):
            self.note("name", row.position, row.stream)
        if isinstance(event, StripeEventReceived):
            found = recheck(event)
            self.signatures[found.signature] += 1
            if found.signature == "wrong":
                self.note("stripe", row.position, f"{row.stream}: {found.detail}")
            if found.signature == "unknown_secret":
                self.unknown_secrets[found.detail] += 1

    def end(self) -> None:
        """All events were taken."""
        if self.last < self.span.expected:
            self.note("missing", self.last + 1, last=self.span.expected)
            self.last = self.span.expected

    def compare(self, address: str, segment: Manifest, leaves: Leaves) -> None:
        """Compare the leaf hashes that a segment's span has with those that were sealed."""
        if leaves.are_sealed(segment):
            return
        try:
            sealed = leaves_of(Store(address), segment)
        except (ArchiveDamaged, ArchiveUnavailable) as error:
            self.not_compared = str(error)
            return
        for position in leaves.differing(segment, sealed):
            self.note("sealed", position)


@uncollected()
def _scan(database: Database, snapshot: str, recheck: Rechecks, address: str, span: Span) -> _Scan:
    """Look at the events of a span."""
    scan = _Scan(span=span, last=span.first - 1)
    mapper = LedgerMapper(JSONTranscoder())
    leaves = Leaves()
    with (
        seeing(database, snapshot) as conn,
        conn.cursor("log", binary=True) as cursor,
        conn.cursor(binary=True) as beside,
    ):
        cursor.execute(ROWS, span.bounds)
        for stored in filled(cursor, beside, database.archive):
            waits.go_on()
            leaf = leaf_hash(stored)
            scan.take(stored, leaf)
            if span.segment and span.first <= stored.position <= span.last:
                leaves.add(stored.position, leaf)
            if not stored.state:
                continue
            try:
                event = mapper.open(stored.topic, stored.state).data
            except UnknownTopic as error:
                scan.note("unreadable", stored.position, f"{stored.stream}: {error}")
            else:
                scan.content(event, stored, recheck)
    scan.end()
    if span.segment:
        scan.compare(address, span.segment, leaves)
    return scan


def _between(scans: Sequence[_Scan]) -> Iterator[Fault]:
    """Events at the beginning of a span that were recorded before the last one of those before."""
    time: int | None = None
    for scan in scans:
        if scan.begin and time is not None:
            position, began = scan.begin
            if began is not None and began < time:
                yield _fault("time", position)
        time = time if scan.time is None else scan.time


def _at_the_end(scans: Sequence[_Scan], heads: list[tuple[Any, ...]]) -> Iterator[Fault]:
    """How the head fits what was found."""
    seen = [scan for scan in scans if scan.events]
    last = max((scan.last for scan in seen), default=0)
    latest = max((scan.latest for scan in seen), default=NEVER)
    if len(heads) != 1:
        yield _fault("head", last, f"ledger.head has {len(heads)} rows instead of one")
        return
    ((head, recorded_at),) = heads
    if head != last:
        kind, first, end = (
            ("beyond", head + 1, last) if head < last else ("missing", last + 1, head)
        )
        yield _fault(kind, first, last=end)
        yield _fault("head", head, f"the head is {head:,}, the last event stands at {last:,}")
    if seen and (recorded_at is None or recorded_at < latest):
        yield _fault("head", head, "the head's time lies before that of an event")


def _are_one(before: Fault, fault: Fault) -> bool:
    """Whether two of a kind are neighbours of which there is no more to say."""
    return not (before.detail or fault.detail) and before.last + 1 == fault.first


def _joined(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Neighbours of one kind of which there is no more to say become one."""
    joined: dict[str, Fault] = {}
    for fault in faults:
        before = joined.get(fault.kind)
        if before and _are_one(before, fault):
            joined[fault.kind] = replace(before, last=fault.last)
            continue
        if before:
            yield before
        joined[fault.kind] = fault
    yield from joined.values()


def _versions(stream: str, versions: list[int]) -> str:
    shown = ", ".join(map(str, versions[:SHOWN_VERSIONS]))
    more = f" and {len(versions) - SHOWN_VERSIONS:,} more" if len(versions) > SHOWN_VERSIONS else ""
    return f"{stream} has the versions {shown}{more}"
