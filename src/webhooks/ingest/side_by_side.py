"""Work on many things, a few at a time, that ends with the first error."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event
from typing import Final, TypeVar

from ledger import waits

AT_ONCE: Final = 8
LOOK_SECONDS: Final = 0.5

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def side_by_side(
    work: Callable[[Item], Answer], items: deque[Item]
) -> Generator[tuple[Item, Future[Answer]]]:
    """Each item with what came of it, as they end; `items` may get more meanwhile.

    Where the caller raises or leaves early, those that run end with their next wait.
    """
    over = Event()
    running: dict[Future[Answer], Item] = {}
    with ThreadPoolExecutor(AT_ONCE) as threads, waits.until(over):
        try:
            while items or running:
                waits.go_on()
                while items and len(running) < AT_ONCE:
                    item = items.popleft()
                    running[threads.submit(copy_context().run, work, item)] = item
                done, _ = wait(running, LOOK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future
        finally:
            over.set()
