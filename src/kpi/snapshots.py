"""Snapshots: the figures of each day and of the windows that end with it, recorded and proven.

A run computes them as of one position, the same for all of its days, and stores a row only where
something changed since the run before. So what was reported once can be found, and computed again
as of its position: `prove` does that, from event 1, and the check `snapshots_differ` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import IsolationLevel
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from kpi.as_of import as_of_figures, replayed
from kpi.declare import CONTRACT_VERSION, catalogue, projections_of
from kpi.evaluate import Values, evaluate
from kpi.windows import LENGTHS, Window, ending
from ledger.domain.text import as_of
from ledger.errors import NotFound
from ledger.log import store_errors
from ledger.postgres.leadership import SNAPSHOTS
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.rebuild import Progress, silent
from projections.engine.replay import DictCursor
from projections.engine.tables import LIVE

FILLED_BY: Final = (
    "`ledger kpi snapshot` takes them, and the service does every LEDGER_SNAPSHOT_MINUTES."
)
"""What makes snapshots."""

DAYS: Final = 90
WINDOW_DAYS: Final = (1, *LENGTHS)

ONE_AT_A_TIME: Final = "select pg_advisory_lock(hashtext(%s))"
RUN: Final = """
insert into kpi.snapshot_runs as run (
    as_of_position, contract_version, time_zone, first_day, last_day, complete, computed_at
)
values (
    %(position)s, %(contract)s, %(zone)s, %(first)s, %(last)s, %(complete)s, %(now)s
)
on conflict (as_of_position, contract_version, time_zone) do update
set first_day = least(run.first_day, excluded.first_day),
    last_day = greatest(run.last_day, excluded.last_day),
    computed_at = excluded.computed_at, proved_at = null, differences = null
"""
CHANGED: Final = """
insert into kpi.snapshots (
    day, window_days, currency, contract_version, time_zone, as_of_position, figures
)
select
    made.day, made.window_days, made.currency, %(contract)s, %(zone)s, %(position)s, made.figures
from unnest(%(days)s::date[], %(windows)s::integer[], %(currencies)s::text[], %(figures)s::jsonb[])
    as made (day, window_days, currency, figures)
left join lateral (
    select figures
    from kpi.snapshots
    where (day, window_days, currency) = (made.day, made.window_days, made.currency)
        and contract_version = %(contract)s and time_zone = %(zone)s
        and as_of_position <= %(position)s
    order by as_of_position desc
    limit 1
) as known on true
where known.figures is distinct from made.figures
on conflict do nothing
"""
KNOWN: Final = """
select distinct on (day, window_days, currency)
    day, window_days, currency, as_of_position, figures
from kpi.snapshots
where contract_version = %(contract)s and time_zone = %(zone)s
    and as_of_position <= %(position)s and day between %(first)s and %(last)s
order by day, window_days, currency, as_of_position desc
"""
READ: Final = """
select distinct on (s.day, s.currency)
    s.day, s.window_days, nullif(s.currency, '') as currency, s.as_of_position, s.contract_version,
    s.time_zone, s.figures, run.computed_at, run.complete
from kpi.snapshots as s
join kpi.snapshot_runs as run using (as_of_position, contract_version, time_zone)
where s.day between %(first)s and %(last)s and s.window_days = %(window_days)s
    and (%(currency)s::text is null or s.currency = %(currency)s)
    and (%(as_of)s::bigint is null or s.as_of_position <= %(as_of)s)
order by s.day desc, s.currency, s.as_of_position desc
"""
TO_PROVE: Final = """
select as_of_position, contract_version, time_zone, first_day, last_day, complete
from kpi.snapshot_runs
where contract_version = %(contract)s
    and (%(position)s::bigint is null or as_of_position = %(position)s)
order by as_of_position desc
limit 1
"""
PROVEN: Final = """
update kpi.snapshot_runs
set proved_at = %(now)s, differences = %(differences)s
where as_of_position = %(position)s and contract_version = %(contract)s and time_zone = %(zone)s
"""


class Taken(NamedTuple):
    """What a run recorded: of which days, as of which position, and in how many rows it changed.

    `complete` says that all facts of the log up to the head were in the tables.
    """

    position: int
    first_day: date
    last_day: date
    complete: bool
    rows: int


class Difference(msgspec.Struct, frozen=True):
    """A figure that a snapshot has otherwise than its facts; None where there is no such row."""

    day: date
    window_days: int
    currency: str
    figure: str
    stored: int | None
    recomputed: int | None


class Proven(NamedTuple):
    """What computing a run's snapshots again, from event 1 up to its position, found."""

    position: int
    rows: int
    differences: list[Difference]


def take(engine: ProjectionContext, today: date, now: datetime, days: int = DAYS) -> Taken:
    """Record the figures of the last days, each as a day and as the end of each window.

    Raises `ProjectionStopped` where a read model that the figures need does not exist or follow.
    """
    with (
        store_errors(),
        engine.database.connect("projector") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        tables.use(cursor, LIVE)
        cursor.execute(ONE_AT_A_TIME, [SNAPSHOTS])
        conn.commit()  # what follows sees what the run before stored
        tables.hold(cursor)
        needed = engine.registry.with_reads(projections_of(list(catalogue().values())))
        with conn.cursor() as asking:
            positions.check_following(asking, needed, engine.reader)
        run = _run_now(cursor, ending(today, days))
        cursor.execute(RUN, run._asdict() | {"now": now})
        changed = _store(cursor, run)
    return Taken(run.position, run.first, run.last, run.complete, changed)


class _Run(NamedTuple):
    """Of which days, as of which position, and under which rules snapshots are taken."""

    position: int
    contract: int
    zone: str
    first: date
    last: date
    complete: bool


def _run_now(cursor: DictCursor, days: Window) -> _Run:
    now = as_of_figures(cursor)
    return _Run(now.position, CONTRACT_VERSION, now.time_zone, *days, now.has_all)


def _store(cursor: DictCursor, run: _Run) -> int:
    made = list(_rows(cursor, Window(run.first, run.last)))
    known = {row.key: row for row in _known(cursor, run)}
    made += [_emptied(known[key]) for key in known.keys() - {row.key for row in made}]
    columns = {
        "days": [row.day for row in made],
        "windows": [row.window_days for row in made],
        "currencies": [row.currency for row in made],
        "figures": [Jsonb(row.figures) for row in made],
    }
    cursor.execute(CHANGED, run._asdict() | columns)
    return cursor.rowcount


class _Row(NamedTuple):
    day: date
    window_days: int
    currency: str
    figures: dict[str, int]

    @property
    def key(self) -> tuple[date, int, str]:
        return self[:3]


def _rows(cursor: DictCursor, days: Window) -> Iterator[_Row]:
    """The figures of every window that ends with one of the days; ratios follow from them."""
    ends = [(day.last, length) for day in days.each_day() for length in WINDOW_DAYS]
    found = evaluate(cursor, [ending(last, length) for last, length in ends])
    for (last, length), evaluated in zip(ends, found, strict=True):
        for currency, values in evaluated.items():
            yield _Row(last, length, currency, _integers(values))


def _integers(values: Values) -> dict[str, int]:
    return {name: value for name, value in values.items() if isinstance(value, int)}


def _emptied(row: _Row) -> _Row:
    """A currency whose facts are all gone: they were linked or reported otherwise."""
    return row._replace(figures=dict.fromkeys(row.figures, 0))


def _known(cursor: DictCursor, run: _Run) -> Iterator[_Row]:
    """What the latest runs up to this one's position recorded of its days."""
    for row in cursor.execute(KNOWN, run._asdict()).fetchall():
        yield _Row(row["day"], row["window_days"], row["currency"], row["figures"])


def prove(
    engine: ProjectionContext,
    now: datetime,
    position: int | None = None,
    progress: Progress = silent,
) -> Proven:
    """Compute the snapshots of a run (the latest, or that of a position) again from event 1.

    The result is kept with the run. Raises `NotFound` where there is no such run of this contract,
    `RebuildRunning` while a rebuild or another proof is at work.
    """
    run = _run_to_prove(engine, position)
    with replayed(engine, run.position, run.zone, progress) as cursor:
        recomputed = list(_rows(cursor, Window(run.first, run.last)))
        stored = list(_known(cursor, run))
        found = list(_differences(stored, recomputed))
        result = {"differences": Jsonb(msgspec.to_builtins(found)), "now": now}
        cursor.execute(PROVEN, run._asdict() | result)
    return Proven(run.position, len(stored), found)


def _run_to_prove(engine: ProjectionContext, position: int | None) -> _Run:
    with engine.database.connect("reader") as conn:
        asked = {"position": position, "contract": CONTRACT_VERSION}
        row = conn.execute(TO_PROVE, asked).fetchone()
    if row is None:
        which = "snapshot" if position is None else f"snapshot of position {position:,}"
        raise NotFound(
            f"No {which} under contract {CONTRACT_VERSION} {as_of(engine.log.head())};"
            " `ledger kpi snapshot` takes one."
        )
    return _Run(*row)


def known(
    cursor: DictCursor,
    days: Window,
    *,
    window_days: int,
    currency: str | None = None,
    as_of: int | None = None,
) -> list[dict[str, Any]]:
    """What was recorded of these days' windows, by the latest runs (up to a position)."""
    asked = {"first": days.first, "last": days.last, "window_days": window_days}
    return cursor.execute(READ, asked | {"currency": currency, "as_of": as_of}).fetchall()


def _differences(stored: Sequence[_Row], recomputed: Sequence[_Row]) -> Iterator[Difference]:
    was, now = ({row.key: row.figures for row in rows} for rows in (stored, recomputed))
    for key in sorted(was.keys() | now.keys()):
        before, after = was.get(key, {}), now.get(key, {})
        for name in sorted(before.keys() | after.keys()):
            if (before.get(name) or 0) != (after.get(name) or 0):
                yield Difference(*key, name, before.get(name), after.get(name))
