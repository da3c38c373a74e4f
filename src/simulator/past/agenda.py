"""What happens when: things that were planned, in the order of their times."""

from collections.abc import Callable
from heapq import heappop, heappush

Plan = Callable[[], object]


class Agenda:
    """Plans, by time (seconds since 1970); of one time, the earlier plan comes first."""

    def __init__(self) -> None:
        self._plans: list[tuple[int, int, Plan]] = []
        self._count = 0

    def plan(self, at: int, what: Plan) -> None:
        """Let something happen at a time."""
        self._count += 1
        heappush(self._plans, (at, self._count, what))

    def next_until(self, end: int) -> tuple[int, Plan] | None:
        """The next plan before an end, and its time."""
        if not self._plans or self._plans[0][0] >= end:
            return None
        at, _, what = heappop(self._plans)
        return at, what
