"""A rebuild: read models made anew from event 1 beside the live ones, then put in their place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ledger.domain.events import Recorded
from ledger.errors import RebuildRunning
from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from projections.engine import parallel, positions, tables
from projections.engine.build import Copy, Engine, stretches
from projections.engine.registry import Registry
from projections.engine.tables import LIVE, REBUILD, AnyCursor

NEARLY = 2_000
ALONE = "select pg_try_advisory_lock(hashtext('ledger rebuild'))"

Progress = Callable[[int, int], None]
"""Called with the position that was reached and the one to reach."""


def silent(_reached: int, _upto: int) -> None:
    """Report no progress."""


def rebuild(
    engine: Engine, names: Sequence[str] = (), progress: Progress = silent
) -> tuple[Registry, int]:
    """Rebuild these projections with all that reads them or is read by them; all for no name.

    Readers see the old tables until the new ones take their place in one transaction. Answers
    what was rebuilt, and up to which position. Raises `RebuildRunning` while another one runs.
    """
    with workshop(engine) as cursor:
        return remake(engine, cursor, names, progress)


def remake(
    engine: Engine, cursor: AnyCursor, names: Sequence[str] = (), progress: Progress = silent
) -> tuple[Registry, int]:
    """What `rebuild` does, in a workshop."""
    log, registry = engine.log, engine.registry
    chosen = registry.pick(names)
    tables.clear(cursor, REBUILD)
    copy = Copy(cursor, chosen, engine.reader, REBUILD)
    reached = log.head()
    build(engine._replace(registry=chosen), copy, reached, progress)
    while (head := log.head()) - reached > NEARLY:
        copy.advance(stretches(log, reached, head))
        reached = head
    return chosen, _swap(copy, log, reached, whole=chosen.by_name == registry.by_name)


@contextmanager
def workshop(engine: Engine) -> Generator[AnyCursor]:
    """Where read models are made beside the live ones, by one at a time.

    Raises `RebuildRunning` where another is at work, or `StoreUnavailable`.
    """
    with (
        engine.database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn,
        conn.cursor() as cursor,
        alone(cursor),
    ):
        yield cursor


@contextmanager
def alone(cursor: AnyCursor) -> Generator[None]:
    """Be the only rebuild or proof of this database; raises `RebuildRunning` where one is."""
    if cursor.execute(ALONE).fetchone() != (True,):
        raise RebuildRunning
    try:
        yield
    finally:
        if not cursor.connection.closed:
            cursor.execute("select pg_advisory_unlock_all()")


def build(engine: Engine, copy: Copy, upto: int, progress: Progress = silent) -> None:
    """Make a copy's tables from event 1 up to a position, ready to be advanced."""
    copy.build_quickly()
    copy.create()
    copy.stage()
    if parallel.is_worthwhile(engine, upto):
        for done in parallel.load(engine, copy.schema, upto):
            progress(done, upto)
        parallel.finish(engine, copy.schema)
    else:
        copy.load(_reported(stretches(engine.log, 0, upto), upto, progress))
        copy.finish()
    copy.follow_durably()


def _reported(
    batches: Iterable[list[Recorded]], upto: int, progress: Progress
) -> Iterator[list[Recorded]]:
    for events in batches:
        yield events
        progress(events[-1].position, upto)


def _swap(copy: Copy, log: Log, reached: int, *, whole: bool) -> int:
    cursor, chosen = copy.cursor, copy.registry
    with cursor.connection.transaction():
        positions.locked(cursor, chosen.by_name)
        head = log.head()
        copy.flush(copy.fold(event for events in stretches(log, reached, head) for event in events))
        moved = list(chosen.tables.values())
        if whole:
            tables.clear(cursor, LIVE)
        else:
            tables.drop(cursor, LIVE, moved)
        tables.move(cursor, REBUILD, LIVE, moved)
        positions.built(cursor, chosen, chosen.by_name, copy.reader, position=head)
    return head
