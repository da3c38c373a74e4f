"""What `ledger bench` runs: each benchmark on a fresh PostgreSQL, then the table."""

import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import (
    append,
    books,
    checks,
    console,
    follower,
    growth,
    kpi,
    large,
    orders,
    pull,
    rebuild,
    report,
    scale,
    webhooks,
)
from benchmarks.machine import this_machine
from benchmarks.measuring import Figure
from benchmarks.report import Run
from benchmarks.server import Server, running


class Benchmark(Protocol):
    """A module of this folder that measures something, much or little of it."""

    FULL: Any
    QUICK: Any

    def measure(self, server: Server, scale: Any) -> list[Figure]:
        """Measure on a server that nobody else uses."""
        ...


BENCHMARKS: Final[dict[str, Benchmark]] = {
    "webhooks": webhooks,
    "append": append,
    "rebuild": rebuild,
    "growth": growth,
    "scale": scale,
    "follower": follower,
    "orders": orders,
    "pull": pull,
    "checks": checks,
    "kpi": kpi,
    "books": books,
    "console": console,
    "large": large,
}
"""The rows of docs/performance.md, by name."""

ASKED_FOR: Final = frozenset({"large"})
"""Those that take so long that they are not among all."""

FINE: Final = 0
MISSED: Final = 1
WRONG_USAGE: Final = 2


def run(names: Sequence[str], *, json: bool, quick: bool, markdown: bool = False) -> int:
    """Run these benchmarks, all for no name, and print what they measured.

    `quick` measures so little that it only shows that everything works, and judges no speed.
    Answers the exit code: 0, 1 where a target was missed or a benchmark broke, 2 for a name that
    does not exist.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return WRONG_USAGE
    done, broken = measure_all(names or usual(quick=quick), quick=quick)
    if json:
        print(report.document(done))
    elif markdown:
        print(report.markdown(done))
    else:
        Console().print(report.table(done), highlight=False)
    return MISSED if done.missed or broken else FINE


def measure_all(names: Sequence[str], *, quick: bool) -> tuple[Run, list[str]]:
    """Run benchmarks one after the other, each on a server of its own; and which of them broke.

    What the others measured is not lost with one that breaks.
    """
    figures: dict[str, list[Figure]] = {}
    broken: list[str] = []
    version = ""
    for name in _shown(names):
        module = BENCHMARKS[name]
        with running() as server:
            version = server.version
            try:
                figures[name] = module.measure(server, module.QUICK if quick else module.FULL)
            except Exception:  # noqa: BLE001 - whatever it is, it is shown
                print(f"{name} broke:\n{traceback.format_exc()}", file=sys.stderr)
                broken.append(name)
    return Run(machine=this_machine(version), quick=quick, figures=figures), broken


def usual(*, quick: bool) -> list[str]:
    """The names of those that run where none is named."""
    return [name for name in BENCHMARKS if quick or name not in ASKED_FOR]


def _shown(names: Sequence[str]) -> Iterator[str]:
    """The names one by one, with a bar on stderr where somebody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=len(names))
        for name in names:
            bar.update(task, description=name)
            yield name
            bar.advance(task)
