"""Verbs that make and prove read models: rebuild, verify, digest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import uuid4

import typer

from app.cli.context import Reason, catch_up, engine, engine_that_is_new, looked_at, operator
from app.cli.output import BAD_ANSWER, complain, counted, progress, show, table
from app.cli.proof_report import Proven, archive_needed, document, on_record, verdict
from ledger.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    EngineUnavailable,
    ForeignWorker,
    InvalidRequest,
    LedgerError,
    RebuildBlocked,
    RebuildRefused,
    RebuildRunning,
    StoreUnavailable,
    UnknownProjection,
)

if TYPE_CHECKING:
    from ledger.domain.events import RebuildFailed, RebuildFinished
    from projections.engine.build import ProjectionContext
    from projections.engine.folding import FoldedArchive
    from projections.engine.verify import Proof

app = typer.Typer()

RECORD_SECONDS = 30
"""How long a verb that is done waits for the read models to take in that it was."""


class Rebuilt(NamedTuple):
    """What was rebuilt and up to which position, and where in the log that is on record.

    Without the latter, `unrecorded` says why it is not.
    """

    names: list[str]
    position: int
    recorded: int | None
    unrecorded: str | None = None


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ENGINE",
        help="What folds the archive: processes, dask://host:8786, tls://host:8786,"
        " ray://host:10001, spark://host:7077; default: LEDGER_ENGINE.",
    ),
]
NoArchive = Annotated[
    bool, typer.Option("--no-archive", help="Read all of the log in the database.")
]

NOT_BEGUN = (
    RebuildRunning,
    RebuildRefused,
    RebuildBlocked,
    UnknownProjection,
    StoreUnavailable,
    ArchiveUnavailable,
    ArchiveDamaged,
    EngineUnavailable,
    ForeignWorker,
)
"""What is in the way of a rebuild, and no fault of what is rebuilt: it is not put on record."""


@app.command(epilog="Example: ledger rebuild orders payments")
def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Projections; default: all.")
    ] = None,
    *,
    believe_the_log: Annotated[
        bool,
        typer.Option("--believe-the-log", help="Rebuild from a log that is known to be damaged."),
    ] = False,
    on: On = None,
    no_archive: NoArchive = False,
    reason: Reason = None,
) -> None:
    """Rebuild read models from event 1, and put them in place.

    They are made beside the live ones and replace them in one transaction, so reads go on
    meanwhile. Those that read each other's tables are rebuilt together. It believes the log, and is
    refused where that is known to be damaged, by the last proof above all: restore a backup
    instead. It is recorded, unless there were no read models before.

    Where LEDGER_ARCHIVE is set, and all are rebuilt, sealed events are read there: folded by the
    cores of this machine, or by a cluster (--on), and only those that were not folded before.
    """
    from projections.engine.folding import doing_without

    started = time.monotonic()
    with engine_that_is_new() as (opened, is_new):
        if not is_new:
            catch_up(opened)
        with doing_without():
            archive = _archive(on, no_archive=no_archive or bool(names))
            made = remake(
                opened,
                names or (),
                reason,
                believe_log=believe_the_log,
                is_new=is_new,
                archive=archive,
            )
        unreadable = _unreadable(opened)
    seconds = round(time.monotonic() - started, 1)
    document = {
        "rebuilt": made.names,
        "position": made.position,
        "seconds": seconds,
        "unreadable_events": unreadable,
        "from_archive_up_to": archive.last if archive else 0,
        "on_record": made.recorded is not None,
        "recorded_at_position": made.recorded,
        "not_on_record_because": made.unrecorded,
    }
    show(document, lambda: "\n".join(_rebuilt(made, seconds, unreadable, archive)))


def _archive(on: str | None, *, no_archive: bool, again: bool = False) -> FoldedArchive | None:
    """What to read of the archive of the settings; nothing where there is none, or none is wanted.

    Raises `InvalidRequest` for an engine without an archive, and what reading manifests does.
    """
    from app.wiring import folded_archive
    from ledger import settings

    loaded = settings.load()
    if no_archive or not loaded.ledger_archive:
        if on is not None or again:
            raise InvalidRequest(
                "Only what is in an archive is folded apart: set LEDGER_ARCHIVE, seal the log with"
                " `ledger archive seal`, and leave out --no-archive and names of read models."
            )
        return None
    archive = folded_archive(loaded, on or loaded.ledger_engine, again=again)
    if archive and archive.beyond:
        complain(
            "[yellow]archive[/] ",
            f"A segment is missing after position {archive.last:,}, so from there on events are"
            f" read in the database, and none in the {counted(len(archive.beyond), 'segment')}"
            " behind the gap: `ledger archive seal` fills it.",
        )
    return archive


def _kept(archive: FoldedArchive | None) -> str:
    return "; what was folded stays for the next run" if archive else ""


def remake(
    opened: ProjectionContext,
    names: Sequence[str],
    reason: str | None,
    *,
    believe_log: bool = False,
    is_new: bool = False,
    archive: FoldedArchive | None = None,
) -> Rebuilt:
    """Rebuild these, and put that on record; not where they are new, and take nothing's place."""
    from ledger.domain.events import RebuildFailed, RebuildFinished, RebuildStarted
    from projections.engine.fold import cause_told
    from projections.engine.proofs import put_rebuild_on_record
    from projections.engine.rebuild import rebuild as rebuild_projections

    began, rebuild_id, by = datetime.now(UTC), uuid4().hex, operator(reason)
    started = RebuildStarted(rebuild_id=rebuild_id, names=tuple(names), believe_log=believe_log)

    def put(end: RebuildFinished | RebuildFailed) -> tuple[int | None, str | None]:
        return _put_on_record(
            opened, lambda: put_rebuild_on_record(opened.log, began, started, end, by)
        )

    kept = f"the live read models are as they were{_kept(archive)}"
    try:
        with progress("rebuilding", kept) as report:
            built, position = rebuild_projections(
                opened, names, report, believe_log=believe_log, archive=archive
            )
    except NOT_BEGUN:
        raise
    except Exception as error:
        put(RebuildFailed(rebuild_id=rebuild_id, cause=cause_told(error)))
        raise
    made = sorted(built.by_name)
    if is_new or position == 0:
        return Rebuilt(made, position, None, "there were no read models before, or no events")
    end = RebuildFinished(rebuild_id=rebuild_id, names=tuple(made), position=position)
    return Rebuilt(made, position, *put(end))


def _unreadable(opened: ProjectionContext) -> int:
    """How many events of the log no read model could use, as far as `audit` took them in."""
    with opened.database.connect("reader") as conn:
        row = conn.execute("select count(*) from read_models.unreadable_events").fetchone()
    assert row is not None, "an aggregate has one row"
    return row[0]


def _rebuilt(
    made: Rebuilt, seconds: float, unreadable: int, archive: FoldedArchive | None
) -> Iterator[str]:
    yield f"rebuilt: {', '.join(made.names)} from {counted(made.position, 'event')} ({seconds} s)"
    if archive and archive.last:
        yield f"events up to position {archive.last:,} were read from {archive.address}"
    elif archive:
        yield f"nothing is sealed in {archive.address}: all events were read in the database"
    yield on_record(made.recorded, made.unrecorded)
    if unreadable:
        yield (
            f"{counted(unreadable, 'event')} could not be read, and are in no row:"
            " `ledger checks run` names them"
        )
    yield "not checked: whether the log is whole; `ledger verify` says so"


@app.command(epilog="Example: ledger verify --json")
def verify(
    *,
    on: On = None,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Believe no fold beside the archive, and make derived rows again.",
        ),
    ] = False,
    no_archive: NoArchive = False,
) -> None:
    """Prove that the read models are what the log says.

    Makes them again from event 1 and compares byte by byte: what events say in a scratch schema,
    what is derived from that where it stands, by the indexes of the live tables, unless that is to
    be made again, too (--from-scratch); and everything row by row where anything differs.
    Examines the log itself, and checks Stripe's signatures again. Names all damage, and what it
    cannot see. Exits 1
    unless everything is equal, every projection follows, and the log has no fault; an empty log is
    no proof. The outcome is recorded, and `ledger status` shows it; where it cannot be recorded,
    the answer says so and is the same.

    Where LEDGER_ARCHIVE is set, the log is compared with what was sealed, and sealed events are
    folded from there: by the cores of this machine, or by a cluster (--on). Folds of earlier runs
    are believed, and counted, unless they are made again (--from-scratch). An archive that is of
    another log, has nothing or cannot be read leaves the log not compared: it is told, and exits 1
    once there is a full segment that could be there.
    """
    from projections.engine.folding import readable

    archive = readable(lambda: _archive(on, no_archive=no_archive, again=from_scratch))
    proven = prove(archive, from_scratch=from_scratch)
    ledger = looked_at()
    show(
        {"ledger": ledger, **document(proven)},
        lambda: "\n".join([f"ledger: {ledger}", *verdict(proven)]),
    )
    if not proven.proof.holds or _is_wrong(archive, proven.proof):
        raise typer.Exit(BAD_ANSWER)


def _is_wrong(archive: FoldedArchive | None, proof: Proof) -> bool:
    """Whether the archive is not the one of this log; a log of less than a segment has none yet."""
    from ledger import settings

    if archive is None or archive.unread or archive.everything:
        return bool(proof.log.not_compared or proof.not_folded)
    return proof.position >= settings.load().ledger_archive_segment_events


@app.command(epilog="Example: ledger digest --world")
def digest(
    world: Annotated[
        bool, typer.Option("--world", help="Leave out bookkeeping: positions, times of receipt.")
    ] = False,
) -> None:
    """Print a SHA-256 of each table of the read models.

    Each is taken at the table's position, over its rows as PostgreSQL sends them (`record_send`),
    by their key; a journal's over the SHA-256 of the lines of each thousand positions. With
    --world, two logs with the same events in another order have the same digests.
    """
    with engine() as opened:
        follows = catch_up(opened)
        tables = _digests(opened, world=world)
    show(
        {"world": world, "tables": tables},
        lambda: table(
            ["table", ">position", "sha-256"],
            [(name, t["position"], t["sha256"]) for name, t in tables.items()],
        ),
    )
    if not follows:
        raise typer.Exit(BAD_ANSWER)


def prove(archive: FoldedArchive | None = None, *, from_scratch: bool = False) -> Proven:
    """The proof, once the read models are up to date, put on record; nothing to prove is none."""
    from ledger.domain.events import ProofFailed
    from projections.engine.fold import cause_told
    from projections.engine.proofs import answer, put_on_record
    from projections.engine.verify import verify as compare

    started, began, proof_id = time.monotonic(), datetime.now(UTC), uuid4().hex
    with archive_needed(), engine() as opened:
        catch_up(opened)
        try:
            with progress("verifying", f"nothing is proven{_kept(archive)}") as report:
                proof = compare(opened, report, archive, from_scratch=from_scratch)
        except (RebuildRunning, StoreUnavailable, ArchiveUnavailable, EngineUnavailable):
            raise
        except Exception as error:
            failed = ProofFailed(proof_id=proof_id, cause=cause_told(error))
            by = operator(None)
            _put_on_record(opened, lambda: put_on_record(opened.log, began, failed, by))
            raise
        seconds = round(time.monotonic() - started, 1)
        if proof.empty:
            return Proven(proof, seconds, None, "there was nothing to prove")
        if proof.log.events == 0:
            return Proven(proof, seconds, None, "nothing is appended to a log that was emptied")
        end, by = answer(proof_id, proof), operator(None)
        recorded = _put_on_record(opened, lambda: put_on_record(opened.log, began, end, by))
        return Proven(proof, seconds, *recorded)


def _put_on_record(
    opened: ProjectionContext, put: Callable[[], int]
) -> tuple[int | None, str | None]:
    """Where what was done is on record now, or why it is not: its answer is the same.

    The read models take it in, so that it leaves no lag behind.
    """
    import psycopg
    from eventsourcing.persistence import PersistenceError

    from ledger.postgres.failures import told
    from projections.engine.follow import Follower

    try:
        position = put()
    except LedgerError as error:
        return None, str(error)
    except (PersistenceError, psycopg.Error) as error:
        refused = f"the database refuses to append ({told(error)}); `ledger doctor` examines it"
        return None, refused
    with suppress(LedgerError, psycopg.Error):  # it is done, and on record; `status` tells a lag
        Follower(opened).catch_up(timeout_seconds=RECORD_SECONDS)
    return position, None


def _digests(opened: Any, *, world: bool) -> dict[str, dict[str, Any]]:
    """Digest and position by table, all of one snapshot."""
    from psycopg import IsolationLevel

    from ledger.postgres.database import UNLIMITED
    from projections.engine.digest import digests
    from projections.engine.positions import statuses
    from projections.engine.tables import LIVE, hold

    registry, reader = opened.registry, opened.reader
    with opened.database.connect("reader", seconds=UNLIMITED) as conn, conn.cursor() as cursor:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        hold(cursor)
        at = {s.name: s.position for s in statuses(cursor, registry, reader)}
        found = digests(cursor, LIVE, registry, world=world)
    return {
        made.name: {"position": at[projection.name], "sha256": found[made.name]}
        for projection in registry
        for made in projection.tables
    }
