"""How the service is: whether the store is there, and how far behind the read models are."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, NamedTuple, get_args

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.operations import Schema, operation
from api.permissions import Permission
from ledger import waits
from ledger.clocks import Lag
from ledger.domain.events import Severity
from ledger.errors import StoreUnavailable
from projections.engine.build import ProjectionContext, Reader
from projections.engine.positions import ProjectionStatus, standings
from projections.engine.registry import Registry
from projections.engine.tables import AnyCursor

TOO_LATE_SECONDS: Final = 30
SLOW_APPEND_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 2.0
"""How long a look waits for anything; who asks for our health asks again soon."""
MEMORY_SECONDS: Final = 1.0
"""How old an answer may be: anybody may ask, as often as he likes."""

STORE_UP = Gauge("ledger_store_up", "1 while the database answers.")
HEAD_POSITION = Gauge("ledger_head_position", "The last position of the log.")
LAG_EVENTS = Gauge("ledger_lag_events", "Events that a read model that follows has yet to take in.")
LAG_SECONDS = Gauge("ledger_lag_seconds", "How long the first of them was seen to wait.")
HALTED = Gauge("ledger_projections_halted", "Projections that do not follow.")
OPEN_ISSUES = Gauge("ledger_open_issues", "Issues that are open, by severity.", ["severity"])

OPEN: Final = """
select severity, count(*)
from read_models.issues
where state = 'open'
group by severity
"""
HEAD: Final = "select position from ledger.head"
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
    and a first look knows of no lag.
    """

    head: int
    lag_events: int
    waiting_since: datetime | None
    projections: list[ProjectionStatus]
    lag_seconds: float = 0.0
    append_seconds: float = 0.0

    @property
    def halted(self) -> list[ProjectionStatus]:
        """The projections that do not follow."""
        return [standing for standing in self.projections if standing.state != "following"]

    @property
    def ready(self) -> bool:
        """Whether appends get through, and reads can be relied on: all follow, none far behind."""
        return (
            not self.halted
            and self.lag_seconds < TOO_LATE_SECONDS
            and self.append_seconds < SLOW_APPEND_SECONDS
        )


def survey(cursor: AnyCursor, registry: Registry, reader: Reader) -> Health:
    """Look at the log and at every projection; any role may."""
    states = standings(cursor, registry, reader)
    row = cursor.execute(HEAD).fetchone()
    assert row is not None, "the head has one row"
    head: int = row[0]
    slowest = min((s.position for s in states if s.state == "following"), default=head)
    waiting = cursor.execute(WAITING, [slowest + 1]).fetchone()
    return Health(head, max(0, head - slowest), waiting[0] if waiting else None, states)


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


@operation(surface=Permission.PUBLIC, tag="service", answers=Alive)
async def healthz(_: Request) -> Alive:
    """Say that the process is alive; nothing else is asked, not even for a thread."""
    return Alive(alive=True)


@operation(
    surface=Permission.PUBLIC,
    tag="service",
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


@operation(surface=Permission.PUBLIC, tag="service", sends=("text/plain",))
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
    """Remembers how we were, and looks again when somebody asks for it a second later.

    One looks for all who ask, in a thread of its own: neither a flood of questions nor threads that
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
            if "issues" not in {standing.name for standing in found.halted}:
                _count_issues(self._engine)
        except StoreUnavailable as error:
            found = error
            STORE_UP.set(0)
        self._seen, self._at = Seen(found, generate_latest()), began
        return self._seen


def _watch(request: Request) -> Watch:
    return request.state.watch


def look(engine: ProjectionContext) -> Health:
    """Survey over a connection of its own: no pool that is busy can hide the answer.

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
    return replace(health, append_seconds=engine.log.pending.oldest_seconds)


def _measure(health: Health) -> None:
    STORE_UP.set(1)
    HEAD_POSITION.set(health.head)
    LAG_EVENTS.set(health.lag_events)
    LAG_SECONDS.set(health.lag_seconds)
    HALTED.set(len(health.halted))


def _count_issues(engine: ProjectionContext) -> None:
    with engine.database.connect("reader") as conn:
        counts: dict[str, int] = dict(conn.execute(OPEN).fetchall())
    for severity in get_args(Severity):
        OPEN_ISSUES.labels(severity).set(counts.get(severity, 0))


routes = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
