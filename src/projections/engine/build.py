"""One copy of some read models, in one schema, on one connection: built in bulk, then kept up.

The live tables, a rebuild's, a proof's and the temporary ones of *as of* are such copies; they
differ only in the schema, so they cannot differ in what they contain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from psycopg.sql import SQL, Identifier

from ledger import waits
from ledger.domain.events import RecordedEvent, StripeEventReceived
from ledger.domain.facts import AnyFact, EventContext
from ledger.domain.signatures import Recheck
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.flush import Flush, load
from projections.engine.fold import Fold
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

STRETCH_EVENTS = 5_000
LOAD_ROWS = 100_000


class Reader(Protocol):
    """How stored events are read as facts: in the application by `webhooks.translate`."""

    @property
    def fingerprint(self) -> str:
        """Changes when the same events would be read as other facts."""
        ...

    def __call__(self, recorded: RecordedEvent, /) -> tuple[EventContext, Sequence[AnyFact]]:
        """The facts of one event, and when and where they stand. Never raises."""
        ...


def no_secret(event: StripeEventReceived) -> Recheck:
    """What can be said of a signature where no secret is known."""
    return Recheck("unsigned" if event.signature is None else "unknown_secret")


class ProjectionContext(NamedTuple):
    """What read models are made of: the database, its log, their declarations, and the reader.

    `recheck` is how Stripe's signatures are checked again; the application passes in
    `webhooks.recheck.Rechecker`. `words` are those that a filter of a list may have though no row
    has them, by read model and column: names of what is declared above the read models.
    """

    database: Database
    log: Log
    registry: Registry
    reader: Reader
    recheck: Callable[[StripeEventReceived], Recheck] = no_secret
    words: Mapping[str, Mapping[str, Sequence[str]]] = MappingProxyType({})


def batches(
    log: Log, after: int, upto: int, size: int = STRETCH_EVENTS
) -> Iterator[list[RecordedEvent]]:
    """The log's events after a position and up to another, a list at a time."""
    while after < upto:
        waits.go_on()
        events = log.read(after, upto=upto, limit=size)
        if not events:
            return
        yield events
        after = events[-1].position


def folded(events: Iterable[RecordedEvent], reader: Reader, into: Fold) -> Fold:
    """A fold that goes on with these events; raises `ProjectionFailed` where a handler does."""
    for recorded in events:
        into.add(*reader(recorded))
    return into


class ReadModelTables:
    """Read models of a registry in the schema that the cursor's connection is set to use."""

    def __init__(self, cursor: AnyCursor, registry: Registry, reader: Reader, schema: str) -> None:
        self.cursor = cursor
        self.registry = registry
        self.reader = reader
        self.schema = schema
        self.flushed_rows = 0
        self._flush: Flush | None = None
        tables.use(cursor, schema)

    def build_quickly(self) -> None:
        """Tell PostgreSQL that what is written from now on can be built again if it is lost."""
        self.cursor.execute("set synchronous_commit = off")
        self.cursor.execute("set maintenance_work_mem = '256MB'")
        self.cursor.execute("set max_parallel_maintenance_workers = 0")

    def create(self) -> None:
        """Make the tables, empty and without the indexes that only readers need."""
        tables.create(self.cursor, self.registry.tables.values())

    def fold(self, events: Iterable[RecordedEvent], into: Fold | None = None) -> Fold:
        """Fold a batch for the whole registry, or go on with a fold."""
        return folded(events, self.reader, Fold(self.registry) if into is None else into)

    def load(self, batches: Iterable[list[RecordedEvent]]) -> None:
        """Put batches into tables that were just made, in transactions of a bounded size."""
        fold = Fold(self.registry)
        for events in batches:
            if len(self.fold(events, into=fold)) >= LOAD_ROWS:
                self._load(fold)
                fold = Fold(self.registry)
        self._load(fold)

    def _load(self, fold: Fold) -> None:
        with self.cursor.connection.transaction():
            load(self.cursor, fold)

    def finish(self) -> None:
        """Make derived rows, rollups and indexes of what was loaded."""
        tables.finish(self.cursor, self.registry.tables.values())

    def follow_durably(self) -> Flush:
        """Make ready for `flush`: commits count, and few rows of large tables are looked up.

        Raises `ProjectionFailed` naming one whose table is not there, or may not be read.
        """
        self.cursor.execute("set synchronous_commit = on")
        # What is touched changes from batch to batch, how it is best looked up does not.
        self.cursor.execute("set plan_cache_mode = force_generic_plan")
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"):
            self.cursor.execute(SQL("set {} = off").format(Identifier(setting)))
        # What is wrong with one projection's statement is told when it is executed, by its line.
        self.cursor.execute("set check_function_bodies = off")
        self._flush = Flush(self.cursor, self.registry)
        return self._flush

    def flush(self, fold: Fold) -> None:
        """Bring finished tables up to date with a fold, in the caller's transaction."""
        assert self._flush is not None, "it was made ready to follow"
        self._flush(fold)
        self.flushed_rows += len(fold)

    def advance(self, batches: Iterable[list[RecordedEvent]]) -> None:
        """Bring finished tables up to date with batches, a transaction each."""
        for events in batches:
            fold = self.fold(events)
            with self.cursor.connection.transaction():
                self.flush(fold)
