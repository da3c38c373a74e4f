"""Verbs that make and prove read models: rebuild, verify, digest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import catch_up, engine, looked_at
from app.cli.output import BAD_ANSWER, Json, progress, show, table

if TYPE_CHECKING:
    from projections.engine.digest import TableDifference
    from projections.engine.log_check import Fault
    from projections.engine.verify import Proof

app = typer.Typer()

SHOWN = 20
"""So many places of each kind of damage are printed; --json has all."""


@app.command(epilog="Example: ledger rebuild orders payments")
def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Projections; all without a name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild read models from event 1, and put them in place.

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

    Rebuilds them from event 1 in a scratch schema and compares byte by byte; examines the log
    itself, and checks Stripe's signatures again. Names all damage, and what it cannot see. Exits 1
    unless everything is equal, every projection follows, and the log has no fault; an empty log is
    no proof.
    """
    proof, seconds = prove(as_json=as_json)
    ledger = looked_at()
    show(
        {"ledger": ledger, **_document(proof, seconds)},
        lambda: "\n".join([f"ledger: {ledger}", *verdict(proof, seconds)]),
        as_json=as_json,
    )
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
    """What a proof says, for people: what is wrong, what was checked and what not, the verdict."""
    yield from _faults(proof)
    yield from _scope(proof)
    if proof.empty:
        yield "nothing to prove: the log is empty"
    elif proof.holds:
        yield (
            f"verified: {proof.position:,} events, {len(proof.tables)} tables equal to a rebuild"
            f" from event 1, the log consistent in itself ({seconds} s)"
        )
    else:
        yield f"NOT verified: {proof.position:,} events, {len(proof.tables)} tables ({seconds} s)"


def _faults(proof: Proof) -> Iterator[str]:
    from projections.engine.log_check import KINDS

    for kind, faults in proof.log.by_kind().items():
        yield f"the log is damaged: {KINDS[kind]}: {sum(fault.count for fault in faults):,}"
        yield from _some([_place(fault) for fault in faults])
    for standing in proof.halted:
        yield f"not proven: {standing.name} {standing.state}: {standing.because}"
    for found in proof.differences:
        yield f"differs: table {found.table}{_difference(found)}"


def _some(lines: list[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    yield from (f"  {line}" for line in lines[:SHOWN])
    if (more := len(lines) - SHOWN) > 0:
        yield f"  … and {more:,} more: --json names all"


def _place(fault: Fault) -> str:
    where = f"{fault.first:,}" if fault.count == 1 else f"{fault.first:,} to {fault.last:,}"
    return f"position {where}" + (f": {fault.detail}" if fault.detail else "")


def _difference(found: TableDifference) -> str:
    if found.columns:
        return f", its columns: {found.columns}"
    counts = {"missing": found.missing, "extra": found.extra, "changed": found.changed}
    rows = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    first = found.first
    assert first is not None, "a table that differs does so somewhere"
    place = f", key {', '.join(first.key)}" + (f", column {first.column}" if first.column else "")
    values = f"live {first.live or 'no row'}, rebuilt {first.proof or 'no row'}"
    return f"{place}: {values} (rows: {rows})"


def _scope(proof: Proof) -> Iterator[str]:
    """What was checked, and what was not."""
    from projections.engine.log_check import NOT_COVERED

    said = proof.log.signatures
    yield (
        f"checked: {proof.log.events:,} events: positions, hashes, versions, times, names;"
        f" {said.get('right', 0):,} Stripe signatures right, {said.get('wrong', 0):,} wrong"
    )
    yield (
        f"not checked: {said.get('unsigned', 0):,} Stripe events that came without a signature"
        f" (import, backfill), {said.get('unknown_secret', 0):,} signed with a secret that is not"
        " known here"
    )
    yield f"not covered: {NOT_COVERED}"


def _document(proof: Proof, seconds: float) -> dict[str, Any]:
    from projections.engine.log_check import NOT_COVERED

    return {
        "holds": proof.holds,
        "empty": proof.empty,
        "position": proof.position,
        "tables": proof.tables,
        "differences": [
            {**each._asdict(), "first": each.first and each.first._asdict()}
            for each in proof.differences
        ],
        "halted": [standing._asdict() for standing in proof.halted],
        "log": {
            "events": proof.log.events,
            "head": proof.log.head,
            "faults": proof.log.by_kind(),
            "signatures": proof.log.signatures,
            "unknown_secrets": proof.log.unknown_secrets,
        },
        "not_covered": NOT_COVERED,
        "seconds": seconds,
    }


def _digests(opened: Any, *, world: bool) -> dict[str, dict[str, Any]]:
    """Digest and position by table, all of one snapshot."""
    from psycopg import IsolationLevel

    from ledger.postgres.database import UNLIMITED
    from projections.engine.digest import digests
    from projections.engine.positions import standings
    from projections.engine.tables import LIVE, hold

    registry, reader = opened.registry, opened.reader
    with opened.database.connect("reader", seconds=UNLIMITED) as conn, conn.cursor() as cursor:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        hold(cursor)
        at = {s.name: s.position for s in standings(cursor, registry, reader)}
        found = digests(cursor, LIVE, registry, world=world)
    return {
        made.name: {"position": at[projection.name], "sha256": found[made.name]}
        for projection in registry
        for made in projection.tables
    }
