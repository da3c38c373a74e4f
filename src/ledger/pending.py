"""The appends that callers of this process wait for: how long the oldest has waited already."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock


class Pending:
    """Who waits for an append comes in, and goes out with the answer, whatever it is.

    From any thread, and from the event loop: nothing here waits.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._since: dict[object, float] = {}  # in the order in which they came

    def come_in(self) -> object:
        """Begin to wait; answers what to go out with."""
        ticket = object()
        with self._lock:
            self._since[ticket] = time.monotonic()
        return ticket

    def go_out(self, ticket: object) -> None:
        """Wait no longer."""
        with self._lock:
            del self._since[ticket]

    @contextmanager
    def one(self) -> Generator[None]:
        """Wait for the length of the block."""
        ticket = self.come_in()
        try:
            yield
        finally:
            self.go_out(ticket)

    @property
    def oldest_seconds(self) -> float:
        """How long the one that came first has waited; 0 where none waits."""
        with self._lock:
            since = next(iter(self._since.values()), None)
        return 0.0 if since is None else time.monotonic() - since
