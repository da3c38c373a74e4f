"""Pauses: how long to leave alone what failed, before it is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FIRST_PAUSE_SECONDS: Final = 20.0
LONGEST_PAUSE_SECONDS: Final = 3600.0


class Pauses:
    """How long to leave alone what failed, twice as long each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, tuple[float, float]] = {}

    def is_on(self, name: str) -> bool:
        """Whether it is too early to try again."""
        return name in self._next and self._clock() < self._next[name][1]

    def failed(self, name: str) -> float:
        """It failed (again); for how many seconds it is left alone."""
        before = self._next.get(name, (FIRST_PAUSE_SECONDS / 2, 0.0))[0]
        pause = min(2 * before, LONGEST_PAUSE_SECONDS)
        self._next[name] = pause, self._clock() + pause
        return pause

    def succeeded(self, name: str) -> None:
        """It works."""
        self._next.pop(name, None)
