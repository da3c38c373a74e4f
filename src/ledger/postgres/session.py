"""A connection whose every wait ends: for a server that does not answer, or at a deadline.

PostgreSQL's own timeouts (`Database.connect`) end what takes too long there. They cannot help where
nothing comes back any more: a server that is frozen, a network that swallows. So the client counts
too.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any, Final, Self, cast

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import (
    _WaitTimeout,  # pyright: ignore[reportPrivateUsage] - what `wait` raises, by its documentation
)
from psycopg.rows import TupleRow

from ledger import waits
from ledger.errors import Stopped

SILENCE_SECONDS: Final = 20.0
"""How long a server may be silent to a session that says nothing of it."""

MARGIN_SECONDS: Final = 1.0
"""What a server has beyond its own timeout to say that it came to it."""

LAST_SECONDS: Final = 0.2
"""What is always waited: a server that is well ends a transaction in it, however late it is."""

STOP_SECONDS: Final = 0.5
"""How long a server has to take a cancellation, and again to end the statement."""
CLOSE_SECONDS: Final = 0.3
"""How long a pool that closes waits for each of its threads: one may be waiting for the server."""
_INTERVAL: Final = 0.1
_STEP: Final = 0.2


class Silent(psycopg.OperationalError):
    """The server did not answer in time; the connection was given up."""


class Session(psycopg.Connection[TupleRow]):
    """psycopg's connection; `patience` is the longest wait for one answer, in seconds."""

    patience: float = SILENCE_SECONDS

    @classmethod
    def connect(  # pyright: ignore[reportIncompatibleMethodOverride] - one keyword more
        cls, conninfo: str = "", *, patience: float = SILENCE_SECONDS, **kwargs: Any
    ) -> Self:
        """Connect; `kwargs` are psycopg's."""
        session = super().connect(conninfo, **kwargs)
        session.patience = patience
        return session

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """Wait for an answer.

        Raises `Silent` when patience or deadline are over, and `Stopped` when the thread was told
        to stop, once the server has let go of the statement. A wait that ends by the caller's own
        `timeout` ends as psycopg's do.
        """
        now = time.monotonic()
        asked = inf if timeout is None else now + timeout
        end = now + max(LAST_SECONDS, min(self.patience, waits.left()))
        if asked <= end and not waits.may_be_stopped():
            return super().wait(gen, interval, timeout)
        gen = cast("PQGen[RV]", _Resumable(gen))
        while True:
            step = min(asked, end) - time.monotonic()
            if waits.may_be_stopped():
                step = min(step, _STEP)
            try:
                return super().wait(gen, interval, None if step == inf else max(0.0, step))
            except _WaitTimeout:
                now = time.monotonic()
                if now >= asked:
                    raise
                if waits.is_stopped():
                    self._let_go(gen)
                    raise Stopped from None
                if now >= end:
                    self.pgconn.finish()
                    raise Silent("the server did not answer in time") from None

    def _let_go(self, gen: PQGen[Any]) -> None:
        """Have the server end the statement; a connection on which it does not is given up."""
        with suppress(psycopg.Error):
            self.cancel_safe(timeout=STOP_SECONDS)
            super().wait(gen, _INTERVAL, STOP_SECONDS)
            return
        if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            self.pgconn.finish()


class _Resumable:
    """A generator of psycopg's that can be waited for again after a wait that came to its time.

    Each wait begins with `next`. A generator that was begun must not be given the None that this
    sends: one that sends a statement reads it as what is ready. It is told what it waits for again.
    """

    def __init__(self, gen: PQGen[Any]) -> None:
        self._gen = gen
        self._waits_for: Any = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._waits_for is None:
            self._waits_for = next(self._gen)
        return self._waits_for

    def send(self, ready: Any) -> Any:
        """Resume it with what is ready; what it waits for next."""
        self._waits_for = self._gen.send(ready)
        return self._waits_for


@contextmanager
def unhurried(conn: psycopg.Connection[Any]) -> Generator[None]:
    """In the block an answer may take as long as it takes: what is asked is known to be long."""
    if not isinstance(conn, Session):  # a plain one waits for ever anyway
        yield
        return
    patience, conn.patience = conn.patience, inf
    try:
        yield
    finally:
        conn.patience = patience
