"""How a proof is shown: what was checked and what not, what is wrong, and the verdict."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from app.cli.output import counted
from ledger.errors import ArchiveUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from projections.engine.differences import TableDifference
    from projections.engine.log_report import Fault
    from projections.engine.verify import Proof

SHOWN = 20
"""So many places of each kind of damage are printed; --json has all."""
NEEDED = (
    "(Nothing was proven, and nothing of the log was looked at: states of old events lie in the"
    " archive only, and each must fit its hash.)"
)
"""What is said where an archive that is away prevents a proof."""


class Proven(NamedTuple):
    """A proof, the seconds that it took, and where in the log it is on record.

    Without a position, `unrecorded` says why it is not on record.
    """

    proof: Proof
    seconds: float
    position: int | None
    unrecorded: str | None = None


@contextmanager
def archive_needed() -> Generator[None]:
    """Say of an archive that does not answer what could not be done without it."""
    try:
        yield
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, ArchiveUnavailable):
            raise
        raise ArchiveUnavailable(f"{error.__cause__} {NEEDED}") from error
    except ArchiveUnavailable as error:
        raise ArchiveUnavailable(f"{error} {NEEDED}") from error


def verdict(proven: Proven) -> Iterator[str]:
    """What a proof says, for people: what is wrong, what was checked and what not, the verdict."""
    proof, seconds, position, unrecorded = proven
    yield from _faults(proof)
    yield from _scope(proof)
    yield on_record(position, unrecorded)
    if proof.empty:
        yield "nothing to prove: the log is empty"
    elif proof.holds:
        yield (
            f"verified: {_size(proof)} equal to a rebuild"
            f" from event 1, the log consistent in itself ({seconds} s)"
        )
    else:
        compared, looked = counted(len(proof.tables), "table"), counted(proof.log.events, "event")
        yield f"NOT verified: {compared} compared, {looked} of the log looked at ({seconds} s)"


def on_record(position: int | None, unrecorded: str | None) -> str:
    """Where in the log what was done is on record, or why it is not."""
    return f"on record: {f'no, {unrecorded}' if position is None else f'position {position:,}'}"


def _size(proof: Proof) -> str:
    return f"{counted(proof.position, 'event')}, {counted(len(proof.tables), 'table')}"


def _faults(proof: Proof) -> Iterator[str]:
    from projections.engine.log_report import KINDS

    for kind, faults in proof.log.by_kind().items():
        yield f"the log is damaged: {KINDS[kind]}: {sum(fault.count for fault in faults):,}"
        yield from _some([_place(fault) for fault in faults])
    for (state, cause), names in _halted(proof).items():
        which = names[0] if len(names) == 1 else f"{len(names)} read models"
        yield f"not proven: {which} {state}: {cause}"
    for found in proof.differences:
        yield f"differs: table {found.table}{_difference(found)}"
    if folds := proof.differing_folds:
        yield f"folds that were not what their events come to, and were made again: {len(folds):,}"
        yield from _some(list(folds))
    kinds = set(proof.log.by_kind())
    if "state" in kinds:
        yield (
            "where events were offloaded (`ledger archive status`), bring the archive back from its"
            " copy, and prove again"
        )
    if kinds - {"state"}:
        yield (
            "do not rebuild: that would believe a damaged log. Keep the database as it is, and"
            " restore the log from a backup"
        )


def _halted(proof: Proof) -> dict[tuple[str, str], list[str]]:
    """The projections of which nothing can be said, by their state and its cause."""
    from projections.engine.causes import by_cause

    return {
        (state, because): names
        for state in dict.fromkeys(status.state for status in proof.halted)
        for because, names in by_cause(s for s in proof.halted if s.state == state).items()
    }


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
        return f", {found.columns}"
    counts = {"missing": found.missing, "extra": found.extra, "changed": found.changed}
    rows = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    first = found.first
    assert first is not None, "a table that differs does so somewhere"
    place = f", key {', '.join(first.key)}" + (f", column {first.column}" if first.column else "")
    values = f"live {first.live or 'no row'}, rebuilt {first.proof or 'no row'}"
    return f"{place}: {values} (rows: {rows})"


def _scope(proof: Proof) -> Iterator[str]:
    """What was checked, and what was not."""
    from projections.engine.log_report import not_covered, where_compared

    said = proof.log.signatures
    right = counted(said.get("right", 0), "Stripe signature")
    unsigned = counted(said.get("unsigned", 0), "Stripe event")
    yield (
        f"checked: {counted(proof.log.events, 'event')}: positions, hashes, versions, times, names;"
        f" {right} right, {said.get('wrong', 0):,} wrong"
    )
    yield (
        f"not checked: {unsigned} that came without a signature"
        f" (import, backfill), {said.get('unknown_secret', 0):,} signed with a secret that is not"
        " known here"
    )
    if compared := where_compared(proof.log.sealed, proof.log.beyond):
        yield f"checked: that the log is what was sealed {compared}"
    for reason in proof.log.not_compared:
        yield f"NOT compared with the archive: {reason}"
    if folded := proof.folded:
        yield (
            f"folded from the archive up to position {folded.last:,}: {folded.made:,} parts were"
            f" made, {folded.believed:,} were there"
            + (" and were believed (--from-scratch makes them again)" if folded.believed else "")
        )
        if folded.torn:
            yield f"parts that were not whole, and were made again: {len(folded.torn):,}"
            yield from _some(list(folded.torn))
    elif proof.not_folded:
        yield f"NOT folded from the archive, but read in the database: {proof.not_folded}"
    elif proof.log.sealed:
        yield (
            "nothing was folded from the archive: not every projection follows, the log is not what"
            f" was sealed, or no segment of it ends before position {proof.position:,}"
        )
    if proof.in_place:
        yield (
            "compared where they stand: derived rows, by the indexes of the live tables"
            " (--from-scratch makes them again)"
        )
    yield f"not covered: {not_covered(proof.log.sealed, proof.log.beyond)}"
    if proof.foreign:
        yield f"not Ledger's, left alone: {', '.join(proof.foreign)}"


def document(proven: Proven) -> dict[str, Any]:
    """What a proof says, for programs."""
    from projections.engine.log_report import not_covered

    proof = proven.proof
    return {
        "holds": proof.holds,
        "empty": proof.empty,
        "position": proof.position,
        "tables": proof.tables,
        "differences": [each.document() for each in proof.differences],
        "halted": [status._asdict() for status in proof.halted],
        "log": {
            "events": proof.log.events,
            "head": proof.log.head,
            "faults": proof.log.by_kind(),
            "signatures": proof.log.signatures,
            "unknown_secrets": proof.log.unknown_secrets,
            "sealed": proof.log.sealed,
            "sealed_beyond": proof.log.beyond,
            "not_compared": proof.log.not_compared,
        },
        "folded": proof.folded and {**proof.folded._asdict(), "believed": proof.folded.believed},
        "not_folded": proof.not_folded,
        "in_place": proof.in_place,
        "not_covered": not_covered(proof.log.sealed, proof.log.beyond),
        "foreign": proof.foreign,
        "on_record": proven.position is not None,
        "recorded_at_position": proven.position,
        "not_on_record_because": proven.unrecorded,
        "seconds": proven.seconds,
    }
