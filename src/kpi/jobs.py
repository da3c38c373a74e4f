"""What the service does by the clock: it runs the checks, takes snapshots and proves them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import Final
from zoneinfo import ZoneInfo

from psycopg import Cursor
from psycopg.rows import dict_row

from kpi.as_of import as_of_figures
from kpi.checks.ask import DEFAULT, Limits
from kpi.checks.run import RUNS, run_checks
from kpi.declare import CONTRACT_VERSION
from kpi.snapshots import prove, take
from kpi.windows import day_of
from ledger.clocks import Unchanged
from ledger.errors import RebuildRunning
from ledger.log import store_errors
from projections.engine import positions
from projections.engine.build import ProjectionContext

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


class CheckJob:
    """Runs the checks so many minutes after the last run, by hand or by the clock.

    A clock that is set back makes no run wait longer than that.
    """

    def __init__(
        self, engine: ProjectionContext, every_minutes: int, limits: Limits = DEFAULT
    ) -> None:
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
            states = positions.statuses(cursor, registry, reader)
        following = [s.position for s in states if s.state == "following"]
        return min(following, default=head) >= head - CLOSE_EVENTS


# Of this contract (and zone): whether there is something to do, whether it is time by the
# database's clock, and what was done last.
NEEDS_SNAPSHOT: Final = """
select
    not coalesce(bool_or(as_of_position = %(position)s and last_day = %(today)s), false),
    coalesce(bool_and(computed_at + %(every)s < clock_timestamp()), true),
    concat_ws(' ', count(*), max(computed_at))
from kpi.snapshot_runs
where contract_version = %(contract)s and time_zone = current_setting('ledger.time_zone')
"""
NEEDS_PROOF: Final = """
select
    coalesce(bool_or(proved_at is null), false),
    coalesce(bool_and(proved_at is null or proved_at + %(every)s < clock_timestamp()), false),
    concat_ws(' ', count(proved_at), max(proved_at))
from kpi.snapshot_runs
where contract_version = %(contract)s
"""


class SnapshotJob:
    """Takes a snapshot every so many minutes where something changed, proves one as many hours.

    Today is by the earlier of both clocks: no day is recorded before it begins.
    """

    def __init__(self, engine: ProjectionContext, snapshot_minutes: int, proof_hours: int) -> None:
        self._engine = engine
        self._snapshots = timedelta(minutes=snapshot_minutes)
        self._proofs = timedelta(hours=proof_hours)
        self._last_snapshot, self._last_proof = Unchanged(), Unchanged()

    def take(self, _stop: Event) -> None:
        """Record the figures if it is time; not in the middle of an import."""
        now = self._engine.log.now()
        today = day_of(now, ZoneInfo(self._engine.database.time_zone))
        with (
            store_errors(),
            self._engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            stands = as_of_figures(cursor)
            asked = {
                "every": self._snapshots,
                "position": stands.position,
                "today": today,
                "contract": CONTRACT_VERSION,
            }
            due = _is_due(conn.execute(NEEDS_SNAPSHOT, asked), self._snapshots, self._last_snapshot)
        if due and 0 < stands.head <= stands.position + CLOSE_EVENTS:
            take(self._engine, today, now)

    def prove(self, _stop: Event) -> None:
        """Prove the latest snapshot if it is time; what differs is kept, and a check tells it.

        A proof that is stopped half done says nothing.
        """
        with store_errors(), self._engine.database.connect("reader") as conn:
            asked = {"every": self._proofs, "contract": CONTRACT_VERSION}
            due = _is_due(conn.execute(NEEDS_PROOF, asked), self._proofs, self._last_proof)
        if due:
            with suppress(RebuildRunning):  # a proof runs already; this one is tried when due again
                prove(self._engine, self._engine.log.now())


def _is_due(found: Cursor, every: timedelta, last: Unchanged) -> bool:
    """By the database's clock, or because that much time went by here since it was done last."""
    row = found.fetchone()
    assert row is not None, "an aggregate has one row"
    worthwhile, by_clock, done = row
    return worthwhile and (by_clock or last.seconds(done) > every.total_seconds())
