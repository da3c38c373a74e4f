"""Proofs on record: how an outcome is recorded, and what the last one says of the read models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import asdict
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.domain.events import (
    Event,
    Metadata,
    NewEvent,
    ProofFailed,
    ProofFinished,
    ProofStarted,
    RebuildFailed,
    RebuildFinished,
    RebuildStarted,
    RecordedEvent,
)
from ledger.log import AT, Log
from projections.engine.build import ProjectionContext
from projections.engine.log_report import KINDS, Fault
from projections.engine.registry import Registry

if TYPE_CHECKING:
    from projections.engine.verify import Proof  # which is made as a rebuild is

MOST_PLACES: Final = 100
MOST_NAMES: Final = 10

LAST: Final = """
select array[
    (select max(notification_id) from ledger.stored_events where topic = 'proof.finished.v1'),
    (select max(notification_id) from ledger.stored_events where topic = 'proof.failed.v1')
]
"""
"""Where the last proof with an answer ended, and the last one without; each by the index."""

REBUILT_SINCE: Final = "select name from read_models.projections where rebuilt_at > %s"


class LastProof(Struct, frozen=True, kw_only=True):
    """The last proof on record that came to an answer, and what it says of the read models now.

    It proved the log up to `position`, compared it with an archive up to `sealed`, ended at
    `ended_at`, and was asked for by `by`: a person or the service. `found` says in sentences what
    was wrong. `suspects` are the projections that it found damaged or could not prove, and all that
    read them, as far as they were not rebuilt since. `only_states_missing` where the log's only
    damage is that states which left it are not in the archive.
    `unanswered` is the cause for which a later proof ended without an answer; where no proof ever
    came to one, `holds` is None.
    """

    id: str
    position: int
    ended_at: datetime
    by: str
    holds: bool | None
    found: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    sealed: int = 0
    log_is_damaged: bool = False
    only_states_missing: bool = False
    unanswered: str | None = None

    @property
    def is_damage(self) -> bool:
        """Whether what it found wrong is so still, as far as is known."""
        return self.log_is_damaged or bool(self.suspects)

    @property
    def cure(self) -> str | None:
        """What to do; None where it held."""
        if self.only_states_missing:
            return (
                "bring the archive back from its copy, or set LEDGER_ARCHIVE to where it is, and"
                " then `ledger verify`; a state that was never offloaded is in a backup only"
            )
        if self.log_is_damaged:
            return (
                "keep the database as it is and compare it with a backup: a rebuild mends nothing"
                " here; `ledger verify` names every place"
            )
        if self.suspects:
            return "`ledger rebuild`, and then `ledger verify`"
        if self.holds:
            return None
        return "`ledger verify`" if self.holds is None else "mended since: `ledger verify`"

    @property
    def told(self) -> str:
        """All of it in one line, without the time."""
        outcome = {True: "held", False: "did NOT hold", None: "ended without an answer"}[self.holds]
        said = [f"{outcome} up to position {self.position:,}" if self.position else outcome]
        said += self.found
        if self.unanswered:
            said.append(f"a later one ended without an answer ({self.unanswered})")
        return "; ".join([*said, *([self.cure] if self.cure else [])])

    @property
    def line(self) -> str:
        """All of it in one line, for a terminal."""
        return f"{self.ended_at:%F %T} UTC by {self.by}: {self.told}"

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {**asdict(self), "is_damage": self.is_damage, "cure": self.cure}

    def doubts(self, names: set[str]) -> bool:
        """Whether the rows of these projections may be other ones than the log says."""
        return self.log_is_damaged or not names.isdisjoint(self.suspects)


def put_on_record(log: Log, began: datetime, end: ProofFinished | ProofFailed, by: Metadata) -> int:
    """Append that a proof was made and what it came to, both at once; answers the position.

    For a proof whose progress is not asked for. Raises what `Log.append` raises.
    """
    started = ProofStarted(proof_id=end.proof_id)
    return _at_once(log, f"proof/{end.proof_id}", began, (started, end), by)


def put_rebuild_on_record(
    log: Log,
    began: datetime,
    started: RebuildStarted,
    end: RebuildFinished | RebuildFailed,
    by: Metadata,
) -> int:
    """The same of a rebuild."""
    return _at_once(log, f"rebuild/{started.rebuild_id}", began, (started, end), by)


def _at_once(
    log: Log, stream: str, began: datetime, events: tuple[Event, Event], by: Metadata
) -> int:
    started, end = events
    entries = [
        NewEvent(stream, 1, started, began, by),
        NewEvent(stream, 2, end, datetime.now(UTC), by),
    ]
    return log.append(entries)[-1]


def answer(proof_id: str, proof: Proof) -> ProofFinished:
    """The event that says what a proof came to."""
    return ProofFinished(
        proof_id=proof_id,
        holds=proof.holds,
        position=proof.position,
        tables=proof.tables,
        halted={status.name: status.because or status.state for status in proof.halted},
        differences=tuple(each.document() for each in proof.differences),
        faults={kind: _fault(faults) for kind, faults in proof.log.by_kind().items()},
        signatures={str(said): count for said, count in proof.log.signatures.items()},
        sealed=proof.log.sealed,
        sealed_beyond=proof.log.beyond,
        not_compared=proof.log.not_compared[:MOST_PLACES],
        believed_folds=proof.folded.believed if proof.folded else 0,
        differing_folds=proof.differing_folds[:MOST_PLACES],
        not_folded=proof.not_folded,
    )


def last_proof(conn: Connection[Any], engine: ProjectionContext) -> LastProof | None:
    """The last proof of all processes; None where none is on record. Any role may ask."""
    cursor = conn.cursor(row_factory=tuple_row)
    row = cursor.execute(LAST).fetchone()
    assert row is not None, "it is one row"
    ended = [engine.log.mapper.recorded(event) for event in cursor.execute(AT, row)]
    answered = [each for each in ended if each.topic == ProofFinished.TOPIC]
    if not ended:
        return None
    if not answered:
        return _without_an_answer(ended[-1])
    later = None if ended[-1] is answered[-1] else ended[-1]
    rebuilt = {name for (name,) in cursor.execute(REBUILT_SINCE, [answered[-1].recorded_at])}
    return _answered(answered[-1], later, engine.registry, rebuilt)


def _answered(
    ended: RecordedEvent, later: RecordedEvent | None, registry: Registry, rebuilt: set[str]
) -> LastProof:
    report = ended.event
    if not isinstance(report, ProofFinished):
        return _last_proof(
            ended, holds=False, found=("its record cannot be read",), log_is_damaged=True
        )
    named = _named(report, registry)
    return _last_proof(
        ended,
        position=report.position,
        holds=report.holds,
        found=tuple(_found(report)),
        suspects=tuple(sorted(registry.readers(named) - rebuilt)),
        sealed=report.sealed,
        log_is_damaged=bool(report.faults or report.log_fault),
        only_states_missing=report.faults.keys() == {"state"},
        unanswered=later and _cause(later.event),
    )


def _without_an_answer(ended: RecordedEvent) -> LastProof:
    return _last_proof(ended, holds=None, found=(_cause(ended.event),))


def _last_proof(ended: RecordedEvent, *, position: int = 0, **columns: Any) -> LastProof:
    return LastProof(
        id=ended.stream.partition("/")[2],
        position=position,
        ended_at=ended.recorded_at,
        by=ended.meta.actor_name or ended.meta.actor,
        **columns,
    )


def _named(report: ProofFinished, registry: Registry) -> set[str]:
    """The projections that a proof found damaged, or could say nothing of."""
    tables = {each["table"] for each in _differences(report)}
    damaged = {p.name for p in registry if any(table.name in tables for table in p.tables)}
    return damaged | (report.halted.keys() & registry.by_name.keys())


def _found(report: ProofFinished) -> Iterator[str]:
    for kind, fault in report.faults.items():
        yield f"the log is damaged: {KINDS.get(kind, kind)}: {fault['count']:,}"
    if report.log_fault:
        yield f"the log is damaged: {report.log_fault}"
    if tables := sorted({each["table"] for each in _differences(report)}):
        yield f"tables that differ: {', '.join(tables)}"
    if report.halted:
        many = len(report.halted) > MOST_NAMES
        names = f"{len(report.halted)} read models" if many else ", ".join(sorted(report.halted))
        yield f"not proven: {names}"
    if report.not_compared:
        reasons = " ".join(report.not_compared).removesuffix(".")
        yield f"not compared with the archive: {reasons}"
    if report.not_folded:
        yield f"nothing was folded from the archive: {report.not_folded.removesuffix('.')}"
    if folds := report.differing_folds:
        yield f"folds that were not what their events come to, and were made again: {len(folds):,}"


def _differences(report: ProofFinished) -> Sequence[dict[str, Any]]:
    """Those of a proof; one of an earlier version names the first only."""
    return report.differences or ([report.difference] if report.difference else [])


def _cause(event: Event) -> str:
    return event.cause if isinstance(event, ProofFailed) else "its record cannot be read"


def _fault(faults: Sequence[Fault]) -> dict[str, Any]:
    """How often there is one, and the first places: an event is no place for a million of them."""
    return {
        "count": sum(fault.count for fault in faults),
        "places": [to_builtins(fault) for fault in faults[:MOST_PLACES]],
    }
