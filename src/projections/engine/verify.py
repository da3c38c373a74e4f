"""The proof: read models made anew from event 1 in a scratch schema, and compared byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import IsolationLevel

from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from projections.engine import positions, tables
from projections.engine.build import Copy, Engine, stretches
from projections.engine.digest import Difference, digests, first_difference
from projections.engine.positions import Standing
from projections.engine.rebuild import Progress, build, silent, workshop
from projections.engine.registry import Registry
from projections.engine.tables import LIVE, PROOF, AnyCursor

GAPS = """
select head.position, count(e.notification_id), coalesce(max(e.notification_id), 0)
from ledger.head
left join ledger.stored_events as e on true
group by head.position
"""
FORGED = """
select notification_id
from ledger.stored_events
where leaf_hash <> ledger.leaf_hash(
    notification_id, originator_id, originator_version, topic, recorded_at, state
)
order by notification_id
limit 1
"""


class Proof(NamedTuple):
    """What a verification found. `position` is the last that was proven.

    `halted` are projections that do not follow: nothing can be said of them. `log_fault` says what
    is wrong with the log itself: a gap, or an event that is not what was appended.
    """

    position: int
    tables: dict[str, str]
    difference: Difference | None
    halted: list[Standing]
    log_fault: str | None

    @property
    def holds(self) -> bool:
        """Whether everything was proven."""
        return not (self.difference or self.halted or self.log_fault)


def verify(engine: Engine, progress: Progress = silent) -> Proof:
    """Rebuild everything from event 1 beside the live read models and compare table by table.

    Raises `RebuildRunning` while a rebuild or another proof is at work.
    """
    with workshop(engine) as cursor:
        return prove(engine, cursor, progress)


def prove(engine: Engine, proof: AnyCursor, progress: Progress = silent) -> Proof:
    """What `verify` does, in a workshop.

    Both sides stand at the same positions: those of one snapshot of the live tables.
    """
    database, log, registry, reader = engine
    with database.connect("projector", seconds=UNLIMITED) as live_conn, live_conn.cursor() as live:
        states = positions.standings(proof, registry, reader)
        halted = _halted(registry, states)
        proven = registry.only(registry.by_name.keys() - {s.name for s in halted})
        tables.clear(proof, PROOF)
        copy = Copy(proof, proven, reader, PROOF)
        lowest = min((s.position for s in states if s.name in proven.by_name), default=0)
        build(engine._replace(registry=proven), copy, lowest, progress)
        live_conn.isolation_level = IsolationLevel.REPEATABLE_READ
        at = _meet(copy, log, lowest, live)
        difference = _compare(proof, live, proven)
        found = digests(proof, PROOF, proven)
        tables.clear(proof, PROOF)
        return Proof(at, found, difference, halted, log_fault(live))


def _halted(registry: Registry, states: Sequence[Standing]) -> list[Standing]:
    """Those of which nothing can be said: they do not follow, or read one that does not."""
    stopped = {s.name for s in states if s.state != "following"}
    readers = registry.readers(stopped) - stopped
    because = f"reads what does not follow: {', '.join(sorted(stopped))}"
    return [
        s._replace(state="stopped", because=because) if s.name in readers else s
        for s in states
        if s.name in stopped | readers
    ]


def _meet(copy: Copy, log: Log, reached: int, live: AnyCursor) -> int:
    """Bring the proof to where the live tables stand in `live`'s snapshot; answers the last."""
    standing = {s.name: s.position for s in positions.standings(live, copy.registry, copy.reader)}
    for position in sorted(set(standing.values())):
        group = copy.registry.only(name for name, at in standing.items() if at >= position)
        part = Copy(copy.cursor, group, copy.reader, PROOF)
        part.advance(stretches(log, reached, position))
        reached = position
    return reached


def _compare(proof: AnyCursor, live: AnyCursor, registry: Registry) -> Difference | None:
    wanted, found = digests(proof, PROOF, registry), digests(live, LIVE, registry)
    for name, table in registry.tables.items():
        if wanted[name] != found[name]:
            return first_difference(live, LIVE, proof, PROOF, table)
    return None


def log_fault(cursor: AnyCursor) -> str | None:
    """What is wrong with the log: positions that are missing, or stored bytes that were changed."""
    row = cursor.execute(GAPS).fetchone()
    assert row is not None
    head, events, last = row
    if not head == events == last:
        return f"the head is {head}, but there are {events} events and the last is at {last}"
    forged = cursor.execute(FORGED).fetchone()
    if forged:
        return f"the event at position {forged[0]} is not the one that was appended there"
    return None
