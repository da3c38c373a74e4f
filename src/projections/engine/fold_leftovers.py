"""What lies beside an archive's segments and is of no use any more, and what of it is not whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from projections.engine import fold_objects
from projections.engine.fold_objects import Job

PART: Final = re.compile(r"(?:.*/)?[^/]+\.[0-9a-f]{32}\.part")
FOLDED: Final = re.compile(
    r"folds/[0-9a-f]{16}/[0-9a-f]{16}/\d{12}-\d{12}|merged/[0-9a-f]{16}/[0-9a-f]{16}/part-\d{2,}"
)
FOLDERS: Final = ("folds", "merged")
WRITTEN: Final = timedelta(hours=1)
"""A part of a file that did not change for so long is of a process that ended."""


class Leftover(NamedTuple):
    """An object that may be removed, by its name, its size in bytes, and what it is."""

    name: str
    size: int
    what: str


def names(job: Job, sealed: Sequence[Manifest]) -> list[str]:
    """The names of all objects that a rebuild from these segments reads."""
    if not sealed:
        return []
    folds = fold_objects.fold_tasks(job, sealed)
    return [task.name for task in (*folds, *fold_objects.merge_tasks(job, folds))]


def left_over(store: Store, used: Iterable[str], now: datetime) -> Iterator[Leftover]:
    """What is not used any more: folds that are not `used`, and parts of files of killed processes.

    Never a segment, nor anything that is not made by Ledger; other folders are not looked into.
    """
    kept = set(used)
    for name, size, changed_at in store.everything(*FOLDERS):
        if PART.fullmatch(name):
            if now - changed_at > WRITTEN:
                yield Leftover(name, size, "a part of a file, by a process that was killed")
        elif FOLDED.fullmatch(name) and name not in kept:
            yield Leftover(name, size, "a fold of other events, another version or other settings")


def remove(store: Store, found: Iterable[Leftover]) -> None:
    """Remove these; raises `ArchiveUnavailable` where one cannot be."""
    for each in found:
        assert PART.fullmatch(each.name) or FOLDED.fullmatch(each.name), "never a segment"
        store.remove(each.name)
