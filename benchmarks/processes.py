"""Processes of a benchmark: the product's own, and work that must not share an interpreter."""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple, ParamSpec, TypeVar

from benchmarks.server import Server
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.tokens import issue

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
SECRET: Final = "whsec_of_the_benchmarks"
START_SECONDS: Final = 30
END_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.2
LEDGER: Final = "app.cli"

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Service(NamedTuple):
    """A running `ledger serve`, its database, and an administrator's token."""

    port: int
    database: Database
    token: str


def in_child(work: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """Run a function of a module in a fresh process, and return its answer."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_megabytes() -> float:
    """The most memory that this process had at one time."""
    return (_peak_bytes(os.getpid()) or _own_peak_bytes()) / 1e6


@contextmanager
def watching_memory() -> Generator[Callable[[], float]]:
    """Answers the peak of any one process, this one or one that it started, in megabytes.

    Workers are started by another process than this, so that the system does not count them for it:
    on Linux all are looked at five times a second. Elsewhere this process alone is counted.
    """
    peak, over = peak_megabytes(), Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(LOOK_SECONDS):
            peak = max(peak, *(_peak_bytes(pid) / 1e6 for pid in _family()))

    watcher = Thread(target=watch, daemon=True, name="memory")
    watcher.start()
    try:
        yield lambda: max(peak, peak_megabytes())
    finally:
        over.set()
        watcher.join()


def _family() -> list[int]:
    """This process, and all that it or one of them started."""
    parents = dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = [os.getpid()]
    for pid in family:  # it grows meanwhile
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _peak_bytes(pid: int) -> int:
    """The most that Linux knows of a process; 0 for one that is gone, and on other systems."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _own_peak_bytes() -> int:
    """What other systems than Linux say: there it would count what the parent had, too."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def serving(server: Server, module: str = LEDGER) -> Generator[Service]:
    """`ledger serve` in a process of its own, on a free port and a new database.

    It does not follow: what is measured is the answer, not the read models. `module` may be
    another one with the same command line.
    """
    with _service(server, server.database(), "--no-follow", module=module) as service:
        yield service


@contextmanager
def following(server: Server, database: Database) -> Generator[Service]:
    """`ledger serve` on a filled database, with its follower and timers."""
    with _service(server, database) as service:
        yield service


@contextmanager
def reading(server: Server, database: Database) -> Generator[Service]:
    """`ledger serve` on a filled database whose read models nobody moves."""
    with _service(server, database, "--no-follow") as service:
        yield service


@contextmanager
def _service(
    server: Server, database: Database, *options: str, module: str = LEDGER
) -> Generator[Service]:
    port = _free_port()
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        token = issue(log, Role.ADMIN, "ledger bench", Metadata(actor="bench")).token
    with ledger(server, database, "serve", *options, module=module, port=port) as child:
        _wait_for(port, child)
        yield Service(port, database, token)


@contextmanager
def ledger(
    server: Server, database: Database, *verb: str, module: str = LEDGER, port: int = 0
) -> Generator[subprocess.Popen[bytes]]:
    """A long-running verb in a process of its own for the length of the block.

    What it writes goes to a file in the server's folder, whose end is shown when it fails.
    """
    output = server.home / f"{'-'.join(verb)}-{port}.log"
    with output.open("wb") as file:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", module, *verb, "--with-parent", "--json"],
            env=_environment(server, database, port),
            cwd=server.home,  # where no .env is
            stdin=subprocess.PIPE,  # its end is how the child learns of ours
            stdout=file,
            stderr=file,
        )
        try:
            yield child
            assert child.poll() is None, "it ended by itself"
        except BaseException as error:
            error.add_note(f"{' '.join(verb)} wrote: {output.read_text()[-2000:]}")
            raise
        finally:
            _end(child)


def _environment(server: Server, database: Database, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(ROOT),
        "LEDGER_HOME": str(server.home),
        "DATABASE_URL": database.admin_conninfo,
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        "LEDGER_LOG_LEVEL": "warning",
        "LEDGER_HOST": HOST,
        "LEDGER_PORT": str(port) if port else "",
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert child.poll() is None, "it did not start"
        with suppress(ConnectionRefusedError), socket.create_connection((HOST, port), timeout=5):
            return
        time.sleep(0.02)
    raise TimeoutError(f"Nothing listens on port {port} after {START_SECONDS} s.")
