"""Running tasks on a cluster: what is the same for every kind of one.

A kind (`clusters/`) says how to connect, and hands on what its tasks answer as they end. Deadlines,
lost clusters and failures are treated here, so that they are told in the same way for all.
"""

from __future__ import annotations

import pkgutil
import signal
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from importlib import import_module
from textwrap import shorten
from threading import current_thread, main_thread
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import urlsplit

import projections.engine.clusters
from ledger import waits
from ledger.errors import EngineUnavailable, InvalidRequest, LedgerError
from projections.engine.fold import ProjectionFailed
from projections.engine.fold_objects import Done

RETRIES: Final = 3
"""How often a task is begun again whose worker was lost."""
CONNECT_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.05
ALONE_SECONDS: Final = 30
"""How long a cluster may be without a worker."""
STILL_SECONDS: Final = 3600
"""How long nothing of a rebuild may end: a task takes a worker seconds, so none is at work."""
SAID_LENGTH: Final = 300

Answer: TypeAlias = Done | LedgerError | ProjectionFailed
"""What a task answers; an error is an answer too, as engines wrap what is raised, or retry it."""


class Cluster(Protocol):
    """A cluster that is connected to."""

    def ends(
        self, work: Callable[[Any], Answer], tasks: Sequence[Any]
    ) -> Generator[Sequence[Answer]]:
        """What tasks answer, as they end: a batch at each look, which may be empty.

        Raises what the engine does where tasks are lost. Closed, it gives up what is left.
        """
        ...

    def workers(self) -> int:
        """How many workers there are, or are busy: 0 where nothing will come."""
        ...


class Kind(NamedTuple):
    """A kind of cluster: `schemes` of addresses, as in `example`, belong to it.

    `package` must be importable here, which Ledger's `extra` installs; `start` says how to start
    a cluster, and how it is entered.
    """

    name: str
    example: str
    schemes: tuple[str, ...]
    package: str
    extra: str
    start: str
    connect: Callable[[str], AbstractContextManager[Cluster]]


def kinds() -> dict[str, Kind]:
    """All kinds of clusters, by the schemes of their addresses."""
    found = dict[str, Kind]()
    for module in pkgutil.iter_modules(projections.engine.clusters.__path__):
        kind: Kind = import_module(f"{projections.engine.clusters.__name__}.{module.name}").kind
        found |= dict.fromkeys(kind.schemes, kind)
    return found


@contextmanager
def connected(kind: Kind, address: str) -> Generator[Cluster]:
    """A cluster, for the block; raises `InvalidRequest`, `EngineUnavailable`, `Stopped`."""
    try:
        import_module(kind.package)
    except ModuleNotFoundError:
        raise InvalidRequest(
            f"{kind.name} is not installed here: install Ledger again with its extra, in a"
            f" checkout as pipx install --force '.[{kind.extra}]'."
        ) from None
    with ExitStack() as stack:
        try:
            _reach(address)
            with _same_signals():
                cluster = stack.enter_context(kind.connect(address))
        except LedgerError:
            raise
        except Exception as error:
            raise EngineUnavailable(
                f"There is no {kind.name} at {address}, or it is not to be entered so"
                f" ({_said(error)}): {kind.start}"
            ) from error
        yield cluster


@contextmanager
def _same_signals() -> Generator[None]:
    """Signals end this process as before: Ray and Spark have ways of their own, and keep them."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if current_thread() is main_thread():
            for each, handler in before.items():
                signal.signal(each, handler)


def _reach(address: str) -> None:
    """Wait until something listens there; raises `OSError` at the deadline."""
    parts, end = urlsplit(address), time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_SECONDS):
                return
        except OSError:
            if time.monotonic() > end:
                raise
        waits.go_on()
        time.sleep(LOOK_SECONDS)


def run(
    kind: Kind,
    address: str,
    cluster: Cluster,
    work: Callable[[Any], Done],
    tasks: Sequence[Any],
) -> Iterator[Done]:
    """Run tasks there, as an engine does."""
    done = 0
    try:
        with closing(_answers(cluster, partial(_answer, work), tasks)) as answers:
            for answer in answers:
                yield _done(answer)
                done += 1
    except (LedgerError, ProjectionFailed):
        raise
    except Exception as lost:
        raise EngineUnavailable(
            f"{address} did not do its tasks ({_said(lost)}):"
            f" {done} of {len(tasks)} are done and kept; run it again. All of the cluster needs"
            f" this version of Ledger, with its extra `{kind.extra}`."
        ) from lost


def _answers(
    cluster: Cluster, work: Callable[[Any], Answer], tasks: Sequence[Any]
) -> Generator[Answer]:
    """What tasks answer; raises `OSError` where no worker is there, or at work, to do them."""
    if not tasks:
        return
    moved = time.monotonic()
    with closing(cluster.ends(work, tasks)) as ends:
        for ended in ends:
            waits.go_on()
            if ended:
                yield from ended
                moved = time.monotonic()
                continue
            still = time.monotonic() - moved
            if still > ALONE_SECONDS and not cluster.workers():
                raise OSError(f"it has had no worker for {ALONE_SECONDS} s")
            if still > STILL_SECONDS:
                raise OSError(f"none of its workers has done anything for {STILL_SECONDS} s")
            time.sleep(LOOK_SECONDS)


def _answer(work: Callable[[Any], Done], task: Any) -> Answer:
    """What a worker calls."""
    try:
        return work(task)
    except (LedgerError, ProjectionFailed) as error:
        return error


def _done(answer: Answer) -> Done:
    if isinstance(answer, Done):
        return answer
    raise answer


def _said(error: Exception) -> str:
    """What an engine says went wrong, without the stacks that it says it with."""
    lines = (f"{type(error).__name__}: {error}").splitlines()
    told = (line for line in lines if not line.startswith((" ", "\t", "Traceback")))
    return shorten(" ".join(told), SAID_LENGTH, placeholder=" …")
