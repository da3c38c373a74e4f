"""The proof: read models made again from event 1 in a scratch schema, and compared byte by byte.

It names all damage: each table that differs, and each fault of the log (`log_check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import IsolationLevel
from psycopg.sql import SQL, Literal

from ledger import waits
from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from projections.engine import foreign, positions, tables
from projections.engine.build import ProjectionContext, ReadModelTables, batches
from projections.engine.digest import TableDifference, compare
from projections.engine.fold import ProjectionFailed
from projections.engine.log_check import LogReport, check
from projections.engine.positions import ProjectionStatus
from projections.engine.rebuild import Progress, build, rebuild_lock, silent
from projections.engine.registry import Registry
from projections.engine.tables import LIVE, PROOF, AnyCursor


class Proof(NamedTuple):
    """What a verification found. `position` is the last that was proven.

    `differences` are all tables that are not what the log says. `halted` are projections that do
    not follow, or that cannot be made from this log: nothing can be said of them. `log` says what
    is wrong with the log itself, and what its signatures say. `foreign` is what others made among
    the read models or on top of them, which was not looked at.
    """

    position: int
    tables: dict[str, str]
    differences: list[TableDifference]
    halted: list[ProjectionStatus]
    log: LogReport
    foreign: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there was nothing to prove."""
        return self.log.events == 0 and not (self.log.faults or self.halted)

    @property
    def holds(self) -> bool:
        """Whether everything was proven; nothing is no proof."""
        return not (self.empty or self.differences or self.halted or self.log.faults)


def verify(engine: ProjectionContext, progress: Progress = silent) -> Proof:
    """Rebuild everything from event 1 beside the live read models and compare table by table.

    Raises `RebuildRunning` while a rebuild or another proof is at work.
    """
    with rebuild_lock(engine) as cursor:
        return prove(engine, cursor, progress)


def prove(engine: ProjectionContext, proof: AnyCursor, progress: Progress = silent) -> Proof:
    """What `verify` does, while it holds the rebuild lock.

    Both sides stand at the same positions: those of one snapshot of the live tables. The log is
    looked at as of that snapshot, at the same time.
    """
    database, log, registry, reader, recheck, _ = engine
    with (
        database.connect("projector", seconds=UNLIMITED) as live_conn,
        live_conn.cursor() as live,
        database.connect("projector", seconds=UNLIMITED) as log_conn,
    ):
        states = positions.statuses(proof, registry, reader)
        halted = _halted(registry, states)
        proven = registry.only(registry.by_name.keys() - {s.name for s in halted})
        lowest = min((s.position for s in states if s.name in proven.by_name), default=0)
        copy, failed = _built(engine._replace(registry=proven), proof, lowest, progress)
        live_conn.isolation_level = IsolationLevel.REPEATABLE_READ
        at = _meet(copy, log, lowest, live)
        _share_snapshot(live_conn, log_conn)
        with waits.beside(check, log_conn, log.mapper, recheck) as checking:
            made, found = compare(live, LIVE, proof, PROOF, copy.registry)
            tables.clear(proof, PROOF)
            others = tuple(foreign.told(live))
            return Proof(at, made, found, [*halted, *failed], checking.result(), others)


def _share_snapshot(one: psycopg.Connection, other: psycopg.Connection) -> None:
    """Let the other's transaction, which begins here, see just what this one's sees."""
    exported = one.execute("select pg_export_snapshot()").fetchone()
    assert exported is not None, "a function answers a row"
    other.isolation_level = IsolationLevel.REPEATABLE_READ
    other.execute(SQL("set transaction snapshot {}").format(Literal(exported[0])))


def _built(
    engine: ProjectionContext, proof: AnyCursor, upto: int, progress: Progress
) -> tuple[ReadModelTables, list[ProjectionStatus]]:
    """A copy up to a position; without the projections that cannot be made from this log.

    Where making all at once fails, each group that belongs together is made by itself, and what
    fails then is named.
    """
    try:
        return _build(engine, proof, upto, progress), []
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
    engine: ProjectionContext, proof: AnyCursor, upto: int, progress: Progress
) -> ReadModelTables:
    tables.clear(proof, PROOF)
    copy = ReadModelTables(proof, engine.registry, engine.reader, PROOF)
    build(engine, copy, upto, progress)
    return copy


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
