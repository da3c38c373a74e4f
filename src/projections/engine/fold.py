"""Folding facts into rows: any part of the log, and any two neighbouring parts."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import DataError

from ledger.domain.facts import AnyFact, EventContext
from ledger.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    EngineUnavailable,
    ForeignWorker,
    RebuildBlocked,
    StatesMissing,
    Stopped,
)
from ledger.postgres.failures import told
from projections.engine.causes import cause_of
from projections.engine.declare import Change, Handler, Journal, Mirror, Projection
from projections.engine.registry import bases

Rows = dict[Any, list[Any]]

WORDS_ARE_SAFE: Final = (
    ArchiveDamaged,
    ArchiveUnavailable,
    EngineUnavailable,
    ForeignWorker,
    RebuildBlocked,
    StatesMissing,
    Stopped,
)
"""Errors whose words hold no personal data, and say the cure."""


class ProjectionFailed(Exception):
    """A projection's own code or SQL failed; `because` says how, with the cure."""

    def __init__(self, projection: str, because: str) -> None:
        super().__init__(projection, because)
        self.projection = projection
        self.because = because

    @classmethod
    def of(cls, projection: str, error: BaseException) -> ProjectionFailed:
        """One by an error that was raised in it."""
        return cls(projection, cause_of(error, projection))

    def __str__(self) -> str:
        return f"{self.projection}: {self.because}"


@contextmanager
def storing(projection: str) -> Generator[None]:
    """Say whose row it is that has a value its column does not take: raises `ProjectionFailed`."""
    try:
        yield
    except (DataError, struct.error, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ProjectionFailed.of(projection, error) from error


def cause_told(error: BaseException) -> str:
    """What ended a rebuild or a proof, for the record that is kept of it; no personal data."""
    if isinstance(error, ProjectionFailed):
        return str(error)
    if isinstance(error, WORDS_ARE_SAFE) or isinstance(error.__cause__, ArchiveUnavailable):
        return f"{type(error).__name__}: {str(error) or type(error).__doc__}"
    return told(error)


class Fold:
    """The changes of a part of the log, merged: one row a key in each table."""

    def __init__(self, projections: Iterable[Projection]) -> None:
        self.projections = tuple(projections)
        self.rows: dict[Mirror | Journal, Rows] = {
            table: {} for projection in self.projections for table in bases(projection)
        }
        self._handlers: dict[type[AnyFact], list[tuple[str, Handler]]] = {}
        for projection in self.projections:
            for fact, handler in projection.handlers.items():
                self._handlers.setdefault(fact, []).append((projection.name, handler))

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))

    def add(self, at: EventContext, facts: Sequence[AnyFact]) -> None:
        """Fold the facts of one event; raises `ProjectionFailed` where a handler does."""
        for fact in facts:
            for name, handler in self._handlers.get(type(fact), ()):
                try:
                    self.put(handler(fact, at))
                except Exception as error:
                    raise ProjectionFailed.of(name, error) from error

    def put(self, changes: Iterable[Change]) -> None:
        """Merge changes, each into the row of its key."""
        for table, row in changes:
            rows = self.rows[table]
            key = row[: table.key_length]
            known = rows.get(key)
            if known is None:
                rows[key] = list(row)
            else:
                table.merge(known, row)

    def merge(self, later: Fold) -> None:
        """Add the fold of the part that follows."""
        for table, rows in later.rows.items():
            self.put((table, tuple(row)) for row in rows.values())
