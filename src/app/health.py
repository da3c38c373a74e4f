"""Health: whether the database answers, and how far behind the read models are."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.operations import Schema, operation
from api.permissions import Permission
from kpi.checks.declare import catalogue
from ledger import waits
from ledger.clocks import Lag
from ledger.errors import StoreUnavailable
from ledger.postgres.failures import LAST_POSITION, check_head
from projections.engine.build import ProjectionContext, Reader
from projections.engine.causes import by_cause
from projections.engine.positions import ProjectionStatus, missing_tables, statuses
from projections.engine.proofs import LastProof, last_proof
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

TOO_LATE_SECONDS: Final = 30
SLOW_APPEND_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 2.0
"""How long a look waits for anything; who asks for our health asks again soon."""
MEMORY_SECONDS: Final = 1.0
"""How old an answer may be: every caller may ask, as often as they like."""

STORE_UP = Gauge("ledger_store_up", "1 while the database answers.")
HEAD_POSITION = Gauge("ledger_head_position", "The last position of the log.")
LAG_EVENTS = Gauge("ledger_lag_events", "Events that a read model that follows has yet to take in.")
LAG_SECONDS = Gauge("ledger_lag_seconds", "How long the first of them was seen to wait.")
HALTED = Gauge("ledger_projections_halted", "Projections that do not follow.")
OPEN_ISSUES = Gauge("ledger_open_issues", "Issues that are open, by check.", ["severity", "check"])
OTHER_MODE = Gauge(
    "ledger_other_mode_events",
    "Stripe's events of the mode that LEDGER_MODE leaves out; NaN where that is not known.",
)
PROOF_HOLDS = Gauge(
    "ledger_last_proof_holds", "1 where the last proof held, 0 where not; NaN before the first."
)
PROOF_TIME = Gauge(
    "ledger_last_proof_timestamp_seconds", "When the last proof ended; NaN before the first."
)
PROOF_DAMAGE = Gauge(
    "ledger_damage", "1 while damage stands that the last proof found; NaN before the first proof."
)

UNKNOWN: Final = float("nan")
for unknown in (OTHER_MODE, PROOF_HOLDS, PROOF_TIME, PROOF_DAMAGE):
    unknown.set(UNKNOWN)  # and not 0, should the first look find no database

OPEN: Final = """
select "check", count(*)
from read_models.issues
where state = 'open'
group by "check"
"""
MODES: Final = """
select count(*) filter (where outcome = 'other_mode'), count(*)
from read_models.audit
where topic = 'stripe.event_received.v1'
"""
OTHER: Final = "select count(*) from read_models.audit where outcome = 'other_mode'"
"""By the index on what became of an event: it is asked every second."""
HEAD: Final = f"select {LAST_POSITION}"
WAITING: Final = """
select recorded_at
from ledger.stored_events
where notification_id = %s
"""


class Health(Struct, frozen=True):
    """Where log and read models stand.

    `lag_events` were appended and are not in every read model yet; the first of them was recorded
    at `waiting_since`, by the database's clock. A projection that does not follow does not count:
    it is in `halted`. `lag_seconds` is how long this process has seen the first of them wait, and
    `append_seconds` how long its oldest append has waited: neither goes by a clock that may jump,
    and a first look knows of no lag. `proof` is the last one on record.
    """

    head: int
    lag_events: int
    waiting_since: datetime | None
    projections: list[ProjectionStatus]
    lag_seconds: float = 0.0
    append_seconds: float = 0.0
    proof: LastProof | None = None

    @property
    def halted(self) -> list[ProjectionStatus]:
        """The projections that do not follow."""
        return [status for status in self.projections if status.state != "following"]

    @property
    def causes(self) -> dict[str, list[str]]:
        """Why projections do not follow, and which of them each cause is of."""
        return by_cause(self.halted)

    @property
    def ready(self) -> bool:
        """Whether appends get through, and reads can be relied on: all follow, none far behind."""
        return (
            not self.halted
            and self.lag_seconds < TOO_LATE_SECONDS
            and self.append_seconds < SLOW_APPEND_SECONDS
        )


def survey(cursor: AnyCursor, registry: Registry, reader: Reader) -> Health:
    """Look at the log and at every projection; any role may. Raises `LogDamaged`."""
    lost = missing_tables(cursor, registry)
    states = [_with_its_tables(each, lost) for each in statuses(cursor, registry, reader)]
    row = cursor.execute(HEAD).fetchone()
    assert row is not None, "it is one row"
    head = check_head(row[0])
    slowest = min((s.position for s in states if s.state == "following"), default=head)
    waiting = cursor.execute(WAITING, [slowest + 1]).fetchone()
    return Health(head, max(0, head - slowest), waiting[0] if waiting else None, states)


def _with_its_tables(status: ProjectionStatus, lost: Mapping[str, list[str]]) -> ProjectionStatus:
    """A read model without one of its tables does not follow, also while no event comes for it."""
    if status.state != "following" or status.name not in lost:
        return status
    because = f"its table {lost[status.name][0]} is gone; run `ledger rebuild {status.name}`"
    return status._replace(state="unbuilt", because=because)


# ── Over HTTP ───────────────────────────────────────────────────────────────────────────────────


class Alive(Schema):
    """The process answers."""

    alive: bool


class Halted(Schema):
    """A projection that does not follow, why, and what to do."""

    name: str
    state: str
    because: str | None


class Readiness(Schema):
    """What `/readyz` answers; `head` is the log's last position.

    `lag_seconds` is how long this process has seen an event wait to be read, `append_seconds` how
    long one waits here to be appended; no clock that is set changes them.
    """

    ready: bool
    head: int
    lag_events: int
    lag_seconds: float
    append_seconds: float
    not_following: list[Halted]


@operation(Permission.PUBLIC, "service")
async def healthz(_: Request) -> Alive:
    """Say that the process is alive; nothing else is asked, not even for a thread."""
    return Alive(alive=True)


@operation(
    Permission.PUBLIC,
    "service",
    answers=Readiness,
    also={503: Readiness},
    errors=(StoreUnavailable,),
)
async def readyz(request: Request) -> Response:
    """Say whether the store takes appends and the read models follow closely; else 503.

    As it was at most a second ago.
    """
    health = (await _watch(request).seen()).health()
    halted = [Halted(name=s.name, state=s.state, because=s.because) for s in health.halted]
    answer = Readiness(
        ready=health.ready,
        head=health.head,
        lag_events=health.lag_events,
        lag_seconds=health.lag_seconds,
        append_seconds=health.append_seconds,
        not_following=halted,
    )
    status = 200 if health.ready else 503
    return Response(answer.model_dump_json(), status, media_type="application/json")


@operation(Permission.PUBLIC, "service", sends=("text/plain",))
async def metrics(request: Request) -> Response:
    """Give the figures of this process and the lag of the read models to Prometheus.

    As they were at most a second ago.
    """
    seen = await _watch(request).seen()
    return Response(seen.metrics, media_type=CONTENT_TYPE_LATEST)


class Seen(NamedTuple):
    """What a look saw: how we are, or why that cannot be known, and the figures of that moment."""

    found: Health | StoreUnavailable
    metrics: bytes

    def health(self) -> Health:
        """How we are; raises `StoreUnavailable` where that could not be seen."""
        if isinstance(self.found, StoreUnavailable):
            raise self.found
        return self.found


class Watch:
    """Remembers the last state of health, and looks again when asked a second later or more.

    One look serves all callers, in a separate thread: neither a flood of questions nor threads that
    are all busy can keep the answer back.
    """

    def __init__(self, engine: ProjectionContext) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "health")
        self._looking: asyncio.Future[Seen] | None = None
        self._seen: Seen | None = None
        self._lag = Lag()
        self._at = float("-inf")

    def close(self) -> None:
        """Look no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def seen(self) -> Seen:
        """What was seen at most `MEMORY_SECONDS` ago."""
        if self._seen is not None and time.monotonic() - self._at < MEMORY_SECONDS:
            return self._seen
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, self._look)
        return await asyncio.shield(self._looking)

    def _look(self) -> Seen:
        began = time.monotonic()
        try:
            health = look(self._engine)
            seconds = self._lag.seconds(health.head, health.head - health.lag_events)
            found: Health | StoreUnavailable = replace(health, lag_seconds=seconds)
            _measure(found)
            _measure_rows(self._engine, {status.name for status in found.halted})
        except StoreUnavailable as error:
            found = error
            STORE_UP.set(0)
        self._seen, self._at = Seen(found, generate_latest()), began
        return self._seen


def _watch(request: Request) -> Watch:
    return request.state.watch


def look(engine: ProjectionContext) -> Health:
    """Survey over a separate connection: no pool that is busy can hide the answer.

    An append of nothing shows whether appends get through. Raises `StoreUnavailable` where they do
    not, or nothing answers, within seconds.
    """
    engine.log.probe(LOOK_SECONDS)
    with (
        waits.within(LOOK_SECONDS),
        engine.database.connect("reader") as conn,
        conn.cursor() as cursor,
    ):
        health = survey(cursor, engine.registry, engine.reader)
        proof = last_proof(conn, engine)
    return replace(health, append_seconds=engine.log.pending.oldest_seconds, proof=proof)


class Modes(NamedTuple):
    """How many of Stripe's events are of the mode that LEDGER_MODE leaves out, and of how many."""

    other: int
    events: int


def modes(engine: ProjectionContext) -> Modes:
    """Count Stripe's events by mode, as far as they were taken in."""
    with engine.database.connect("reader") as conn:
        row = conn.execute(MODES).fetchone()
    assert row is not None, "an aggregate has one row"
    return Modes(*row)


def _measure(health: Health) -> None:
    STORE_UP.set(1)
    HEAD_POSITION.set(health.head)
    LAG_EVENTS.set(health.lag_events)
    LAG_SECONDS.set(health.lag_seconds)
    HALTED.set(len(health.halted))
    _measure_proof(health.proof)


def _measure_proof(proof: LastProof | None) -> None:
    if proof is None or proof.holds is None:
        for gauge in (PROOF_HOLDS, PROOF_TIME, PROOF_DAMAGE):
            gauge.set(UNKNOWN)
        return
    PROOF_HOLDS.set(proof.holds)
    PROOF_TIME.set(proof.ended_at.timestamp())
    PROOF_DAMAGE.set(proof.is_damage)


def _measure_rows(engine: ProjectionContext, halted: set[str]) -> None:
    """Figures of rows; unknown where their read model does not follow, or cannot be read now."""
    counts: dict[str, int] | None = None
    other_mode = UNKNOWN
    with (
        suppress(psycopg.Error, StoreUnavailable),
        waits.within(LOOK_SECONDS),
        engine.database.connect("reader") as conn,
    ):
        if "issues" not in halted:
            counts = dict(conn.execute(OPEN).fetchall())
        if "audit" not in halted:
            ((other_mode,),) = conn.execute(OTHER).fetchall()
    for check in catalogue():
        value = UNKNOWN if counts is None else counts.get(check.name, 0)
        OPEN_ISSUES.labels(check.severity, check.name).set(value)
    OTHER_MODE.set(other_mode)


routes = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
