"""Clocks: the time, where neither the service's clock nor the database's is trusted alone.

A clock that is set jumps. What is measured (how long something waits, when it is done again) goes
by the monotonic clock of the process; what has a date goes by both clocks of the day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

FINENESS: Final = 50
"""How exact a lag is told: to one part of so many of the longest."""


class Clocks:
    """The service's clock, and the database's as it was last heard; from any thread."""

    def __init__(self) -> None:
        self._heard: tuple[datetime, float] | None = None

    def hear(self, now: datetime) -> None:
        """Take note of what the database's clock says just now."""
        self._heard = (now, monotonic())

    def earlier(self) -> datetime:
        """What both clocks say is over: for ending things; a fast clock ends none too early."""
        return min(self._both())

    def later(self) -> datetime:
        """For saying until when something lasts; a slow clock makes nothing end too early."""
        return max(self._both())

    def _both(self) -> tuple[datetime, datetime]:
        ours = datetime.now(UTC)
        if self._heard is None:
            return ours, ours
        theirs, at = self._heard
        return ours, theirs + timedelta(seconds=monotonic() - at)


class Unchanged:
    """For how long a process has seen the same thing, whatever the clocks of the day say."""

    def __init__(self) -> None:
        self._seen: Hashable = object()
        self._since = 0.0

    def seconds(self, seen: Hashable) -> float:
        """Since when it has been this, in seconds; 0 at the first look, and when it changed."""
        now = monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since


class Lag:
    """How long what was appended waits to be taken in, as far as a process has seen it wait."""

    def __init__(self) -> None:
        self._heads: deque[tuple[float, int]] = deque()
        """When each head was first seen, for heads that are not taken in yet; rising."""

    def seconds(self, head: int, taken_in: int) -> float:
        """How long the first event after `taken_in` was seen to wait; 0 where none does.

        Never too long: it is counted from the first look that saw the event.
        """
        now, heads = monotonic(), self._heads
        while heads and heads[-1][1] > head:  # an older log was restored
            heads.pop()
        while heads and heads[0][1] <= taken_in:
            heads.popleft()
        if head > taken_in and self._is_worthwhile(now, head):
            heads.append((now, head))
        return now - heads[0][0] if heads else 0.0

    def _is_worthwhile(self, now: float, head: int) -> bool:
        """The longer some wait, the seldomer one more is remembered, so that few are."""
        if not self._heads:
            return True
        (first, _), (last, known) = self._heads[0], self._heads[-1]
        return head > known and now - last >= (now - first) / FINENESS
