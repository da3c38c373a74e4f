"""How long a thread may wait, and what ends its wait early: a deadline, or a request to stop.

What waits asks here (`ledger.postgres.session` above all), so that what begins a piece of work
says once how long all of it may take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import partial
from math import inf
from threading import Event
from typing import Final, NamedTuple, ParamSpec, TypeVar

from ledger.errors import Stopped

P = ParamSpec("P")
T = TypeVar("T")


class Limits(NamedTuple):
    """The longest that a caller waits for the database, in seconds.

    `write`: for a connection, a lock, or the answer to an append. `read`: for one statement that
    reads, and for the answer to a whole call over HTTP.
    """

    write: float = 5.0
    read: float = 15.0


USUAL: Final = Limits()
LOOK_SECONDS: Final = 0.1

_END: Final[ContextVar[float]] = ContextVar("end", default=inf)
_STOPS: Final[ContextVar[tuple[Event, ...]]] = ContextVar("stops", default=())
_BEAT: Final[ContextVar[Callable[[], None]]] = ContextVar("beat", default=lambda: None)


@contextmanager
def within(seconds: float) -> Generator[None]:
    """All waits of the block end so many seconds from now, or when an outer block's do."""
    with _until(min(_END.get(), time.monotonic() + seconds), _STOPS.get()):
        yield


@contextmanager
def for_all(seconds: float) -> Generator[None]:
    """So many seconds, whatever this thread's caller has left: the work is for others as well."""
    with _until(time.monotonic() + seconds, _STOPS.get()):
        yield


@contextmanager
def until(*stops: Event) -> Generator[None]:
    """Waits of the block end with `Stopped` when one of the events is set."""
    with _until(_END.get(), (*_STOPS.get(), *stops)):
        yield


@contextmanager
def ending_with(stop: Event) -> Generator[None]:
    """The same, and then the block ends without an error: what runs it was told to stop."""
    with suppress(Stopped), until(stop):
        yield


@contextmanager
def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Generator[Future[T]]:
    """Work in a separate thread, under this one's deadline and stops, for the block's length.

    A block that ends by an error ends the work too.
    """
    over = Event()
    with ThreadPoolExecutor(1) as pool, until(over):
        try:
            yield pool.submit(copy_context().run, partial(work, *args, **kwargs))
        except BaseException:
            over.set()
            raise


def stops() -> tuple[Event, ...]:
    """What may stop this thread, for work that goes on in another one."""
    return _STOPS.get()


def left() -> float:
    """Seconds until the deadline, 0 where it is over; infinite where there is none."""
    return max(0.0, _END.get() - time.monotonic())


def may_be_stopped() -> bool:
    """Whether there is a stop that could be set."""
    return bool(_STOPS.get())


def is_stopped() -> bool:
    """Whether a stop is set."""
    return any(stop.is_set() for stop in _STOPS.get())


@contextmanager
def telling(beat: Callable[[], None]) -> Generator[None]:
    """`beat` is called whenever the work of the block gets on (`go_on`)."""
    told = _BEAT.set(beat)
    try:
        yield
    finally:
        _BEAT.reset(told)


def go_on() -> None:
    """Between two steps of work that is long: say that it gets on, and raise `Stopped` if told."""
    _BEAT.get()()
    if is_stopped():
        raise Stopped


def pause(seconds: float) -> None:
    """Wait so long, at most until the deadline; raises `Stopped` if told meanwhile."""
    end = time.monotonic() + min(seconds, left())
    while (rest := end - time.monotonic()) > 0:
        go_on()
        time.sleep(min(rest, LOOK_SECONDS))


@contextmanager
def _until(end: float, stops: tuple[Event, ...]) -> Generator[None]:
    ended, stopped = _END.set(end), _STOPS.set(stops)
    try:
        yield
    finally:
        _END.reset(ended)
        _STOPS.reset(stopped)
