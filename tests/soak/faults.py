"""What is done to the services and their database, one fault a round."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tests.soak.services import World

Fault = Callable[[World, int, float], list[int]]
"""Strikes a world: the service whose turn it is, how many seconds what is held is held.

Answers the services that were struck.
"""


def service_killed(world: World, turn: int, _hold: float) -> list[int]:
    """Kill -9 of a service, which is started again at once."""
    service = world.services[turn]
    service.process.kill()
    service.process.wait()
    service.start()
    return [turn]


def service_stopped(world: World, turn: int, hold: float) -> list[int]:
    """SIGSTOP of a service, SIGCONT later: its locks and its callers wait for it."""
    process = world.services[turn].process
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(hold)
    finally:
        process.send_signal(signal.SIGCONT)
    return [turn]


def connections_cut(world: World, _turn: int, _hold: float) -> list[int]:
    """All connections to the database are reset, in the middle of whatever they do."""
    for service in world.services:
        service.network.cut()
    return list(range(len(world.services)))


def connections_frozen(world: World, turn: int, hold: float) -> list[int]:
    """A service's connections to the database stay open and carry nothing, then all of it."""
    network = world.services[turn].network
    network.freeze()
    try:
        time.sleep(hold)
    finally:
        network.thaw()
    return [turn]


def backend_killed(world: World, _turn: int, _hold: float) -> list[int]:
    """Kill -9 of a process that serves a session: PostgreSQL ends all others, and recovers."""
    with suppress(ProcessLookupError):  # a session may end just now
        os.kill(random.choice(world.backends()), signal.SIGKILL)
    return list(range(len(world.services)))


def postgres_killed(world: World, _turn: int, _hold: float) -> list[int]:
    """Kill -9 of PostgreSQL's first process, which is started again at once."""
    os.kill(world.postmaster(), signal.SIGKILL)
    world.start_postgres()
    return list(range(len(world.services)))


FAULTS: Final[dict[str, Fault]] = {
    "service killed": service_killed,
    "service stopped": service_stopped,
    "connections cut": connections_cut,
    "connections frozen": connections_frozen,
    "backend killed": backend_killed,
    "PostgreSQL killed": postgres_killed,
}
