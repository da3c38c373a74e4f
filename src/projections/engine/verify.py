"""The proof: read models made again from event 1, and compared with the live ones byte by byte.

Mirrors and journals are made again in a scratch schema; what is made from them is compared where it
stands (`in_place`). Where anything differs, all of it is made again, and all damage is named: each
table that differs (`differences`), and each fault of the log (`log_check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import psycopg
from msgspec.structs import replace
from psycopg import IsolationLevel

from ledger import waits
from ledger.archive import sealing
from ledger.archive.store import Store
from ledger.errors import ArchiveDamaged, ArchiveUnavailable, SegmentDamaged, StatesMissing
from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from ledger.postgres.failures import told
from projections.engine import folding, foreign, in_place, positions, tables
from projections.engine.build import ProjectionContext, ReadModelTables, batches
from projections.engine.declare import Journal, Mirror
from projections.engine.differences import TableDifference, compare
from projections.engine.digest import Leaf, can_be_known_before
from projections.engine.fold import ProjectionFailed
from projections.engine.folding import Folded, FoldedArchive, Objects
from projections.engine.log_check import check
from projections.engine.log_report import LogReport
from projections.engine.positions import ProjectionStatus
from projections.engine.rebuild import Progress, finish, load, rebuild_lock, silent
from projections.engine.registry import Registry, bases
from projections.engine.snapshots import exported
from projections.engine.tables import LIVE, PROOF, AnyCursor


class Proof(NamedTuple):
    """What a verification found. `position` is the last that was proven.

    `differences` are all tables that are not what the log says. `halted` are projections that do
    not follow, or that cannot be made from this log: nothing can be said of them. `log` says what
    is wrong with the log itself, and what its signatures say. `foreign` is what others made among
    the read models or on top of them, which was not looked at. `folded` says which folds of an
    archive it was made from, if it was, and `not_folded` what of it stood in the way, if anything
    did; `in_place` that derived rows were compared where they stand.
    """

    position: int
    tables: dict[str, str]
    differences: list[TableDifference]
    halted: list[ProjectionStatus]
    log: LogReport
    foreign: tuple[str, ...] = ()
    folded: Folded | None = None
    in_place: bool = False
    not_folded: str = ""

    @property
    def differing_folds(self) -> tuple[str, ...]:
        """The folds that lay beside the archive and were not what their events come to."""
        return self.folded.differed if self.folded else ()

    @property
    def empty(self) -> bool:
        """Whether there was nothing to prove."""
        return self.log.events == 0 and not (self.log.faults or self.halted)

    @property
    def holds(self) -> bool:
        """Whether everything was proven; nothing is no proof."""
        damage = (self.differences, self.halted, self.log.faults, self.differing_folds)
        return not (self.empty or any(damage))


def verify(
    engine: ProjectionContext,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
    *,
    from_scratch: bool = False,
) -> Proof:
    """Make the read models again from event 1, and compare the live ones table by table.

    Derived rows are compared where they stand, unless all is to be made `from_scratch`.

    What is in an `archive` of this log is folded from there, where every projection follows, and
    the log is compared with the root of each of its segments. One of another log, or that cannot be
    read, is passed over, and the answer says so. Raises `RebuildRunning` while a rebuild or another
    proof is at work, and what `folding.fold` raises of an archive.
    """
    with rebuild_lock(engine.database) as cursor:
        return prove(engine, cursor, progress, archive, from_scratch=from_scratch)


def prove(
    engine: ProjectionContext,
    proof: AnyCursor,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
    *,
    from_scratch: bool = False,
) -> Proof:
    """What `verify` does, while it holds the rebuild lock.

    Both sides stand at the same positions: those of one snapshot of the live tables. The log is
    looked at as of that snapshot, at the same time.
    """
    database, log, registry, reader, recheck, _ = engine
    with (
        database.connect("projector", seconds=UNLIMITED) as live_conn,
        live_conn.cursor() as live,
        tables.scratch(proof, PROOF),
    ):
        states = positions.statuses(proof, registry, reader)
        halted = _halted(registry, states)
        proven = registry.only(registry.by_name.keys() - {s.name for s in halted})
        lowest = min((s.position for s in states if s.name in proven.by_name), default=0)
        why_not = _not_comparable(archive, proof.connection) if archive else ""
        ours = None if why_not else archive
        folds = _foldable(ours, proof.connection, lowest) if ours and not halted else None
        made, failed = _loaded(engine._replace(registry=proven), proof, lowest, progress, folds)
        live_conn.isolation_level = IsolationLevel.REPEATABLE_READ
        at = _meet(made.copy, log, lowest, live)
        address, sealed = (ours.address, ours.everything) if ours else ("", [])
        snapshot = exported(live_conn)
        with waits.beside(check, database, snapshot, recheck, address, sealed) as checking:
            digests = None
            if not from_scratch:
                digests = in_place.equal(
                    database, snapshot, live, proof, registry=made.copy.registry, known=made.known
                )
            is_equal = digests is not None
            differences = list[TableDifference]()
            if digests is None:
                made, others = _finished(engine, made, at, live)
                failed += others
                digests, differences = compare(live, LIVE, proof, PROOF, made.copy.registry)
            tables.clear(proof, PROOF)
            others, stopped = tuple(foreign.told(live)), [*halted, *failed]
            looked = checking.result()
        if why_not:
            looked = replace(looked, not_compared=(why_not,))
        folded = made.objects.folded if made.objects else None
        return Proof(
            at, digests, differences, stopped, looked, others, folded, is_equal, made.not_folded
        )


def _not_comparable(archive: FoldedArchive, conn: psycopg.Connection) -> str:
    """Why the log cannot be compared with an archive, and the cure; nothing where it can be."""
    if archive.unread:
        return archive.unread
    if not archive.everything:
        return (
            f"Nothing is sealed in {archive.address}: `ledger archive seal` seals full segments."
            " Where something was, LEDGER_ARCHIVE names another place, or it was removed."
        )
    try:
        ours = sealing.is_of_this_log(conn, Store(archive.address), archive.everything)
    except (ArchiveDamaged, ArchiveUnavailable) as error:
        return str(error)
    if ours:
        return ""
    return (
        f"The archive at {archive.address} is of another log: it has none of the events here."
        f" {sealing.ANOTHER_LOG} Where it is the one of this log, all events were replaced."
    )


def _foldable(archive: FoldedArchive, conn: psycopg.Connection, upto: int) -> FoldedArchive | None:
    """What can be folded from an archive up to a position; nothing where an event differs."""
    return None if sealing.foreign(conn, archive.sealed) else archive.upto(upto)


class _Made(NamedTuple):
    """What a proof is made of: mirrors and journals, and the folds that they were taken from.

    The lines whose leaves are `known` from those, by table, are not in the tables. `not_folded`
    says why there are no folds, where a segment or the place of folds is not as it should be.
    """

    copy: ReadModelTables
    objects: Objects | None = None
    known: Mapping[str, Sequence[Leaf]] = MappingProxyType({})
    not_folded: str = ""


def _loaded(
    engine: ProjectionContext,
    proof: AnyCursor,
    upto: int,
    progress: Progress,
    archive: FoldedArchive | None,
) -> tuple[_Made, list[ProjectionStatus]]:
    """A copy up to a position; without the projections that cannot be made from this log.

    From the database where the `archive` cannot be read, folded or written to; folds that were
    forged are not passed over.
    """
    try:
        return _load(engine, proof, upto, progress, archive), []
    except StatesMissing as error:
        names, because = engine.registry.by_name, f"it cannot be made from this log: {error}"
        nothing = engine._replace(registry=engine.registry.only([]))
        failed = [ProjectionStatus(n, "stopped", upto, None, because) for n in names]
        return _load(nothing, proof, 0), failed
    except (SegmentDamaged, ArchiveUnavailable) as error:
        if archive is None:
            raise
        made, failed = _loaded(engine, proof, upto, progress, None)
        return made._replace(not_folded=str(error)), failed
    except (ProjectionFailed, psycopg.Error) as error:
        if isinstance(error, psycopg.OperationalError):
            raise
    rest, failed = _without_failing(engine, proof, upto)
    return _load(rest, proof, upto, progress), failed


def _load(
    engine: ProjectionContext,
    proof: AnyCursor,
    upto: int,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
) -> _Made:
    tables.clear(proof, PROOF)
    copy = ReadModelTables(proof, engine.registry, engine.reader, PROOF)
    before = _known_before(engine.registry) if archive and archive.cuts_no_leaf else []
    objects = load(engine, copy, upto, progress, archive, without=before)
    if objects is None:
        return _Made(copy)
    leaves = folding.leaves(objects)
    return _Made(copy, objects, {table.name: leaves.get(table.name, []) for table in before})


def _known_before(registry: Registry) -> list[Mirror | Journal]:
    return [t for each in registry for t in bases(each) if can_be_known_before(t)]


def _finished(
    engine: ProjectionContext, made: _Made, upto: int, live: AnyCursor
) -> tuple[_Made, list[ProjectionStatus]]:
    """The copy with all that a rebuild makes, to say where live rows differ from it.

    Without the projections that cannot be made from this log.
    """
    left = engine._replace(registry=made.copy.registry)
    try:
        if made.objects and made.known:
            folding.copy(left, PROOF, made.objects, _known_before(left.registry))
        finish(left, made.copy, upto, made.objects)
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError):
            raise
    else:
        return made, []
    rest, failed = _without_failing(left, made.copy.cursor, upto)
    made = _load(rest, made.copy.cursor, 0)
    _meet(made.copy, engine.log, 0, live)
    finish(rest, made.copy, upto, None)
    return made, failed


def _without_failing(
    engine: ProjectionContext, proof: AnyCursor, upto: int
) -> tuple[ProjectionContext, list[ProjectionStatus]]:
    """Make each group that belongs together by itself; what can be made, and what fails then."""
    failed = [
        ProjectionStatus(name, "stopped", upto, None, because)
        for group in engine.registry.independent_groups()
        if (because := _why_not(engine._replace(registry=group), proof, upto))
        for name in group.by_name
    ]
    rest = engine.registry.only(engine.registry.by_name.keys() - {each.name for each in failed})
    return engine._replace(registry=rest), failed


def _why_not(engine: ProjectionContext, proof: AnyCursor, upto: int) -> str | None:
    try:
        made = _load(engine, proof, upto)
        finish(engine, made.copy, upto, None)
    except (ProjectionFailed, psycopg.Error) as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        cause = error.because if isinstance(error, ProjectionFailed) else told(error)
        return f"it cannot be made from this log: {cause}"
    return None


def _halted(registry: Registry, states: Sequence[ProjectionStatus]) -> list[ProjectionStatus]:
    """Those of which nothing can be said: they do not follow, or read one that does not."""
    stopped = {s.name for s in states if s.state != "following"}
    readers = registry.readers(stopped) - stopped
    because = f"reads what does not follow: {', '.join(sorted(stopped))}"
    return [
        s._replace(state="stopped", because=because) if s.name in readers else s
        for s in states
        if s.name in stopped | readers
    ]


def _meet(copy: ReadModelTables, log: Log, reached: int, live: AnyCursor) -> int:
    """Bring the proof to where the live tables stand in `live`'s snapshot; answers the last."""
    reached_by = {s.name: s.position for s in positions.statuses(live, copy.registry, copy.reader)}
    for position in sorted(set(reached_by.values())):
        group = copy.registry.only(name for name, at in reached_by.items() if at >= position)
        part = ReadModelTables(copy.cursor, group, copy.reader, PROOF)
        part.load(batches(log, reached, position))
        reached = position
    return reached
