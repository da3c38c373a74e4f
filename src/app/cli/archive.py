"""`ledger archive`: sealed segments of the log in a folder or an object store."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from app.cli.context import may_make, ready
from app.cli.output import BAD_ANSWER, NOTHING_CHANGED, counted, progress, show, table
from ledger.errors import ArchiveDamaged

if TYPE_CHECKING:
    from ledger.archive.sealing import Finding, Span
    from ledger.archive.segments import Manifest
    from ledger.archive.store import Store
    from ledger.postgres.database import Database
    from projections.engine.fold_leftovers import Leftover

app = typer.Typer(
    name="archive", help="The archive: the log as sealed files.", no_args_is_help=True
)

MOST_DAYS: Final = 100_000
"""No event is older: a date before the year 1 is none."""

To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="URL", help="A folder, s3://bucket/…, gs://…; default: LEDGER_ARCHIVE."
    ),
]


class Archive(NamedTuple):
    """The archive that a verb works on, the log that it is of, and where that log ends."""

    store: Store
    sealed: list[Manifest]
    database: Database
    head: int
    size: int
    foreign: list[Finding]
    """Segments of whose events the last one is not the log's."""
    offloaded: list[Span]
    """Positions whose states lie in the archive only."""
    used: list[str]
    """The folds that a rebuild of this version, with these settings, reads."""


@contextmanager
def archive(to: str | None, *, alone: bool = False) -> Generator[Archive]:
    """The archive of this address, or of the settings; `alone` where nobody else may change it.

    What lies there is looked at once no other seal or offload is at work.
    """
    from app.wiring import fold_job, open_log
    from ledger.archive import sealing, segments
    from ledger.archive.store import Store
    from ledger.errors import SettingsError
    from projections.engine import fold_leftovers

    settings = ready()
    address = to or settings.ledger_archive
    with open_log(settings, migrates=may_make()) as (database, log), ExitStack() as stack:
        if not address:
            raise SettingsError(
                "It is not said where the archive lies: set LEDGER_ARCHIVE, or give --to with a"
                " folder or an address such as s3://bucket/ledger."
            )
        store, size = Store(address), settings.ledger_archive_segment_events
        if alone:
            stack.enter_context(sealing.alone(database))
        with database.connect("reader") as conn:
            sealed = segments.manifests(store)
            foreign, gone = sealing.foreign(conn, sealed), sealing.offloaded(conn)
        job = fold_job(settings, store.address)
        used = fold_leftovers.names(job, segments.from_the_first(sealed))
        yield Archive(store, sealed, database, log.head(), size, foreign, gone, used)


@app.command(epilog="Example: ledger archive seal --to /backups/ledger")
def seal(to: To = None) -> None:
    """Seal full segments of the log that are not sealed yet.

    A segment is one Parquet file with a manifest, written whole and read back. What is sealed
    already stays as it is, so the verb can be run again at any time, and after any interruption.
    An event that does not fit its hash is never sealed.
    """
    from ledger.archive import sealing

    kept = "the segments that are sealed stay, and the next run seals the rest"
    with archive(to, alone=True) as opened, progress("sealing", kept) as report:
        for name, what in opened.foreign:
            raise ArchiveDamaged(f"Nothing was sealed. The segment {name}: {what}")
        spans = sealing.missing(opened.sealed, opened.head, opened.size, opened.offloaded)
        todo = sum(each.last - each.first + 1 for each in spans)
        made: list[Manifest] = []
        for manifest in sealing.seal(opened.database, opened.store.address, spans):
            made.append(manifest)
            report(sum(each.events for each in made), todo)
    made.sort(key=lambda each: each.first)
    sealed = sorted([*opened.sealed, *made], key=lambda each: each.first)
    events = sum(each.events for each in made)
    size = sum(each.size for each in made)
    shown = {"sealed": [each.name for each in made], "events": events, "bytes": size}
    show(
        shown | _state(opened, sealed),
        lambda: (
            f"sealed: {counted(len(made), 'segment')}, {counted(events, 'event')}, {size:,}"
            f" bytes\n{_state_in_words(opened, sealed)}"
        ),
    )


@app.command(epilog="Example: ledger archive offload --older-than 400 --dry-run")
def offload(
    older_than: Annotated[
        int,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            max=MOST_DAYS,
            help="Events recorded at least so many days ago leave.",
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which segments are due; nothing leaves.")
    ] = False,
) -> None:
    """Let states of old events leave the database for the archive.

    Their keys, times and hashes stay, so whatever is read, decided and proven stays as it is; only
    the archive has their content then, so it needs a copy elsewhere. Each segment is compared with
    the log before it leaves, and leaves as a whole. New events use the room.
    """
    from ledger.archive.offload import due
    from ledger.archive.offload import offload as leave

    with archive(None, alone=True) as opened:
        for name, what in opened.foreign:
            raise ArchiveDamaged(f"Nothing has left. The segment {name}: {what}")
        before = datetime.now(UTC) - timedelta(days=older_than)
        todo = due(opened.sealed, opened.offloaded, before)
        events, left = sum(each.events for each in todo), 0
        if not dry_run:
            kept = "segments that have left stay in the archive, and the next run takes the rest"
            with progress("offloading", kept) as report:
                for manifest in leave(opened.database, opened.store.address, todo):
                    left += manifest.events
                    report(left, events)
    names = [each.name for each in todo]
    said = "due, and nothing has left: " if dry_run else "offloaded: "
    none = None if todo else _none_due(opened, before)
    show(
        {"due" if dry_run else "offloaded": names, "events": events, "none_because": none},
        lambda: (
            f"{said}{counted(len(todo), 'segment')}, {counted(events, 'event')}"
            + (f"\n{none}" if none else "")
        ),
    )


def _none_due(opened: Archive, before: datetime) -> str:
    """Why no segment is due that was recorded before a moment."""
    from ledger.archive.offload import due
    from ledger.archive.segments import EPOCH, MICROSECOND

    if not opened.sealed:
        return "nothing is sealed, and only what is sealed may leave: `ledger archive seal`"
    left = due(opened.sealed, opened.offloaded, datetime.max.replace(tzinfo=UTC))
    if not left:
        return "all that is sealed has left already"
    oldest = EPOCH + left[0].last_recorded_at * MICROSECOND
    return (
        f"the oldest segment that has not left ends at {oldest:%F %T} UTC, and what was recorded"
        f" after {before:%F %T} UTC stays"
    )


@app.command(epilog="Example: ledger archive status --json")
def status(to: To = None) -> None:
    """Show how far the archive goes, what is missing or left over.

    Reads manifests and how folds begin: `ledger archive verify` reads all segments. Exits 1 where a
    span or a file is missing, or something lies there that is none of the archive's. Folds that are
    not whole are named; the next rebuild makes them again.
    """
    from ledger.archive import sealing
    from projections.engine import fold_objects

    with archive(to) as opened:
        found = [
            *opened.foreign,
            *sealing.gaps(opened.sealed, opened.offloaded),
            *sealing.strange(opened.store, opened.sealed, opened.offloaded),
            *sealing.absent(opened.store, opened.sealed),
        ]
        whole = fold_objects.are_whole(opened.store, opened.used)
        leftovers = _leftovers(opened)
    said = "nothing is missing; `ledger archive verify` reads all of it"
    torn = [name for name, is_whole in whole.items() if is_whole is False]
    folds = {
        "folds": len(whole),
        "folds_made": sum(is_whole is True for is_whole in whole.values()),
        "torn_folds": torn,
        "left_over": [each._asdict() for each in leftovers],
    }
    lines = [
        f"folds of this version and these settings: {folds['folds_made']:,} of {len(whole):,}",
        *(f"not whole, and made again by the next rebuild: {name}" for name in torn),
        *_left_over(leftovers),
    ]
    _tell(opened, found, said if opened.sealed else "nothing is sealed yet", folds, lines)


def _leftovers(opened: Archive) -> list[Leftover]:
    from projections.engine import fold_leftovers

    return list(fold_leftovers.left_over(opened.store, opened.used, datetime.now(UTC)))


def _left_over(leftovers: Sequence[Leftover]) -> Iterator[str]:
    """How much is left over; what killed processes left of files is named."""
    from projections.engine.fold_leftovers import PART

    if leftovers:
        size = sum(each.size for each in leftovers)
        yield (
            f"left over: {counted(len(leftovers), 'object')}, {size:,} bytes;"
            " `ledger archive clean` removes what is not used any more"
        )
    yield from (f"  {each.name}: {each.what}" for each in leftovers if PART.fullmatch(each.name))


@app.command(epilog="Example: ledger archive clean --dry-run")
def clean(
    to: To = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed; change nothing.")
    ] = False,
) -> None:
    """Remove old folds, and parts of files that killed processes left.

    Old are folds of another version, of other settings or of other segments: a service that still
    runs with those makes them again. Never a segment, nor what is not made by Ledger. Refused while
    a rebuild or a proof of this database is at work, which may read them.
    """
    from projections.engine import fold_leftovers
    from projections.engine.rebuild import rebuild_lock

    with archive(to) as opened, nullcontext() if dry_run else rebuild_lock(opened.database):
        for name, what in opened.foreign:
            raise ArchiveDamaged(f"Nothing was removed. The segment {name}: {what}")
        found = _leftovers(opened)
        if not dry_run:
            fold_leftovers.remove(opened.store, found)
    size = sum(each.size for each in found)
    done = "would be removed" if dry_run else "removed"
    show(
        {
            "archive": opened.store.address,
            "dry_run": dry_run,
            "removed": [each._asdict() for each in found],
            "bytes": size,
        },
        lambda: "\n".join(
            [
                *(f"{each.name}: {each.what}" for each in found),
                f"{done}: {counted(len(found), 'object')}, {size:,} bytes",
            ]
        ),
    )


@app.command(epilog="Example: ledger archive verify --to s3://bucket/ledger")
def verify(to: To = None) -> None:
    """Read all of the archive, and compare it with the log.

    Each file has the size and SHA-256 of its manifest; its events have the root of the manifest,
    and so have the events of the log. Exits 1 unless all of that holds.
    """
    from ledger.archive import sealing

    with archive(to) as opened, progress("reading", NOTHING_CHANGED) as report:
        read = sorted(sealing.verify(opened.database, opened.store.address, opened.sealed, report))
        named = {each.name for each in read}  # which says more than that the last event differs
        found = [
            *(each for each in opened.foreign if each.name not in named),
            *sealing.gaps(opened.sealed, opened.offloaded),
            *sealing.strange(opened.store, opened.sealed, opened.offloaded),
            *read,
        ]
    said = "every segment is what was sealed, and what the log says"
    _tell(opened, found, said if opened.sealed else "nothing is sealed yet, and nothing proven")


def _tell(
    opened: Archive,
    found: list[Finding],
    well: str,
    more: dict[str, Any] | None = None,
    lines: Sequence[str] = (),
) -> None:
    from rich.console import Group

    told = [{"name": each.name, "what": each.what} for each in found]
    show(
        _state(opened, opened.sealed) | {"findings": told} | (more or {}),
        lambda: (
            Group(table(["object", "what is wrong"], found), *lines)
            if found
            else "\n".join([_state_in_words(opened, opened.sealed), *lines, well])
        ),
    )
    if found:
        raise typer.Exit(BAD_ANSWER)


def _state(opened: Archive, sealed: list[Manifest]) -> dict[str, Any]:
    last = sealed[-1].last if sealed else 0
    return {
        "archive": opened.store.address,
        "segments": len(sealed),
        "up_to_position": last,
        "size_bytes": sum(each.size for each in sealed),
        "head": opened.head,
        "not_sealed": max(0, opened.head - sum(each.events for each in sealed)),
        "segment_events": opened.size,
        "offloaded": sum(span.last - span.first + 1 for span in opened.offloaded),
    }


def _state_in_words(opened: Archive, sealed: list[Manifest]) -> str:
    state = _state(opened, sealed)
    full = state["not_sealed"] // opened.size
    end = (sealed[-1].last if sealed else 0) + opened.size
    todo = f"{counted(full, 'segment')} can be sealed" if full else f"the next ends at {end:,}"
    gone = state["offloaded"]
    only = f"only here: the states of {counted(gone, 'event')}\n" if gone else ""
    return (
        f"archive {state['archive']}: {counted(len(sealed), 'segment')} up to position"
        f" {state['up_to_position']:,}, {state['size_bytes']:,} bytes\n{only}"
        f"not sealed: {counted(state['not_sealed'], 'event')} up to the head, {opened.head:,}"
        f" (a segment has {opened.size:,}, LEDGER_ARCHIVE_SEGMENT_EVENTS); {todo}"
    )
