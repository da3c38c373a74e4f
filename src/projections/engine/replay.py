"""Where tables stand that are read together, and tables as a rebuild up to a position has them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import dict_row

from ledger.errors import InvalidRequest, ProjectionStopped
from ledger.log import Log
from ledger.postgres.database import UNLIMITED
from ledger.postgres.failures import LAST_POSITION, check_head, store_errors
from projections.engine import tables
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.rebuild import Progress, alone, build, silent
from projections.engine.tables import PROOF

DictCursor = Cursor[dict[str, Any]]
"""A cursor whose rows are dicts."""

RESTS_ON: Final = """
select
    current_setting('ledger.time_zone') as time_zone,
    last_position as head,
    min(position) as position,
    count(*) filter (where stopped_at is null) as following
from read_models.projections
where name = any(%(names)s)
""".replace("last_position", LAST_POSITION)


class AsOf(NamedTuple):
    """The last position that all tables took in, the log's, and the zone in which days are cut."""

    position: int
    head: int
    time_zone: str

    @property
    def has_all(self) -> bool:
        """Whether the tables hold all that the log says."""
        return self.position >= self.head


def as_of_projections(cursor: DictCursor, projections: Sequence[str]) -> AsOf:
    """Where the tables of these projections stand in the cursor's snapshot.

    Raises `ProjectionStopped` where one of them does not exist or follow, and `LogDamaged`.
    """
    row = cursor.execute(RESTS_ON, {"names": list(projections)}).fetchone()
    assert row is not None, "an aggregate has one row"
    if row["following"] < len(projections):
        raise ProjectionStopped("A read model is needed that does not follow; see `ledger status`.")
    return AsOf(row["position"], check_head(row["head"]), row["time_zone"])


def replayed_to(cursor: DictCursor, position: int) -> AsOf:
    """Where tables stand that were made up to a position: they hold all of it."""
    row = cursor.execute("select current_setting('ledger.time_zone') as time_zone").fetchone()
    assert row is not None, "it is one row"
    return AsOf(position, position, row["time_zone"])


def check_begun(log: Log, position: int) -> int:
    """A position as of which something was known, and figures are figures.

    Raises `InvalidRequest` for one before the first event: a zero there would say that nothing was
    sold.
    """
    if position > 0:
        return position
    first = log.at([1])
    if not first:
        raise InvalidRequest("as of: nothing is known, since the log has no event yet.")
    raise InvalidRequest(
        "as of: nothing was known at that time; the first event was recorded at"
        f" {first[0].recorded_at:%FT%TZ}."
    )


@contextmanager
def replayed(
    engine: ProjectionContext,
    position: int,
    time_zone: str,
    projections: Sequence[str],
    progress: Progress = silent,
) -> Generator[DictCursor]:
    """A cursor on the tables of these projections, and of all that they read, as of a position.

    They are made from event 1. It may also write as the projector. Raises `RebuildRunning` while a
    rebuild or a proof works.
    """
    there = engine._replace(database=replace(engine.database, time_zone=time_zone))
    needed = engine.registry.with_reads(projections)
    with (
        store_errors(),
        there.database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn,
        conn.cursor(row_factory=dict_row) as cursor,
        conn.cursor() as building,
        alone(building),
        tables.scratch(building, PROOF),
    ):
        copy = ReadModelTables(building, needed, engine.reader, PROOF)
        build(there._replace(registry=needed), copy, position, progress)
        yield cursor
