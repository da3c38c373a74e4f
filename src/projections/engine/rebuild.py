"""A rebuild: read models made again from event 1 beside the live ones, then put in their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import IntegrityError
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Identifier

from ledger.archive import sealing
from ledger.domain.events import RecordedEvent
from ledger.errors import (
    ProjectionStopped,
    RebuildBlocked,
    RebuildRefused,
    RebuildRunning,
)
from ledger.log import Log
from ledger.postgres.database import UNLIMITED, Database
from ledger.postgres.failures import check_head
from ledger.postgres.leadership import REBUILD as REBUILD_DUTY
from ledger.postgres.leadership import take
from projections.engine import folding, foreign, parallel, positions, tables
from projections.engine.build import ProjectionContext, ReadModelTables, batches
from projections.engine.declare import Journal, Mirror
from projections.engine.fold import ProjectionFailed
from projections.engine.folding import FoldedArchive, Objects
from projections.engine.proofs import last_proof
from projections.engine.registry import Registry, bases
from projections.engine.tables import LIVE, REBUILD, AnyCursor

NEARLY = 2_000

SWAP_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
ENDS = """
select (select position from ledger.head), coalesce(max(notification_id), 0), count(*)
from ledger.stored_events
"""
"""In one statement, and so at one moment; it takes far less time than a rebuild of the events."""
DECIDED = (
    " Who has decided to believe it: `ledger rebuild --believe-the-log`, or over HTTP"
    " `believe_log`."
)
OTHERS = """
select distinct a.pid, a.application_name
from pg_catalog.pg_locks as l
join pg_catalog.pg_stat_activity as a using (pid)
join pg_catalog.pg_class as c on c.oid = l.relation
where l.granted and a.pid <> pg_backend_pid()
    and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
    and c.relnamespace = %(schema)s::regnamespace and c.relname = any(%(names)s)
order by a.pid
"""

Progress = Callable[[int, int], None]
"""Called with the position that was reached and the one to reach."""


def silent(_reached: int, _upto: int) -> None:
    """Report no progress."""


def rebuild(
    engine: ProjectionContext,
    names: Sequence[str] = (),
    progress: Progress = silent,
    *,
    believe_log: bool = False,
    archive: FoldedArchive | None = None,
) -> tuple[Registry, int]:
    """Rebuild these projections with all that reads them or is read by them; all for no name.

    Readers see the old tables until the new ones take their place in one transaction. What is in an
    `archive` of this log is read there, and the rest in the database; not where only some are
    rebuilt. Answers what was rebuilt, and up to which position. Raises `RebuildRunning` while
    another one runs, `RebuildBlocked` where others stand in the way of the new tables,
    `ProjectionStopped` where one cannot be made from this log, what `folding.fold` raises of an
    archive, and, unless the caller asks to `believe_log`, what `check_log` raises.
    """
    with rebuild_lock(engine.database) as cursor:
        if not believe_log:
            check_log(engine, cursor)
        return rebuild_locked(engine, cursor, names, progress, archive)


def rebuild_locked(
    engine: ProjectionContext,
    cursor: AnyCursor,
    names: Sequence[str] = (),
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
) -> tuple[Registry, int]:
    """What `rebuild` does, while it holds the rebuild lock."""
    log, registry = engine.log, engine.registry
    chosen = registry.pick(names)
    check_free(engine, cursor, names)
    if archive:
        sealing.check_of_this_log(cursor.connection, archive.sealed)
    whole = chosen.by_name == registry.by_name
    try:
        with tables.scratch(cursor, REBUILD):
            copy = ReadModelTables(cursor, chosen, engine.reader, REBUILD)
            reached, there = log.head(), engine._replace(registry=chosen)
            build(there, copy, reached, progress, archive if whole else None)
            while (head := log.head()) - reached > NEARLY:
                copy.advance(batches(log, reached, head))
                reached = head
            return chosen, _swap(copy, log, reached, whole=whole)
    except ProjectionFailed as failure:
        what = f"{failure.projection} cannot be made from this log"
        raise ProjectionStopped(f"{what}: {failure.because}. Nothing changed.") from failure


def check_log(engine: ProjectionContext, cursor: AnyCursor) -> None:
    """Raise `RebuildRefused` where it is known that a rebuild would believe a damaged log.

    That is so after a proof that found the log damaged, until one that does not; where the head is
    not where the log ends, or positions have no event; and where the log is empty, and the read
    models hold what it held.
    Where there is no head, `LogDamaged`.
    """
    row = cursor.execute(ENDS).fetchone()
    assert row is not None, "it is one row"
    head, end, events = check_head(row[0]), row[1], row[2]
    if not head == end == events:
        raise RebuildRefused(
            f"The log is damaged: its head is {head:,}, its last event stands at {end:,}, and there"
            f" are {events:,} events. Restore it from a backup; `ledger verify` names every place."
            f"{DECIDED}"
        )
    if head == 0 and (positions.furthest(cursor) or 0) > 0:
        raise RebuildRefused(f"{positions.EMPTIED}{DECIDED}")
    proof = last_proof(cursor.connection, engine)
    if proof is not None and proof.log_is_damaged:
        raise RebuildRefused(
            f"The proof of {proof.ended_at:%F %T} UTC found this: {'; '.join(proof.found)}. A"
            f" rebuild would believe that. What to do: {proof.cure}. Once that finds no damage of"
            f" the log, nothing is refused.{DECIDED}"
        )


def check_free(engine: ProjectionContext, cursor: AnyCursor, names: Sequence[str] = ()) -> None:
    """Raise `RebuildBlocked` where what others made would stop a rebuild of these at its end."""
    chosen = engine.registry.pick(names)
    made = tables.relations(chosen.tables.values())
    whole = chosen.by_name == engine.registry.by_name
    foreign.check_free(cursor, made, None if whole else made)


@contextmanager
def rebuild_lock(database: Database) -> Generator[AnyCursor]:
    """Where read models are made beside the live ones, by one at a time.

    Raises `RebuildRunning` where another is at work, or `StoreUnavailable`.
    """
    with (
        database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn,
        conn.cursor() as cursor,
        alone(cursor),
    ):
        yield cursor


@contextmanager
def alone(cursor: AnyCursor) -> Generator[None]:
    """Be the only rebuild or proof of this database; raises `RebuildRunning` where one is."""
    if not take(cursor, REBUILD_DUTY):
        raise RebuildRunning
    try:
        yield
    finally:
        if not cursor.connection.closed:
            cursor.execute("select pg_advisory_unlock_all()")


def build(
    engine: ProjectionContext,
    copy: ReadModelTables,
    upto: int,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
) -> None:
    """Make a copy's tables from event 1 up to a position, ready to be advanced.

    Events of an `archive` are taken from there.
    """
    finish(engine, copy, upto, load(engine, copy, upto, progress, archive))
    copy.follow_durably()


def load(
    engine: ProjectionContext,
    copy: ReadModelTables,
    upto: int,
    progress: Progress = silent,
    archive: FoldedArchive | None = None,
    *,
    without: Collection[Mirror | Journal] = (),
) -> Objects | None:
    """Make a copy's tables, and fill mirrors and journals from event 1 up to a position.

    Events of an `archive` are taken from there; answers with which folds. What those have for
    tables `without` which the copy is made is not copied.
    """
    copy.build_quickly()
    copy.create()
    objects, after = None, 0
    if archive and archive.sealed and parallel.can_find(engine.registry):
        objects = folding.fold(engine, archive, lambda done: progress(done, upto))
        copied = [
            table for each in engine.registry for table in bases(each) if table not in without
        ]
        folding.copy(engine, copy.schema, objects, copied)
        after = archive.last
    if parallel.is_worthwhile(engine, upto - after):
        for done in parallel.load(engine, copy.schema, after, upto):
            progress(done, upto)
    else:
        copy.load(_reported(batches(engine.log, after, upto), upto, progress))
    return objects


def finish(
    engine: ProjectionContext, copy: ReadModelTables, events: int, objects: Objects | None
) -> None:
    """Make derived rows, rollups and indexes of so many events that were loaded.

    Raises `ArchiveDamaged` where the objects that some were taken from do not fit together.
    """
    try:
        if parallel.is_worthwhile(engine, events):
            parallel.finish(engine, copy.schema)
        else:
            copy.finish()
    except IntegrityError as error:
        if objects is None:
            raise
        raise folding.unfit(error) from error


def _reported(
    batches: Iterable[list[RecordedEvent]], upto: int, progress: Progress
) -> Iterator[list[RecordedEvent]]:
    for events in batches:
        yield events
        progress(events[-1].position, upto)


def _swap(copy: ReadModelTables, log: Log, reached: int, *, whole: bool) -> int:
    """Put the new tables in place as soon as no session reads the old ones; answers the position.

    It never queues behind a reader, and so no reader queues behind it: it takes all locks at once,
    or none and tries again. Raises `RebuildBlocked` after `SWAP_SECONDS`.
    """
    deadline, pause = time.monotonic() + SWAP_SECONDS, FIRST_PAUSE_SECONDS
    while True:
        head = log.head()
        copy.advance(batches(log, reached, head))
        reached = head
        try:
            return _swap_now(copy, log, reached, whole=whole)
        except LockNotAvailable:
            if time.monotonic() > deadline:
                others = _others(copy, whole=whole)
                raise RebuildBlocked(
                    f"The new tables were ready, but for {SWAP_SECONDS:.0f} s others used the old"
                    f" ones: {others}. Nothing changed; end them, or rebuild at another time."
                ) from None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _swap_now(copy: ReadModelTables, log: Log, reached: int, *, whole: bool) -> int:
    cursor, chosen = copy.cursor, copy.registry
    with cursor.connection.transaction():
        positions.locked(cursor, chosen.by_name)
        head = log.head()
        copy.flush(copy.fold(event for events in batches(log, reached, head) for event in events))
        moved = list(chosen.tables.values())
        removed = None if whole else tables.relations(moved)
        _lock_at_once(cursor, _live(copy, whole=whole))
        foreign.check_free(cursor, tables.everything(cursor, REBUILD), removed)
        tables.drop(cursor, LIVE, removed)
        tables.move(cursor, REBUILD, LIVE, moved)
        positions.built(cursor, chosen, chosen.by_name, copy.reader, position=head)
    return head


def _live(copy: ReadModelTables, *, whole: bool) -> list[str]:
    """The live tables whose place is to be taken, by name, and the one that readers hold."""
    chosen = None if whole else list(copy.registry.tables)
    return ["held", *tables.ours(copy.cursor, LIVE, chosen)]


def _lock_at_once(cursor: AnyCursor, names: Sequence[str]) -> None:
    """All of them, or none and `LockNotAvailable`, without a moment of waiting."""
    taken = SQL(", ").join(Identifier(LIVE, name) for name in names)
    cursor.execute(SQL("lock table {} in access exclusive mode nowait").format(taken))


def _others(copy: ReadModelTables, *, whole: bool) -> str:
    """Who holds a lock on the live tables, as far as a session may know of others."""
    asked = {"schema": LIVE, "names": _live(copy, whole=whole)}
    rows = copy.cursor.execute(OTHERS, asked).fetchall()
    return ", ".join(f"process {pid} ({name or 'unnamed'})" for pid, name in rows) or "gone by now"
