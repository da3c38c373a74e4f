"""A pull of a whole Stripe account, beside the same client that reads and stores nothing."""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any, Final, NamedTuple, cast

from benchmarks.measuring import RATE, Beside, Figure, Goal, Sample, alternate
from benchmarks.processes import in_child, peak_megabytes
from benchmarks.server import Server
from ledger.domain.events import Metadata, NewEvent
from ledger.log import Log
from ledger.postgres.database import Database
from webhooks.ingest.pull import pull
from webhooks.stripe_client import StripeClient

READING: Final = "reading and storing nothing"
SMALL_PART: Final = 10
TENTH: Final = "a tenth of the objects"
MEGABYTES: Final = "peak_mb"
META: Final = Metadata(actor="operator")


class Scale(NamedTuple):
    """How much is measured."""

    rounds: int
    objects: int


FULL = Scale(rounds=3, objects=60_000)
QUICK = Scale(rounds=1, objects=5_000)


class Shop(NamedTuple):
    """An invented account: where its API is, and a key for it."""

    base: str
    key: str


class Nowhere:
    """A log that keeps nothing."""

    def latest(self, _streams: Sequence[str]) -> dict[str, Any]:
        """No stream has events."""
        return {}

    def version(self, _stream: str) -> int:
        """No stream has versions."""
        return 0

    def append(self, entries: Sequence[NewEvent]) -> list[int]:
        """Forget them."""
        return [1] * len(entries)

    append_new = append

    def now(self) -> datetime:
        """This machine's time."""
        return datetime.now(UTC)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Objects a second, each turn in a fresh process into a new log; and how much memory it takes.

    The API is `ledger simulate` in a process of its own: it needs a processor, too.
    """
    with served(scale.objects // SMALL_PART) as shop:
        small = in_child(pulled, shop, server.database())
    with served(scale.objects) as shop:
        taken = alternate(
            scale.rounds,
            {
                "pull": lambda _: in_child(pulled, shop, server.database()),
                READING: lambda _: in_child(read, shop),
            },
        )
    return [
        Figure(
            what=f"objects of an account of {scale.objects:,} pulled into a log",
            unit="/s",
            samples=taken.of("pull"),
            beside=taken.beside(READING),
            goals=(Goal("≥", 3_000),),
        ),
        Figure(
            what="peak memory of the pulling process",
            unit="MB",
            samples=taken.of("pull", MEGABYTES),
            beside=(Beside(TENTH, (small[MEGABYTES],)),),
            goals=(Goal("≤", 1.2, TENTH),),
        ),
    ]


@contextmanager
def served(objects: int) -> Generator[Shop]:
    """An invented account of so many objects, served for the length of the block."""
    command = [sys.executable, "-m", "app.cli", "simulate", "--objects", str(objects), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        assert running.stdout is not None
        try:
            document = json.loads("".join(iter(running.stdout.readline, "}\n")) + "}")
            yield Shop(document["url"], document["key"])
        finally:
            running.terminate()


def pulled(shop: Shop, database: Database) -> Sample:
    """Pull all of it into a log."""
    with closing(Log(database.conninfo("app"))) as log:
        return _timed(shop, log)


def read(shop: Shop) -> Sample:
    """Read all of it the same way, into nothing."""
    return _timed(shop, cast("Log", Nowhere()))


def _timed(shop: Shop, log: Log) -> Sample:
    client = StripeClient(shop.key, shop.base, calls_per_second=10_000)
    now = client.get("/v1/balance").answered_at + timedelta(seconds=1)
    started = perf_counter()
    report = pull(log, client, livemode=False, now=now, meta=META)
    seconds = perf_counter() - started
    objects = sum(count.objects for count in report.counts.values())
    return {RATE: objects / seconds, MEGABYTES: peak_megabytes()}
