"""`ledger import`: append the Stripe events of files and folders, verbatim and each id once."""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ledger.domain.events import Metadata, StripeEventReceived
from ledger.log import Log
from webhooks.ingest.append import IngestReport, Offer, Rejection, append_all
from webhooks.ingest.event_files import Unreadable, events_in

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
HIDDEN = "."
"""What the name of a hidden file or folder begins with."""

_META = Metadata(actor="operator")


class ImportReport(IngestReport, kw_only=True):
    """What became of the files; `ignored` counts those in folders that are named as no JSON.

    `hidden` counts the hidden files and folders that were passed over. A `where` is `file:line`.
    """

    files: int = 0
    ignored: int = 0
    hidden: int = 0
    bytes_read: int = 0


def import_events(
    paths: Iterable[Path],
    log: Log,
    *,
    progress: Callable[[int, int], None] = lambda _read, _total: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImportReport:
    """Append the events of these files, and of the files in these folders and below.

    In folders only names that end in `SUFFIXES` count; they are read in the order of their paths.
    What is hidden there (`.git`, `.DS_Store`, `._x`) is passed over, and counted; a file or folder
    that is named itself is read, hidden or not.
    Whether a file is one document or lines of JSON is told by its content. What cannot be read is
    reported and stops nothing. Running it again appends the rest. `progress` hears the bytes read
    and the bytes in all after every commit. Raises `StoreUnavailable`.
    """
    report = ImportReport()
    files = list(_files(paths, report))
    total = sum(_size(file) for file in files)
    for _ in append_all(log, _offers(files, report, clock), _META, report):
        progress(report.bytes_read, total)
    progress(total, total)
    return report


def _files(paths: Iterable[Path], report: ImportReport) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for file in sorted(_seen(path, report)):
            if file.suffix.lower() in SUFFIXES:
                yield file
            else:
                report.ignored += 1


def _seen(folder: Path, report: ImportReport) -> Iterator[Path]:
    """The files in a folder and below that are not hidden; counts those, and folders, that are."""
    for place, folders, files in os.walk(folder):
        seen = [name for name in folders if not name.startswith(HIDDEN)]
        report.hidden += len(folders) - len(seen)
        folders[:] = seen  # it goes down into these only
        for file in (Path(place, name) for name in files):
            if file.name.startswith(HIDDEN):
                report.hidden += 1
            elif file.is_file():
                yield file


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # reading it says why


def _offers(
    files: Iterable[Path], report: ImportReport, clock: Callable[[], datetime]
) -> Iterator[Offer]:
    for path in files:
        report.files += 1
        try:
            with path.open("rb") as file:
                yield from _offers_of(path, file, report, clock)
        except OSError as error:
            report.rejected.append(Rejection(str(path), error.strerror or str(error)))


def _offers_of(
    path: Path, file: BinaryIO, report: ImportReport, clock: Callable[[], datetime]
) -> Iterator[Offer]:
    read_before = report.bytes_read
    for found in events_in(file):
        where = f"{path}:{found.line}"
        report.bytes_read = read_before + file.tell()
        if isinstance(found, Unreadable):
            report.rejected.append(Rejection(where, found.cause))
            continue
        event = StripeEventReceived(
            event_id=found.event_id, body=found.body, received_at=clock(), source="import"
        )
        yield Offer(where, event)
