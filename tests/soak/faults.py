"""What is done to the services and their database, one fault a round."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

import psycopg

from tests.soak.services import World

END_SECONDS: Final = 30


class Struck(NamedTuple):
    """The services that a fault struck, and the monotonic time from which they must recover."""

    services: list[int]
    since: float


Fault = Callable[[World, int, float], Struck]
"""Strikes a world: the service whose turn it is, how many seconds what is held is held.

A process that was killed is struck when it dies, one that was held when it is let go.
"""


def service_killed(world: World, turn: int, _hold: float) -> Struck:
    """Kill -9 of a service, which is started again at once."""
    service = world.services[turn]
    since = time.monotonic()
    service.process.kill()
    service.process.wait()
    service.start()
    return Struck([turn], since)


def service_stopped(world: World, turn: int, hold: float) -> Struck:
    """SIGSTOP of a service, SIGCONT later: its locks and its callers wait for it."""
    process = world.services[turn].process
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(hold)
    finally:
        process.send_signal(signal.SIGCONT)
    return Struck([turn], time.monotonic())


def connections_cut(world: World, _turn: int, _hold: float) -> Struck:
    """All connections to the database are reset, in the middle of whatever they do."""
    since = time.monotonic()
    for service in world.services:
        service.network.cut()
    return Struck(_all(world), since)


def connections_frozen(world: World, turn: int, hold: float) -> Struck:
    """A service's connections to the database stay open and carry nothing, then all of it."""
    network = world.services[turn].network
    network.freeze()
    try:
        time.sleep(hold)
    finally:
        network.thaw()
    return Struck([turn], time.monotonic())


def backend_killed(world: World, _turn: int, _hold: float) -> Struck:
    """Kill -9 of a process that serves a session: PostgreSQL ends all others, and recovers.

    A session of our own shows when: until then the others may still acknowledge.
    """
    with psycopg.connect(world.database.admin_conninfo, autocommit=True) as conn:
        killed = False
        while not killed:
            with suppress(ProcessLookupError):  # a session may end just now
                os.kill(random.choice(world.backends()), signal.SIGKILL)
                killed = True
        with suppress(psycopg.OperationalError):
            conn.execute("select pg_sleep(%s)", [END_SECONDS])
        assert conn.closed, f"PostgreSQL did not end its sessions in {END_SECONDS} s"
    return Struck(_all(world), time.monotonic())


def postgres_killed(world: World, _turn: int, _hold: float) -> Struck:
    """Kill -9 of PostgreSQL's first process, which is started again at once."""
    since = time.monotonic()
    os.kill(world.postmaster(), signal.SIGKILL)
    world.start_postgres()
    return Struck(_all(world), since)


def _all(world: World) -> list[int]:
    return list(range(len(world.services)))


FAULTS: Final[dict[str, Fault]] = {
    "service killed": service_killed,
    "service stopped": service_stopped,
    "connections cut": connections_cut,
    "connections frozen": connections_frozen,
    "backend killed": backend_killed,
    "PostgreSQL killed": postgres_killed,
}
