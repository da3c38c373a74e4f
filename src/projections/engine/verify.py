"""The proof: read models made again from event 1 in a scratch schema, and compared byte by byte.

It names all damage: each table that differs, and each fault of the log (`log_check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from msgspec.structs import replace
from psycopg import IsolationLevel

from ledger import waits
from ledger.archive import sealing
from ledger.archive.store import Store
from ledger.errors import ArchiveDamaged, ArchiveUnavailable, StatesMissing
from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from projections.engine import foreign, positions, tables
from projections.engine.build import ProjectionContext, ReadModelTables, batches
from projections.engine.digest import TableDifference, compare
from projections.engine.fold import ProjectionFailed
from projections.engine.folding import Folded, FoldedArchive
from projections.engine.log_check import check
from projections.engine.log_report import LogReport
from projections.engine.positions import ProjectionStatus
from projections.engine.rebuild import Progress, build, rebuild_lock, silent
from projections.engine.registry import Registry
from projections.engine.tables import LIVE, PROOF, AnyCursor


class Proof(NamedTuple):
    """What a verification found. `position` is the last that was proven.

    `differences` are all tables that are not what the log says. `halted` are projections that do
    not follow, or that cannot be made from this log: nothing can be said of them. `log` says what
    is wrong with the log itself, and what its signatures say. `foreign` is what others made among
    the read models or on top of them, which was not looked at. `folded` says which folds of an
    archive it was made from, if it was.
    """

    position: int
    tables: dict[str, str]
    differences: list[TableDifference]
    halted: list[ProjectionStatus]
    log: LogReport
    foreign: tuple[str, ...] = ()
    folded: Folded | None = None

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
    engine: ProjectionContext, progress: Progress = silent, archive: FoldedArchive | None = None
) -> Proof:
    """Rebuild everything from event 1 beside the live read models and compare table by table.

    What is in an `archive` of this log is folded from there, where every projection follows, and
    the log is compared with the root of each of its segments. One of another log, or that cannot be
    read, is passed over, and the answer says so. Raises `RebuildRunning` while a rebuild or another
    proof is at work, and what `folding.load` raises of an archive.
    """
    with rebuild_lock(engine) as cursor:
        return prove(engine, cursor, progress, archive)


def prove(
    engine: ProjectionContext,
    proof: AnyCursor,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
) -> Proof:
    """What `verify` does, while it holds the rebuild lock.

    Both sides stand at the same positions: those of one snapshot of the live tables. The log is
    looked at as of that snapshot, at the same time.
    """
    database, log, registry, reader, recheck, _ = engine
    with (
        database.connect("projector", seconds=UNLIMITED) as live_conn,
        live_conn.cursor() as live,
    ):
        states = positions.statuses(proof, registry, reader)
        halted = _halted(registry, states)
        proven = registry.only(registry.by_name.keys() - {s.name for s in halted})
        lowest = min((s.position for s in states if s.name in proven.by_name), default=0)
        why_not = _not_comparable(archive, proof.connection) if archive else ""
        ours = None if why_not else archive
        folds = _foldable(ours, proof.connection, lowest) if ours and not halted else None
        made, failed = _built(engine._replace(registry=proven), proof, lowest, progress, folds)
        copy, folded = made
        live_conn.isolation_level = IsolationLevel.REPEATABLE_READ
        at = _meet(copy, log, lowest, live)
        address, sealed = (ours.address, ours.everything) if ours else ("", [])
        snapshot = _exported(live_conn)
        with waits.beside(check, database, snapshot, recheck, address, sealed) as checking:
            digests, found = compare(live, LIVE, proof, PROOF, copy.registry)
            tables.clear(proof, PROOF)
            others, stopped = tuple(foreign.told(live)), [*halted, *failed]
            looked = checking.result()
        if why_not:
            looked = replace(looked, not_compared=(why_not,))
        return Proof(at, digests, found, stopped, looked, others, folded)


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


def _exported(conn: psycopg.Connection) -> str:
    """The snapshot of a transaction, for others to see just what it sees, as long as it lasts."""
    exported = conn.execute("select pg_export_snapshot()").fetchone()
    assert exported is not None, "a function answers a row"
    return exported[0]


_Built = tuple[ReadModelTables, Folded | None]


def _built(
    engine: ProjectionContext,
    proof: AnyCursor,
    upto: int,
    progress: Progress,
    archive: FoldedArchive | None,
) -> tuple[_Built, list[ProjectionStatus]]:
    """A copy up to a position; without the projections that cannot be made from this log.

    Where making all at once fails, each group that belongs together is made by itself, and what
    fails then is named.
    """
    try:
        return _build(engine, proof, upto, progress, archive), []
    except StatesMissing as error:
        names, because = engine.registry.by_name, f"it cannot be made from this log: {error}"
        tables.clear(proof, PROOF)
        copy = ReadModelTables(proof, engine.registry.only([]), engine.reader, PROOF)
        copy.create()
        return (copy, None), [ProjectionStatus(n, "stopped", upto, None, because) for n in names]
    except (ProjectionFailed, psycopg.Error) as error:
        if isinstance(error, psycopg.OperationalError):
            raise
    failed = [
        ProjectionStatus(name, "stopped", upto, None, because)
        for group in engine.registry.independent_groups()
        if (because := _why_not(engine._replace(registry=group), proof, upto))
        for name in group.by_name
    ]
    rest = engine.registry.only(engine.registry.by_name.keys() - {each.name for each in failed})
    return _build(engine._replace(registry=rest), proof, upto, progress), failed


def _build(
    engine: ProjectionContext,
    proof: AnyCursor,
    upto: int,
    progress: Progress,
    archive: FoldedArchive | None = None,
) -> _Built:
    tables.clear(proof, PROOF)
    copy = ReadModelTables(proof, engine.registry, engine.reader, PROOF)
    return copy, build(engine, copy, upto, progress, archive)


def _why_not(engine: ProjectionContext, proof: AnyCursor, upto: int) -> str | None:
    try:
        _build(engine, proof, upto, silent)
    except (ProjectionFailed, psycopg.Error) as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        cause = error.because if isinstance(error, ProjectionFailed) else type(error).__name__
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
        part.follow_durably()
        part.advance(batches(log, reached, position))
        reached = position
    return reached
