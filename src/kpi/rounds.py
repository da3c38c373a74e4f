"""Rounds: the service runs the checks by itself, by the clock and after a rebuild."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import Final

from kpi.checks.ask import DEFAULT, Limits
from kpi.checks.run import RUNS, run_checks
from ledger.clocks import Unchanged
from projections.engine import positions
from projections.engine.build import Engine

LOOK_SECONDS: Final = 5.0
CLOSE_EVENTS: Final = 1_000
DUE: Final = """
with known as (
    select
        (select recorded_at from ledger.stored_events where notification_id = 1) as began_at,
        (
            select recorded_at
            from ledger.stored_events
            where originator_id = %(runs)s
            order by originator_version desc
            limit 1
        ) as ran_at,
        (
            select max(originator_version)
            from ledger.stored_events
            where originator_id = %(runs)s
        ) as runs,
        (select max(rebuilt_at) from read_models.projections) as rebuilt_at
)
select
    greatest(began_at, ran_at) + %(every)s < clock_timestamp() or rebuilt_at > ran_at,
    began_at is not null,
    runs
from known
"""
"""Whether the checks should be run now, by the database's times; how often they ran, if ever."""


class Rounds:
    """Runs the checks when the last run, whoever ran them, is so many minutes ago.

    A clock that is set back makes no run wait longer than that.
    """

    def __init__(self, engine: Engine, every_minutes: int, limits: Limits = DEFAULT) -> None:
        self._engine = engine
        self._limits = limits
        self._every = timedelta(minutes=every_minutes)
        self._last_run = Unchanged()

    def look(self, _stop: Event) -> None:
        """Run the checks if it is time; a job of the service's timer, every `LOOK_SECONDS`."""
        if self.is_due() and self.is_close():
            run_checks(self._engine, self._engine.log.now(), limits=self._limits)

    def is_due(self) -> bool:
        """Whether it is time, or the read models were rebuilt since; not in an empty log."""
        with self._engine.database.connect("reader") as conn:
            row = conn.execute(DUE, {"every": self._every, "runs": RUNS}).fetchone()
        assert row is not None, "it is one row"
        by_clock, has_begun, runs = row
        waited = self._last_run.seconds(runs)
        return bool(by_clock) or (has_begun and waited > self._every.total_seconds())

    def is_close(self) -> bool:
        """Whether the read models are near the head: half an import would look like trouble."""
        registry, reader = self._engine.registry, self._engine.reader
        head = self._engine.log.head()
        with self._engine.database.connect("reader") as conn, conn.cursor() as cursor:
            states = positions.standings(cursor, registry, reader)
        following = [s.position for s in states if s.state == "following"]
        return min(following, default=head) >= head - CLOSE_EVENTS
