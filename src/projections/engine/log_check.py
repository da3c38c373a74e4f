"""What is wrong with the log itself: every fault that shows without an anchor outside the database.

What does not show: anyone who writes as the database's superuser can rewrite an event together with
its hash, cut the tail off together with the head, or renumber all that follows (docs/security.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from math import inf
from typing import Any, Final

from msgspec import Struct, field
from psycopg import Connection

from ledger import waits
from ledger.archive.segments import Manifest
from ledger.domain import merkle
from ledger.domain.events import StripeEventReceived
from ledger.domain.signatures import Recheck, Signature
from ledger.domain.streams import belongs
from ledger.errors import UnknownTopic
from ledger.leaves import SELECT, StoredRow, leaf_hash
from ledger.log import LedgerMapper

ROWS: Final = SELECT + "order by notification_id, originator_id, originator_version"
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
FETCH: Final = 1_000
SHOWN_VERSIONS: Final = 12

NOT_COVERED: Final = (
    "hashes are not anchored outside the database: anyone who is its superuser could rewrite"
    " an event with its hash, cut the tail with the head, or renumber what follows"
)
"""What a proof without an archive cannot see, in words that its answer ends with."""

KINDS: Final = {
    "head": "the head is not where the log ends",
    "missing": "positions without an event",
    "twice": "positions with more than one event",
    "beyond": "events that stand outside of positions 1 to the head",
    "hash": "events that do not fit their hash",
    "sealed": "events that are not what was sealed in the archive",
    "version": "streams whose versions are not 1, 2, 3 … in the log's order",
    "time": "events recorded before the one that precedes them",
    "unreadable": "events that cannot be read",
    "name": "events that stand in a stream of another name",
    "stripe": "events that Stripe did not send so",
}
"""The kinds of fault, in the order in which they are told."""


def not_covered(sealed: int) -> str:
    """What a proof cannot see of a log that was compared with an archive up to a position."""
    if not sealed:
        return NOT_COVERED
    return (
        f"up to position {sealed:,} the log is what was sealed, unless someone rewrote the archive"
        f" too; after that, {NOT_COVERED}"
    )


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Damage of one kind: at the positions from `first` to `last`, both included."""

    kind: str
    first: int
    last: int
    detail: str = ""

    @property
    def count(self) -> int:
        """How many positions have it."""
        return self.last - self.first + 1


class LogReport(Struct, frozen=True, kw_only=True):
    """What was looked at (`events`, up to `head`), what is wrong, and what signatures said.

    `unknown_secrets` counts events by the fingerprint of a secret that is not known here; they
    count for no fault. It is empty for events that were stored before fingerprints were. Up to
    position `sealed` the log was compared with the roots of the archive's segments.
    """

    events: int
    head: int
    faults: tuple[Fault, ...]
    signatures: dict[Signature, int]
    unknown_secrets: dict[str, int]
    sealed: int = 0

    def by_kind(self) -> dict[str, list[Fault]]:
        """The faults of each kind that there is."""
        order = list(KINDS)
        kinds = groupby(sorted(self.faults, key=_in_order(order)), key=lambda fault: fault.kind)
        return {kind: list(faults) for kind, faults in kinds}


def _in_order(order: list[str]) -> Callable[[Fault], tuple[int, int]]:
    return lambda fault: (order.index(fault.kind), fault.first)


def check(
    conn: Connection,
    mapper: LedgerMapper,
    recheck: Callable[[StripeEventReceived], Recheck],
    sealed: Sequence[Manifest] = (),
) -> LogReport:
    """Look at every stored event, in the transaction that is open. Raises for no damage.

    Each span of the log that is `sealed` must have the root that its manifest has.
    """
    scan = _Scan(mapper=mapper, recheck=recheck, sealed=list(reversed(sealed)))
    heads = [tuple(row) for row in conn.execute(HEADS).fetchall()]
    with conn.cursor("log", binary=True) as cursor:
        cursor.itersize = FETCH
        for row in cursor.execute(ROWS):
            waits.go_on()
            scan.take(StoredRow(*row))
    scan.end(heads)
    for stream, versions, places in conn.execute(STREAMS).fetchall():
        scan.note("version", places[0], _versions(stream, versions))
    return LogReport(
        events=scan.events,
        head=heads[0][0] if heads else 0,
        faults=tuple(_joined(scan.faults)),
        signatures=dict(scan.signatures),
        unknown_secrets=dict(scan.unknown_secrets),
        sealed=sealed[-1].last if sealed else 0,
    )


class _Scan(Struct, kw_only=True):
    """What was found so far, row by row in the order of positions.

    `sealed` are the segments that are not compared yet, the first one last, and `leaves` the hashes
    of the events of that one so far.
    """

    mapper: LedgerMapper
    recheck: Callable[[StripeEventReceived], Recheck]
    sealed: list[Manifest]
    leaves: list[bytes] = field(default_factory=list[bytes])
    events: int = 0
    last: int = 0
    time: int = -(2**62)
    latest: int = -(2**62)
    faults: list[Fault] = field(default_factory=list[Fault])
    signatures: Counter[Signature] = field(default_factory=Counter[Signature])
    unknown_secrets: Counter[str] = field(default_factory=Counter[str])

    def note(self, kind: str, first: int, detail: str = "", last: int | None = None) -> None:
        self.faults.append(
            Fault(kind=kind, first=first, last=first if last is None else last, detail=detail)
        )

    def take(self, row: StoredRow) -> None:
        self._position(row.position)
        self.events += 1
        if row.recorded_at is None or row.recorded_at < self.time:
            self.note("time", row.position)
        if row.recorded_at is not None:
            self.time = row.recorded_at
            self.latest = max(self.latest, self.time)
        leaf = leaf_hash(row)
        if leaf != row.leaf_hash:
            self.note("hash", row.position)
        self._compare(before=row.position)
        if self.sealed and row.position >= self.sealed[-1].first:
            self.leaves.append(leaf)
        self._content(row)

    def _compare(self, before: float) -> None:
        """Compare the segments that end before a position with what the log has there."""
        while self.sealed and self.sealed[-1].last < before:
            segment = self.sealed.pop()
            root = merkle.root_of(self.leaves).hex() if self.leaves else ""
            if root != segment.root:
                self.note("sealed", segment.first, f"segment {segment.name}", segment.last)
            self.leaves.clear()

    def _position(self, position: int) -> None:
        if position < 1:
            self.note("beyond", position)
        elif position == self.last:
            self.note("twice", position)
        elif position > self.last + 1:
            self.note("missing", self.last + 1, last=position - 1)
        self.last = max(self.last, position)

    def _content(self, row: StoredRow) -> None:
        try:
            event = self.mapper.open(row.topic, row.state).data
        except UnknownTopic as error:
            self.note("unreadable", row.position, f"{row.stream}: {error}")
            return
        if not belongs(row.stream, event):
            self.note("name", row.position, row.stream)
        if isinstance(event, StripeEventReceived):
            found = self.recheck(event)
            self.signatures[found.signature] += 1
            if found.signature == "wrong":
                self.note("stripe", row.position, f"{row.stream}: {found.detail}")
            if found.signature == "unknown_secret":
                self.unknown_secrets[found.detail] += 1

    def end(self, heads: list[tuple[Any, ...]]) -> None:
        """Compare with the head, once all events were taken."""
        self._compare(before=inf)
        if len(heads) != 1:
            self.note("head", self.last, f"ledger.head has {len(heads)} rows instead of one")
            return
        ((head, recorded_at),) = heads
        if head < self.last:
            self.note("beyond", head + 1, last=self.last)
            self.note("head", head, f"the head is {head:,}, the last event stands at {self.last:,}")
        elif head > self.last:
            self.note("missing", self.last + 1, last=head)
            self.note("head", head, f"the head is {head:,}, the last event stands at {self.last:,}")
        if self.events and (recorded_at is None or recorded_at < self.latest):
            self.note("head", head, "the head's time lies before that of an event")


def _joined(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Neighbours of one kind of which there is no more to say become one."""
    joined: dict[str, Fault] = {}
    for fault in faults:
        before = joined.get(fault.kind)
        if before and not (before.detail or fault.detail) and before.last + 1 == fault.first:
            joined[fault.kind] = Fault(kind=fault.kind, first=before.first, last=fault.last)
            continue
        if before:
            yield before
        joined[fault.kind] = fault
    yield from joined.values()


def _versions(stream: str, versions: list[int]) -> str:
    shown = ", ".join(map(str, versions[:SHOWN_VERSIONS]))
    more = f" and {len(versions) - SHOWN_VERSIONS:,} more" if len(versions) > SHOWN_VERSIONS else ""
    return f"{stream} has the versions {shown}{more}"
