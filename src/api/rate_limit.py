"""How often rejected calls are answered with what is wrong with them: windows of `limits`."""

from threading import Lock
from typing import Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

MAX_REMEMBERED: Final = 10_000


class RateLimit:
    """So many calls a window for each key (an address, a token), as in `100 per 100 seconds`.

    Only rejected calls take from it: a flood can use it up, and a call that is as it
    should be is accepted all the same. When more keys than `MAX_REMEMBERED` are in a window, all
    are forgotten: a flood from a million addresses does not fill the memory.
    """

    def __init__(self, limit: str) -> None:
        self._limit = parse(limit)
        self._lock = Lock()
        self._begin()

    def take(self, key: str = "") -> bool:
        """Take one call of this key, now; False: none left."""
        with self._lock:
            if len(self._storage.storage) > MAX_REMEMBERED:
                self._begin()
            return self._windows.hit(self._limit, key)

    def _begin(self) -> None:
        """A new storage each time: the library tidies up the old one in a separate thread."""
        self._storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._storage)
