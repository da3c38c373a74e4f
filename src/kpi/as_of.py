"""As of which position figures are read, and the tables that a rebuild up to one would give."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import dict_row

from kpi.declare import Figure, catalogue, projections_of
from ledger.errors import ProjectionStopped
from ledger.postgres.database import UNLIMITED
from ledger.postgres.failures import store_errors
from projections.engine import tables
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.rebuild import Progress, alone, build, silent
from projections.engine.tables import PROOF

DictCursor = Cursor[dict[str, Any]]
"""A cursor whose rows are dicts."""

STANDING: Final = """
select
    current_setting('ledger.time_zone') as time_zone,
    (select position from ledger.head) as head,
    min(position) as position,
    count(*) filter (where stopped_at is null) as following,
    bool_and(split_part(version, ' ', 2) in ('', current_setting('ledger.time_zone'))) as same_zone
from read_models.projections
where name = any(%(names)s)
"""


class AsOf(NamedTuple):
    """The last position that all tables took in, the log's, and the zone in which days are cut."""

    position: int
    head: int
    time_zone: str

    @property
    def complete(self) -> bool:
        """Whether the tables hold all that the log says."""
        return self.position >= self.head


def standing(cursor: DictCursor, figures: Sequence[Figure] | None = None) -> AsOf:
    """Where the tables of these figures (all, if none are named) stand in the cursor's snapshot.

    Raises `ProjectionStopped` where one of them does not exist or follow, or has days of another
    time zone.
    """
    return standing_of(
        cursor, projections_of(list(catalogue().values()) if figures is None else figures)
    )


def standing_of(cursor: DictCursor, projections: Sequence[str]) -> AsOf:
    """The same of the tables of these projections."""
    row = cursor.execute(STANDING, {"names": list(projections)}).fetchone()
    assert row is not None, "an aggregate has one row"
    if row["following"] < len(projections):
        raise ProjectionStopped("Figures need every read model; `ledger status` says why not.")
    if not row["same_zone"]:
        raise ProjectionStopped(
            f"Days are not cut in the time zone {row['time_zone']} yet; run `ledger rebuild`."
        )
    return AsOf(row["position"], row["head"], row["time_zone"])


def replayed_to(cursor: DictCursor, position: int) -> AsOf:
    """Where tables stand that were made up to a position: they hold all of it."""
    row = cursor.execute("select current_setting('ledger.time_zone') as time_zone").fetchone()
    assert row is not None, "it is one row"
    return AsOf(position, position, row["time_zone"])


@contextmanager
def replayed(
    engine: ProjectionContext, position: int, time_zone: str, progress: Progress = silent
) -> Generator[DictCursor]:
    """A cursor on the tables of all figures as they were at a position: made from event 1.

    It may also write as the projector. Raises `RebuildRunning` while a rebuild or a proof works.
    """
    there = engine._replace(database=replace(engine.database, time_zone=time_zone))
    needed = engine.registry.with_reads(projections_of(list(catalogue().values())))
    with (
        store_errors(),
        there.database.connect("projector", seconds=UNLIMITED, autocommit=True) as conn,
        conn.cursor(row_factory=dict_row) as cursor,
        conn.cursor() as building,
        alone(building),
    ):
        tables.clear(building, PROOF)
        try:
            copy = ReadModelTables(building, needed, engine.reader, PROOF)
            build(there._replace(registry=needed), copy, position, progress)
            yield cursor
        finally:
            tables.clear(building, PROOF)
