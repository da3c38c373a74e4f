"""Kill -9 of `ledger stripe pull`, at any moment: the next one ends in the rows of a single one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, LiteralString

import pytest

from ledger.domain.events import PullStarted, StripeObjectObserved, StripePayoutListed
from ledger.log import Log
from ledger.postgres.database import open_database
from ledger.settings import Settings
from simulator import past_shop
from tests.app.test_stripe_pull import WORLD
from tests.simulator.api.shop import SECRET, Shop, shop
from tests.support.servers import short_lived_home

ROUNDS = 3
OBJECTS = 400
PULL = [sys.executable, "-m", "app.cli", "stripe", "pull", "--json"]
ROWS: dict[str, LiteralString] = {
    **WORLD,
    "transactions": "select transaction_id, net_minor, currency from transactions order by 1",
    "payout_members": "select payout_id, transaction_id from payout_members order by 1, 2",
    "lines": "select purchase_id, lines from purchases order by 1",
}


class Ledger:
    """A ledger of its own, into which an account is pulled by the terminal's verb."""

    def __init__(self, home: Path, served: Shop) -> None:
        self.settings = Settings(ledger_home=home)
        self.environment = os.environ | {
            "LEDGER_HOME": str(home),
            "DATABASE_URL": "",
            "STRIPE_API_KEY": SECRET.secret,
            "STRIPE_API_BASE": served.base,
            "STRIPE_CALLS_PER_SECOND": "100",
        }

    def pull(self) -> dict[str, Any]:
        """Pull to the end."""
        done = subprocess.run(
            PULL, env=self.environment, capture_output=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def pull_and_kill(self, served: Shop, calls: int) -> bool:
        """Kill it once it has made so many calls; whether it was still at work."""
        until = len(served.api.calls) + calls
        process = subprocess.Popen(
            PULL,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and len(served.api.calls) < until:
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL

    def verify(self) -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "verify", "--json"],
            env=self.environment, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        return json.loads(done.stdout)["holds"]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with open_database(self.settings) as database, database.connect("reader") as conn:
            conn.execute("set search_path = read_models")
            return {name: conn.execute(query).fetchall() for name, query in ROWS.items()}

    def stored(self) -> list[Any]:
        """What was fetched, each with its account and kind, and how many pulls began."""
        with open_database(self.settings) as database, Log(database.conninfo("reader")) as log:
            events = [each.event for each in log.read(limit=100_000)]
        fetched = sorted(
            (each.kind, each.object_id) for each in events if isinstance(each, StripeObjectObserved)
        )
        listed = sorted(each.payout_id for each in events if isinstance(each, StripePayoutListed))
        return [fetched, listed, sum(isinstance(each, PullStarted) for each in events)]


@pytest.mark.timeout(600)
def test_a_pull_that_is_killed_again_and_again_ends_in_the_same_rows() -> None:
    past = past_shop(7, years=1, objects=OBJECTS)
    random = Random(5)
    with short_lived_home() as one, short_lived_home() as other, shop(past.stripe) as served:
        straight, killed = Ledger(one / "ledger", served), Ledger(other / "ledger", served)
        straight.pull()
        calls = len(served.api.calls)
        most = calls // ROUNDS  # so that something is left after each
        kills = [killed.pull_and_kill(served, random.randrange(2, most)) for _ in range(ROUNDS)]
        report = killed.pull()
        assert all(kills), "each was killed at work"
        assert report["objects"]["resumed"] or report["balance"]["payouts"]
        assert killed.rows() == straight.rows()
        assert killed.stored()[:2] == straight.stored()[:2], "each object once"
        assert killed.verify()
