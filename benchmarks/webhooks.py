"""Signed webhooks answered after their commit, beside one transaction each and bare commits."""

import time
from functools import partial
from typing import Final, NamedTuple

from benchmarks import load
from benchmarks.commits import SINGLE_ROW_COMMITS, Commits
from benchmarks.load import CONNECTIONS, Load
from benchmarks.logs import mean_state_bytes
from benchmarks.measuring import Figure, Goal, Sample, Taken, alternate
from benchmarks.processes import SECRET, Service, in_child, serving
from benchmarks.server import Server
from simulator import SimulatedEvent, sign, some_traffic

GROUPED: Final = "group commit"
SINGLE: Final = "one transaction an event"


class Scale(NamedTuple):
    """How much is measured, in events a repetition."""

    rounds: int
    warm_up: int
    events: int
    single_events: int
    commit_seconds: int


STORED = "select count(*) from ledger.stored_events where topic = 'stripe.event_received.v1'"
"""The service's own rounds of checks are events as well."""

FULL = Scale(rounds=3, warm_up=2_000, events=20_000, single_events=6_000, commit_seconds=4)
QUICK = Scale(rounds=1, warm_up=64, events=640, single_events=256, commit_seconds=1)


class Receiving:
    """A service that signed webhooks are sent to, and how many it has taken."""

    def __init__(self, service: Service, name: str, warm_up: int) -> None:
        self._service = service
        self._name = name
        self._sent = 0
        self.take("warm-up", warm_up)

    def take(self, turn: object, events: int) -> Sample:
        """Send events that it does not know yet; each must be answered 200 and be in the log."""
        answered = in_child(post_events, self._service.port, f"{self._name} {turn}", events)
        assert answered.answers == {"200": events}, answered.answers
        self._sent += events
        with self._service.database.connect("reader") as conn:
            stored = conn.execute(STORED).fetchone()
        assert stored == (self._sent,), "what was answered is not what is in the log"
        return answered.sample()


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Requests a second and their times over 64 connections, in turns."""
    with serving(server) as service, serving(server, "benchmarks.one_by_one") as other:
        grouped = Receiving(service, GROUPED, scale.warm_up)
        single = Receiving(other, SINGLE, scale.warm_up)
        taken = alternate(
            scale.rounds,
            {
                GROUPED: partial(grouped.take, events=scale.events),
                SINGLE: partial(single.take, events=scale.single_events),
                SINGLE_ROW_COMMITS: Commits(server, scale.commit_seconds),
            },
        )
        size = mean_state_bytes(service.database)
    return [
        *_figures(taken),
        Figure(what="size of a stored event, mean", unit="B", samples=(size,)),
    ]


def _figures(taken: Taken) -> list[Figure]:
    return [
        Figure(
            what=f"signed webhooks answered, {CONNECTIONS} connections",
            unit="/s",
            samples=taken.of(GROUPED),
            beside=taken.beside(SINGLE, SINGLE_ROW_COMMITS),
            goals=(Goal("≥", 4_000),),
        ),
        Figure(
            what="from request to answer, p50",
            unit="ms",
            samples=taken.of(GROUPED, "p50_ms"),
            beside=taken.beside(SINGLE, quantity="p50_ms"),
        ),
        Figure(
            what="from request to answer, p99",
            unit="ms",
            samples=taken.of(GROUPED, "p99_ms"),
            beside=taken.beside(SINGLE, quantity="p99_ms"),
            goals=(Goal("<", 60),),
        ),
    ]


def post_events(port: int, seed: str, count: int) -> Load:
    """Send a shop's first `count` events, signed just now."""
    now = int(time.time())
    return load.fire(port, [_signed(event, now) for event in some_traffic(seed, count)])


def _signed(event: SimulatedEvent, now: int) -> bytes:
    signature = sign(event.body, SECRET, now)
    return load.request("POST", "/webhooks/stripe", event.body, Stripe_Signature=signature)
