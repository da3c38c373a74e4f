"""How often calls that are turned away are told what is wrong with them."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

MAX_REMEMBERED: Final = 10_000


class Allowance:
    """A bucket of `size` calls that refills by `per_second`.

    Only rejected calls take from it: whoever floods a door can use it up, and a call that is as it
    should be is accepted all the same.
    """

    def __init__(self, size: float = 1000, per_second: float = 100) -> None:
        self._size = size
        self._per_second = per_second
        self._left: float = size
        self._seen_at = 0.0

    def take(self, now: float) -> bool:
        """Take one call, at `now` in seconds of a clock that never goes back; False: none left."""
        refilled = self._left + (now - self._seen_at) * self._per_second
        self._left, self._seen_at = min(self._size, refilled), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Allowances:
    """A bucket for each key (an address, a token); the longest unused of too many is forgotten."""

    def __init__(
        self, size: float, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = lambda: Allowance(size, per_second)
        self._clock = clock
        self._lock = Lock()
        self._by_key: OrderedDict[str, Allowance] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take one call of this key, now; False: none left."""
        with self._lock:
            allowance = self._by_key.setdefault(key, self._make())
            self._by_key.move_to_end(key)
            if len(self._by_key) > MAX_REMEMBERED:
                self._by_key.popitem(last=False)
            return allowance.take(self._clock())
