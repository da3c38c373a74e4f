"""Health from memory: however many ask, one looks for all of them, at most once a second."""

import asyncio
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import cast

import pytest
from msgspec.structs import replace

from app import health
from app.health import Health, Watch
from ledger.errors import StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.proofs import LastProof
from projections.engine.registry import discover
from tests.support import loops
from webhooks.translate.translator import Translator

WELL = Health(head=7, lag_events=0, waiting_since=None, projections=[])


class Eyes:
    """Stands in for the look at the database, and counts; it ends once it `may`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        self.may = threading.Event()
        self.may.set()
        self.found: Health | StoreUnavailable = WELL
        monkeypatch.setattr(health, "look", self._look)
        monkeypatch.setattr(health, "_measure_rows", lambda *_: None)

    def _look(self, _: ProjectionContext) -> Health:
        self.looks += 1
        assert self.may.wait(20)
        if isinstance(self.found, StoreUnavailable):
            raise self.found
        return self.found


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    return Eyes(monkeypatch)


def watch() -> Watch:
    return Watch(cast("ProjectionContext", None))


def test_a_thousand_questions_are_one_look(eyes: Eyes, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of them holds a thread while it waits."""
    monkeypatch.setattr(health, "MEMORY_SECONDS", 3600.0)

    async def ask() -> None:
        watching = watch()
        eyes.may.clear()
        asked = [asyncio.ensure_future(watching.seen()) for _ in range(1000)]
        await asyncio.sleep(0.05)
        eyes.may.set()
        assert all(seen.health() == WELL for seen in await asyncio.gather(*asked))
        assert (await watching.seen()).health() == WELL
        watching.close()

    loops.run(ask())
    assert eyes.looks == 1


def test_what_was_seen_too_long_ago_is_looked_at_again(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MEMORY_SECONDS", 0.0)

    async def ask() -> None:
        watching = watch()
        assert (await watching.seen()).health().head == 7
        eyes.found = StoreUnavailable("away")
        with pytest.raises(StoreUnavailable, match="away"):
            (await watching.seen()).health()
        eyes.found = WELL
        assert (await watching.seen()).health().head == 7
        watching.close()

    loops.run(ask())
    assert eyes.looks == 3


PROVEN = LastProof(
    id="1" * 32, position=5, ended_at=datetime(2026, 3, 1, tzinfo=UTC), by="ann", holds=True
)
SAMPLES = ("ledger_last_proof_holds", "ledger_last_proof_timestamp_seconds", "ledger_damage")


@pytest.mark.parametrize(
    ("proof", "values"),
    [
        (None, ("NaN", "NaN", "NaN")),
        (replace(PROVEN, holds=None), ("NaN", "NaN", "NaN")),
        (PROVEN, ("1.0", "1.7723232e+09", "0.0")),
        (replace(PROVEN, holds=False, suspects=("orders",)), ("0.0", "1.7723232e+09", "1.0")),
        (replace(PROVEN, holds=False, log_is_damaged=True), ("0.0", "1.7723232e+09", "1.0")),
        (replace(PROVEN, holds=False), ("0.0", "1.7723232e+09", "0.0")),  # rebuilt since
    ],
)
def test_the_last_proof_is_a_figure(
    eyes: Eyes, proof: LastProof | None, values: tuple[str, ...]
) -> None:
    """Before the first proof nothing is known, which is not that all is well."""
    eyes.found = replace(WELL, proof=proof)

    async def ask() -> str:
        watching = watch()
        metrics = (await watching.seen()).metrics
        watching.close()
        return metrics.decode()

    lines = loops.run(ask()).splitlines()
    for sample, value in zip(SAMPLES, values, strict=True):
        assert f"{sample} {value}" in lines


def test_a_read_model_that_is_locked_keeps_no_answer_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are unknown then, and the rest is told in time."""
    monkeypatch.setattr(health, "LOOK_SECONDS", 1.0)
    with closing(Log(database.conninfo("app"))) as log:
        engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)

        async def ask() -> health.Seen:
            watching = Watch(engine)
            seen = await watching.seen()
            watching.close()
            return seen

        with database.connect("projector") as conn:
            conn.execute("lock table read_models.audit")
            seen = loops.run(ask())
        assert seen.health().head == 0
        assert b"ledger_other_mode_events NaN" in seen.metrics
        assert b"ledger_other_mode_events 0.0" in loops.run(ask()).metrics


def test_figures_are_given_while_the_store_is_away(eyes: Eyes) -> None:
    eyes.found = StoreUnavailable("away")

    async def ask() -> bytes:
        watching = watch()
        metrics = (await watching.seen()).metrics
        watching.close()
        return metrics

    assert b"ledger_store_up 0.0" in loops.run(ask())


def test_who_gives_up_waiting_takes_the_look_from_nobody(eyes: Eyes) -> None:
    async def ask() -> None:
        watching = watch()
        eyes.may.clear()
        first, second = (asyncio.ensure_future(watching.seen()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        eyes.may.set()
        assert (await second).health() == WELL
        watching.close()

    loops.run(ask())
    assert eyes.looks == 1
