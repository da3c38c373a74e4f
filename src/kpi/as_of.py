"""As of which position figures are read, and the tables that a rebuild up to one would give."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from zoneinfo import ZoneInfo

from kpi.declare import Figure, catalogue, projections_of
from kpi.windows import day_of
from ledger.log import Log
from projections.engine import replay
from projections.engine.build import ProjectionContext
from projections.engine.rebuild import Progress, silent
from projections.engine.replay import AsOf, DictCursor, as_of_projections


def as_of_figures(cursor: DictCursor, figures: Sequence[Figure] | None = None) -> AsOf:
    """Where the tables of these figures (all, if none are named) stand in the cursor's snapshot.

    Raises `ProjectionStopped` where one of them does not exist or follow, and `LogDamaged`.
    """
    return as_of_projections(
        cursor, projections_of(list(catalogue().values()) if figures is None else figures)
    )


def known_until(log: Log, zone: ZoneInfo, position: int | None = None) -> date:
    """The last day that had begun: today or, as of a position, when the next event was recorded."""
    following = [] if position is None else log.at([position + 1])
    return day_of(following[0].recorded_at if following else log.now(), zone)


def replayed(
    engine: ProjectionContext, position: int, time_zone: str, progress: Progress = silent
) -> AbstractContextManager[DictCursor]:
    """A cursor on the tables of all figures as they were at a position: see `replay.replayed`."""
    names = projections_of(list(catalogue().values()))
    return replay.replayed(engine, position, time_zone, names, progress)
