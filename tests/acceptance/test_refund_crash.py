"""Kill -9 of the service while it makes refunds at Stripe: each request is made exactly once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.postgres.database import Database
from projections.engine.build import ProjectionContext
from projections.engine.verify import verify
from simulator import SimulatedStripe
from tests.app.test_stripe_pull import engine, rows
from tests.simulator.api.shop import SECRET, Shop, shop
from tests.support.refunding import refunding

__all__ = ["engine"]


class Round(NamedTuple):
    """A service is killed at its n-th call of a method, before Stripe does it or after."""

    method: str
    number: int
    is_done: bool


ROUNDS = (
    Round("POST", 2, is_done=True),  # the first one asks whether the key may
    Round("POST", 3, is_done=True),
    Round("POST", 2, is_done=False),
)


class Killer:
    """Stands before Stripe's API, and kills the service that calls it."""

    def __init__(self, served: Shop) -> None:
        self._answer = served.api.answer
        self._victim: subprocess.Popen[bytes] | None = None
        self._round = ROUNDS[0]
        self._calls = Counter[str]()
        served.api.answer = self.answer

    def aim(self, victim: subprocess.Popen[bytes], at: Round) -> None:
        self._calls.clear()
        self._round, self._victim = at, victim

    async def answer(self, request: Any, permissions: Any, operation: Any) -> Any:
        self._calls[request.method] += 1
        if self._victim is None or self._calls[self._round.method] < self._round.number:
            return await self._answer(request, permissions, operation)
        victim, self._victim = self._victim, None
        if not self._round.is_done:
            os.kill(victim.pid, signal.SIGKILL)
            raise ConnectionAbortedError("nobody waits for the answer")
        answer = await self._answer(request, permissions, operation)
        os.kill(victim.pid, signal.SIGKILL)
        return answer


@contextmanager
def service(database: Database, base: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`ledger follow` that makes refunds, for the length of the block."""
    environment = os.environ | {
        "DATABASE_URL": database.admin_conninfo,
        "LEDGER_CARRY_OUT_REFUNDS": "true",
        "STRIPE_API_KEY": SECRET.secret,
        "STRIPE_API_BASE": base,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "follow"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(120)
def test_a_service_that_is_killed_while_it_makes_refunds_makes_each_once(
    engine: ProjectionContext, tmp_path: Path
) -> None:
    log = tmp_path / "follow.log"
    with shop(SimulatedStripe(7, remembers=True)) as served:
        with refunding(engine, served) as world:
            world.order("A1", 1000, 700, 300)
            world.order("B1", 5000, currency="jpy")
            world.ask("A1", 1200, 500, 300)
            world.ask("B1", 4000, 600)
        killer = Killer(served)
        for each in ROUNDS:
            with service(engine.database, served.base, log) as victim:
                killer.aim(victim, each)
                assert victim.wait(timeout=60) == -signal.SIGKILL, log.read_text()
        with service(engine.database, served.base, log):
            wait_until_none_waits(engine, log)
        assert sum(world.made()) == 2000 + 4600
        named = Counter[str]()
        assert served.stripe.memory is not None
        for refund in served.stripe.memory.shelf("refund").things:
            named[refund.metadata["ledger_request"]] += refund.amount_minor
        with refunding(engine, served) as world:
            world.hear()
            asked = dict(rows(engine, "select request_id, amount_minor from refund_requests"))
            assert named == asked
            assert world.requests() == [("answered", 0)] * 5
            assert world.known() == world.made()
        assert verify(engine).holds


def wait_until_none_waits(engine: ProjectionContext, log: Path) -> None:
    deadline = time.monotonic() + 60
    while rows(engine, "select from refund_requests where state = 'requested'"):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
