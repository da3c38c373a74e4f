"""Health from memory: however many ask, one looks for all of them, at most once a second."""

import asyncio
import threading
from typing import cast

import pytest

from app import health
from app.health import Health, Watch
from ledger.errors import StoreUnavailable
from projections.engine.build import ProjectionContext
from tests.support import loops

WELL = Health(head=7, lag_events=0, waiting_since=None, projections=[])


class Eyes:
    """Stands in for the look at the database, and counts; it ends once it `may`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        self.may = threading.Event()
        self.may.set()
        self.found: Health | StoreUnavailable = WELL
        monkeypatch.setattr(health, "look", self._look)
        monkeypatch.setattr(health, "_count_issues", lambda _: None)

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
