"""Building on several cores: the same rows, and no worker outlives a stop."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from threading import Event

import pytest

from ledger import waits
from ledger.domain.events import Metadata, NewEvent, StripeEventReceived
from ledger.errors import Stopped
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import parallel, positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from projections.engine.verify import verify
from simulator import some_traffic
from webhooks.translate.translator import Translator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def engine(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectionContext]:
    """A log of a few events that counts as long, in stretches of a few."""
    monkeypatch.setattr(parallel, "WORTHWHILE_EVENTS", 1)
    monkeypatch.setattr(parallel, "TASK_EVENTS", 20)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with closing(Log(database.conninfo("app"))) as log:
        engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        log.append([_entry(event.id, event.body) for event in some_traffic("parallel", 100)])
        yield engine


def _entry(event_id: str, body: bytes) -> NewEvent:
    received = StripeEventReceived(event_id=event_id, body=body, received_at=NOON, source="import")
    return NewEvent(f"stripe/{event_id}", 1, received, NOON, Metadata(actor="stripe"))


def test_workers_build_what_a_follower_makes(engine: ProjectionContext) -> None:
    Follower(engine).catch_up()
    assert verify(engine).holds, "a proof that workers built"
    rebuild(engine)
    assert verify(engine).holds


def test_a_stop_ends_the_workers_and_leaves_the_read_models_alone(
    engine: ProjectionContext,
) -> None:
    Follower(engine).catch_up()
    stop, reports = Event(), list[int]()

    def report(reached: int, _upto: int) -> None:
        reports.append(reached)
        stop.set()

    with pytest.raises(Stopped), waits.until(stop):
        rebuild(engine, progress=report)
    assert reports == [20]
    assert not multiprocessing.active_children()
    assert verify(engine).holds
