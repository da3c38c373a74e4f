"""Verbs that make and prove read models: rebuild, verify, digest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.output import BAD_ANSWER, Json, progress, show, table
from ledger.cli.parts import catch_up, engine

if TYPE_CHECKING:
    from projections.engine.verify import Proof

app = typer.Typer()


@app.command(epilog="Example: ledger rebuild orders payments")
def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Projections; all without a name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make read models anew from event 1, and put them in place.

    They are made beside the live ones, whose place they take in one transaction: readers notice
    nothing. Those that read each other's tables are rebuilt together.
    """
    from projections.engine.rebuild import rebuild as rebuild_projections

    started = time.monotonic()
    with engine() as opened:
        catch_up(opened)
        with progress("rebuilding", as_json=as_json) as report:
            built, position = rebuild_projections(opened, names or (), report)
    seconds = round(time.monotonic() - started, 1)
    rebuilt = sorted(built.by_name)
    show(
        {"rebuilt": rebuilt, "position": position, "seconds": seconds},
        lambda: f"rebuilt: {', '.join(rebuilt)} from {position:,} events ({seconds} s)",
        as_json=as_json,
    )


@app.command(epilog="Example: ledger verify --json")
def verify(as_json: Json = False) -> None:
    """Prove that the read models are what the log says.

    Rebuilds them from event 1 in a scratch schema and compares byte by byte. Exits 1 unless
    everything is equal, every projection follows, and the log is intact.
    """
    proof, seconds = prove(as_json=as_json)
    show(_document(proof, seconds), lambda: "\n".join(verdict(proof, seconds)), as_json=as_json)
    if not proof.holds:
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger digest --world")
def digest(
    world: Annotated[
        bool, typer.Option("--world", help="Leave out what only speaks of our own bookkeeping.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a SHA-256 of each table of the read models.

    Each is taken at the table's position. With --world, two logs with the same events in another
    order have the same digests.
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
        as_json=as_json,
    )
    if not follows:
        raise typer.Exit(BAD_ANSWER)


def prove(*, as_json: bool) -> tuple[Proof, float]:
    """The proof, once the read models are up to date, and the seconds that it took."""
    from projections.engine.verify import verify as compare

    started = time.monotonic()
    with engine() as opened:
        catch_up(opened)
        with progress("verifying", as_json=as_json) as report:
            proof = compare(opened, report)
    return proof, round(time.monotonic() - started, 1)


def verdict(proof: Proof, seconds: float) -> Iterator[str]:
    """What a proof says, for people; the last line is the verdict."""
    yield from _faults(proof)
    if proof.holds:
        yield (
            f"verified: {proof.position:,} events, {len(proof.tables)} tables equal to a rebuild"
            f" from event 1, log intact ({seconds} s)"
        )
    else:
        yield f"NOT verified: {proof.position:,} events, {len(proof.tables)} tables ({seconds} s)"


def _faults(proof: Proof) -> Iterator[str]:
    if proof.log_fault:
        yield f"the log is damaged: {proof.log_fault}"
    for standing in proof.halted:
        yield f"not proven: {standing.name} {standing.state}: {standing.because}"
    if (found := proof.difference) is None:
        return
    place = f"table {found.table}, key {', '.join(found.key)}"
    if found.column is not None:
        place += f", column {found.column}"
    yield f"differs: {place}: live {found.live or 'no row'}, rebuilt {found.proof or 'no row'}"


def _document(proof: Proof, seconds: float) -> dict[str, Any]:
    return {
        "holds": proof.holds,
        "position": proof.position,
        "tables": proof.tables,
        "difference": proof.difference and proof.difference._asdict(),
        "halted": [standing._asdict() for standing in proof.halted],
        "log_fault": proof.log_fault,
        "seconds": seconds,
    }


def _digests(opened: Any, *, world: bool) -> dict[str, dict[str, Any]]:
    """Digest and position by table, all of one snapshot."""
    from psycopg import IsolationLevel

    from ledger.postgres.database import UNLIMITED
    from projections.engine.digest import digests
    from projections.engine.positions import standings
    from projections.engine.tables import LIVE

    database, _, registry, reader = opened
    with database.connect("reader", seconds=UNLIMITED) as conn, conn.cursor() as cursor:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        at = {s.name: s.position for s in standings(cursor, registry, reader)}
        found = digests(cursor, LIVE, registry, world=world)
    return {
        made.name: {"position": at[projection.name], "sha256": found[made.name]}
        for projection in registry
        for made in projection.tables
    }
