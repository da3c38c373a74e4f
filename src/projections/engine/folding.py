"""Building from the archive: sealed events are folded and merged on an engine, and copied in."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg import Connection, DataError, Error, IntegrityError
from psycopg.sql import SQL, Identifier

from ledger import waits
from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from ledger.errors import ArchiveDamaged, ArchiveUnavailable
from ledger.postgres.database import UNLIMITED
from projections.engine import engines, fold_objects
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.declare import Journal, Mirror
from projections.engine.digest import LEAF_POSITIONS, Leaf
from projections.engine.packed import END, HEAD
from projections.engine.parallel import at_once
from projections.engine.tables import AnyCursor, names


class FoldedArchive(NamedTuple):
    """An archive to build from: where it lies, its segments from position 1 on, and the engine.

    Its folds are cut into so many `parts`. With `again` those that are there are made once more,
    and none is believed. Segments `beyond` a gap are not folded; a proof compares them with the
    log. `unread` says why nothing of it can be read, where that is so, with the cure.
    """

    address: str
    sealed: Sequence[Manifest]
    engine: str = engines.PROCESSES
    parts: int = fold_objects.PARTS
    again: bool = False
    beyond: Sequence[Manifest] = ()
    unread: str = ""

    @property
    def everything(self) -> list[Manifest]:
        """All that is sealed, in the log's order."""
        return [*self.sealed, *self.beyond]

    @property
    def last(self) -> int:
        """The last position in it."""
        return self.sealed[-1].last if self.sealed else 0

    @property
    def cuts_no_leaf(self) -> bool:
        """Whether each fold begins and ends where a leaf of a journal does."""
        ends = [end for each in self.sealed for end in (each.first - 1, each.last)]
        ends.append(fold_objects.TASK_EVENTS)
        return not any(end % LEAF_POSITIONS for end in ends)

    def upto(self, position: int) -> FoldedArchive:
        """The segments that end no later than at a position."""
        return self._replace(sealed=[each for each in self.sealed if each.last <= position])


def readable(find: Callable[[], FoldedArchive | None]) -> FoldedArchive | None:
    """The archive that is found, or one that says why it cannot be read: a proof goes on then."""
    try:
        return find()
    except (ArchiveDamaged, ArchiveUnavailable) as error:
        return FoldedArchive("", (), unread=str(error))


@contextmanager
def doing_without() -> Generator[None]:
    """Say of an archive that is in the way of a rebuild how to do without it."""
    try:
        yield
    except (ArchiveDamaged, ArchiveUnavailable) as error:
        without = "(where nothing was offloaded, `ledger rebuild --no-archive` does without)"
        raise type(error)(f"{error} {without}") from error


class Folded(NamedTuple):
    """How many folds and merged parts of events up to a position there were, and which were made.

    The others were believed. `differed` are the names of those that were there and were not what
    their events come to, of those that were made `again`; `torn` of those that were not whole.
    """

    last: int
    objects: int
    made: int
    differed: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def believed(self) -> int:
        """How many were there, and were taken as they are."""
        return self.objects - self.made


class Objects(NamedTuple):
    """The objects that stand for all sealed events, by their names, and what became of them."""

    address: str
    folds: tuple[str, ...]
    merged: tuple[str, ...]
    folded: Folded


def fold(
    engine: ProjectionContext,
    archive: FoldedArchive,
    folded: Callable[[int], None] = lambda _: None,
) -> Objects:
    """Fold and merge all sealed events, as far as that was not done.

    What an engine does is in the store, and found by the next run, whatever ended this one.
    `folded` is called with how many events are folded.
    Raises `ArchiveDamaged`, `ArchiveUnavailable`, `EngineUnavailable`, `ForeignWorker`,
    `ProjectionFailed`.
    """
    store = Store(archive.address)
    job = fold_objects.job_of(
        archive.address,
        engine.registry,
        engine.reader,
        engine.database.time_zone,
        archive.parts,
        again=archive.again,
    )
    folds = fold_objects.fold_tasks(job, archive.sealed)
    merges = fold_objects.merge_tasks(job, folds)
    whole = fold_objects.are_whole(store, [task.name for task in (*folds, *merges)])
    new_merges = [task for task in merges if archive.again or not whole[task.name]]
    new_folds = [task for task in folds if archive.again or not whole[task.name]]
    differed: list[str] = []
    with engines.opened(archive.engine) as run:
        done = archive.last - sum(task.last - task.first + 1 for task in new_folds)
        for made in run(fold_objects.fold, new_folds):
            done += made.events
            differed += [made.name] * made.differed
            folded(done)
        for made in run(fold_objects.merge, new_merges):
            waits.go_on()
            differed += [made.name] * made.differed
    made_now = len(new_folds) + len(new_merges)
    torn = tuple(sorted(name for name, is_whole in whole.items() if is_whole is False))
    return Objects(
        archive.address,
        tuple(task.name for task in folds),
        tuple(task.name for task in merges),
        Folded(archive.last, len(whole), made_now, tuple(sorted(differed)), torn),
    )


def unfit(error: Error) -> ArchiveDamaged:
    """What is said of folds that PostgreSQL does not take."""
    return ArchiveDamaged(
        f"The folds beside the archive do not fit together ({error.diag.message_primary}):"
        " `ledger verify --from-scratch` makes them again, and names those that were others."
    )


def leaves(objects: Objects) -> dict[str, list[Leaf]]:
    """The leaves of journals that the folds have, by table; raises `ArchiveDamaged`."""
    return fold_objects.leaves(Store(objects.address), objects.folds)


def copy(
    engine: ProjectionContext, schema: str, objects: Objects, tables: Iterable[Mirror | Journal]
) -> None:
    """Copy what these tables have in the objects into this schema, over several connections.

    Each object is copied in once, in a transaction of its own; where one fails, the tables are not
    used. Raises `ArchiveDamaged`, `ArchiveUnavailable`.
    """
    store, bases = Store(objects.address), {table.name: table for table in tables}

    @contextmanager
    def connect() -> Generator[Connection]:
        with engine.database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn:
            ReadModelTables(conn.cursor(), engine.registry, engine.reader, schema).build_quickly()
            yield conn

    def copy_one(cursor: AnyCursor, name: str) -> None:
        with cursor.connection.transaction():
            for table, data in fold_objects.tables(store, name, bases):
                waits.go_on()
                statement = SQL("copy {} ({}) from stdin (format binary)").format(
                    Identifier(table.name), names(table.columns)
                )
                with cursor.copy(statement) as into:
                    into.write(HEAD + data + END)

    try:
        at_once(connect, copy_one, (*objects.folds, *objects.merged))
    except (DataError, IntegrityError) as error:
        raise unfit(error) from error
