"""How far each projection is, which code made it, and what stopped it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from ledger.errors import ProjectionStopped
from projections.engine import foreign, tables
from projections.engine.build import Reader, ReadModelTables
from projections.engine.registry import Registry, version
from projections.engine.tables import LIVE, AnyCursor

State = Literal["following", "stopped", "changed", "unbuilt", "ahead", "diverged"]
ELSEWHERE: Final = ("ahead", "diverged")
"""States of read models whose rows are of another history than the log."""

STATUSES = """
select
    p.name, p.version, p.position, p.stopped_at, p.stopped_because,
    coalesce(
        (select position from ledger.head),
        (select max(notification_id) from ledger.stored_events),
        0
    ),
    p.leaf_hash is not distinct from coalesce(e.leaf_hash, p.leaf_hash) as stands,
    current_setting('ledger.time_zone') as zone
from read_models.projections as p
left join ledger.stored_events as e on e.notification_id = p.position
order by p.name
"""
"""Where the head is gone the last event is one: a proof says that of the log, not of its rows."""
EMPTIED: Final = (
    "The log ends at 0, and the read models do not: it is damaged. Restore it from a backup; do"
    " not rebuild, they hold what is left of it."
)
FURTHEST = "select max(position) from read_models.projections"
LOCKED = """
select name, position
from read_models.projections
where name = any(%s)
order by name
for update
"""
STOP = """
update read_models.projections
set stopped_at = %s, stopped_because = %s
where name = any(%s) and stopped_at is null
"""
BUILT = """
insert into read_models.projections (name, version, position, rebuilt_at, leaf_hash)
select name, version, %(position)s, now(), (
    select leaf_hash
    from ledger.stored_events
    where notification_id = %(position)s
)
from unnest(%(names)s::text[], %(versions)s::text[]) as built (name, version)
on conflict (name) do update
set version = excluded.version, position = excluded.position, rebuilt_at = excluded.rebuilt_at,
    leaf_hash = excluded.leaf_hash, stopped_at = null, stopped_because = null
"""


class ProjectionStatus(NamedTuple):
    """Where one projection stands, and the `version` of the code that made it.

    `because` says what to do where it does not follow. One that is `ahead` has taken in events that
    the log does not have, one that `diverged` others than the log has at its position: an older log
    was restored under it, which may have grown since, and its rows are of another history.
    """

    name: str
    state: State
    position: int
    stopped_at: int | None = None
    because: str | None = None
    version: str | None = None


def statuses(cursor: AnyCursor, registry: Registry, reader: Reader) -> list[ProjectionStatus]:
    """Where each projection of the registry stands."""
    rows = {row[0]: row for row in cursor.execute(STATUSES).fetchall()}
    zone = next((row[-1] for row in rows.values()), "")  # without rows, nothing is compared
    return [
        _status(name, rows.get(name), version(registry, name, reader.fingerprint, zone))
        for name in registry.by_name
    ]


def missing_tables(cursor: AnyCursor, registry: Registry) -> dict[str, list[str]]:
    """The tables that are not there although something was built, by their projection."""
    there = {
        row[0]
        for row in cursor.execute(
            "select relname from pg_catalog.pg_class"
            " where relnamespace = to_regnamespace(%s) and relkind = 'r'",
            [LIVE],
        ).fetchall()
    }
    lost = {p.name: [t.name for t in p.tables if t.name not in there] for p in registry}
    return {name: tables for name, tables in lost.items() if tables}


def check_following(cursor: AnyCursor, registry: Registry, reader: Reader) -> None:
    """Raise `ProjectionStopped`, with the cure, unless all follow as they would be made now."""
    states = statuses(cursor, registry, reader)
    if halted := [s for s in states if s.state != "following"]:
        named = ", ".join(s.name for s in halted)
        if elsewhere := [s for s in halted if s.state in ELSEWHERE]:
            raise ProjectionStopped(f"Not following: {named}: {elsewhere[0].because}.")
        raise ProjectionStopped(
            f"Not following: {named}; `ledger status` says why, `ledger rebuild` makes them again."
        )


def _versions(
    cursor: AnyCursor, registry: Registry, names: Iterable[str], reader: Reader
) -> dict[str, str]:
    """The version that each of these has when it is made by this session."""
    row = cursor.execute("select current_setting('ledger.time_zone') as zone").fetchone()
    assert row is not None
    (zone,) = row
    return {name: version(registry, name, reader.fingerprint, zone) for name in names}


def _status(name: str, row: Sequence[object] | None, wanted: str) -> ProjectionStatus:
    match row:
        case None:
            return ProjectionStatus(
                name, "unbuilt", 0, None, f"never built; run `ledger rebuild {name}`"
            )
        case (_, str(made), int(position), int() | None as stopped_at, _, int(head), *_) if (
            position > head
        ):
            because = (
                f"it is ahead of the log, which ends at {head}: was an older log restored?"
                " Run `ledger rebuild`"
            )
            if head == 0:
                because = (
                    "it is ahead of the log, which ends at 0, and took in events up to position"
                    f" {position}: restore the log from a backup, and do not rebuild"
                )
            return ProjectionStatus(name, "ahead", position, stopped_at, because, made)
        case (_, str(made), int(position), None, _, _, False, _):
            because = (
                f"at position {position} it took in another event than the log has there: was an"
                " older log restored? Run `ledger rebuild`"
            )
            return ProjectionStatus(name, "diverged", position, None, because, made)
        case (_, str(made), int(position), None, _, _, True, _):
            if made == wanted:
                return ProjectionStatus(name, "following", position, version=made)
            because = f"its code or settings changed; run `ledger rebuild {name}`"
            return ProjectionStatus(name, "changed", position, None, because, made)
        case (_, str(made), int(position), int(stopped_at), str(because), *_):
            return ProjectionStatus(name, "stopped", position, stopped_at, because, made)
        case _:
            raise AssertionError(row)


def prepare(cursor: AnyCursor, registry: Registry, reader: Reader, head: int) -> None:
    """Make the tables of projections that have nothing to catch up with: the log is empty.

    Where none was ever built they all begin at event 1: the first event of a new installation is
    often a token, before anything follows. For a long log `ledger rebuild` is quicker. What has
    taken in an event is left as it is, whatever the log says now: it may be all that is left.
    """
    if not _may_begin(cursor, head):
        return
    with cursor.connection.transaction():
        cursor.execute("lock table read_models.projections in exclusive mode")
        if not _may_begin(cursor, head):  # another process was faster
            return
        states = statuses(cursor, registry, reader)
        missing = registry.only(s.name for s in states if s.state != "following")
        names = tables.relations(missing.tables.values())
        foreign.check_free(cursor, names, names)
        tables.drop(cursor, LIVE, names)
        copy = ReadModelTables(cursor, missing, reader, LIVE)
        copy.create()
        copy.finish()
        built(cursor, registry, missing.by_name, reader, position=0)


def _may_begin(cursor: AnyCursor, head: int) -> bool:
    """Whether none was ever built, or the log is empty and none has taken anything in."""
    reached = furthest(cursor)
    return reached is None or reached == head == 0


def furthest(cursor: AnyCursor) -> int | None:
    """The last position that any projection took in; None where none was ever built."""
    row = cursor.execute(FURTHEST).fetchone()
    assert row is not None, "an aggregate has one row"
    return row[0]


def locked(cursor: AnyCursor, names: Iterable[str]) -> dict[str, int]:
    """The positions of these, held still until the transaction ends."""
    return dict(cursor.execute(LOCKED, [list(names)]).fetchall())


def stop(cursor: AnyCursor, names: Iterable[str], position: int, because: str) -> None:
    """These projections could not take in the event at a position."""
    cursor.execute(STOP, [position, because, list(names)])


def built(
    cursor: AnyCursor, registry: Registry, names: Iterable[str], reader: Reader, *, position: int
) -> None:
    """These projections were made by the present code from all events up to a position."""
    made = _versions(cursor, registry, names, reader)
    given = {"position": position, "names": list(made), "versions": list(made.values())}
    cursor.execute(BUILT, given)
