"""A run of benchmarks, as a table for people, as Markdown for the docs, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from rich import box
from rich.table import Table

from benchmarks.machine import Machine
from benchmarks.measuring import Beside, Figure, Goal

HEADS = ("what", "measured", "beside it, in the same run", "target")
VERDICTS = {True: "met", False: "MISSED", None: "not judged"}


class Run(Struct, frozen=True, kw_only=True):
    """Figures by benchmark; the speed in a quick run says nothing, it only shows that all works."""

    machine: Machine
    quick: bool
    figures: Mapping[str, Sequence[Figure]]

    @property
    def missed(self) -> int:
        """How many targets were missed, of those that this run can judge."""
        return sum(
            self.verdict(figure, goal) is False
            for figures in self.figures.values()
            for figure in figures
            for goal in figure.goals
        )

    def verdict(self, figure: Figure, goal: Goal) -> bool | None:
        """Whether a goal was met; None for a speed in a quick run."""
        return None if self.quick and goal.of_speed else figure.meets(goal)


def document(run: Run) -> str:
    """One JSON document; `samples` are in the order in which they were taken."""
    content = {
        "machine": run.machine,
        "quick": run.quick,
        "missed": run.missed,
        "benchmarks": {
            name: [_described(run, figure) for figure in figures]
            for name, figures in run.figures.items()
        },
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def table(run: Run) -> Table:
    """A table for the terminal."""
    made = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=run.machine.sentence()
    )
    for head in HEADS:
        made.add_column(head, justify="right" if head == "measured" else "left")
    for name, figures in run.figures.items():
        made.add_section()
        made.add_row(f"[bold]{name}[/]")
        for figure in figures:
            made.add_row(*("\n".join(cell) for cell in _cells(run, figure)))
    return made


def markdown(run: Run) -> str:
    """Tables for a page of the docs."""
    return "\n".join(_markdown(run))


def _markdown(run: Run) -> Iterator[str]:
    yield f"Measured on {run.machine.sentence()}."
    for name, figures in run.figures.items():
        yield f"\n### {name}\n"
        yield f"| {' | '.join(HEADS)} |"
        yield "|---|---:|---|---|"
        for figure in figures:
            yield f"| {' | '.join('<br>'.join(cell) for cell in _cells(run, figure))} |"


def _cells(run: Run, figure: Figure) -> tuple[list[str], ...]:
    """The columns of a figure's row, each as lines."""
    return (
        [figure.what],
        [_quantity(figure.value, figure.unit)],
        [_comparison(figure, other) for other in figure.beside],
        [_verdict(run, figure, goal) for goal in figure.goals],
    )


def _comparison(figure: Figure, other: Beside) -> str:
    return f"{figure.ratio(other):.3g} × {other.name} ({_quantity(other.value, figure.unit)})"


def _verdict(run: Run, figure: Figure, goal: Goal) -> str:
    words = f"{goal.sign} {goal.limit:,g}"
    words += f" × {goal.against}" if goal.against else f" {figure.unit}"
    return f"{words.strip()}: {VERDICTS[run.verdict(figure, goal)]}"


def _quantity(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1
    return f"{value:,.{digits}f} {unit}".strip()


def _described(run: Run, figure: Figure) -> dict[str, Any]:
    return {
        "what": figure.what,
        "unit": figure.unit,
        "value": figure.value,
        "samples": figure.samples,
        "beside": [_described_beside(figure, other) for other in figure.beside],
        "targets": [
            {
                "sign": goal.sign,
                "limit": goal.limit,
                "times": goal.against or None,
                "met": run.verdict(figure, goal),
            }
            for goal in figure.goals
        ],
    }


def _described_beside(figure: Figure, other: Beside) -> dict[str, Any]:
    return {
        "name": other.name,
        "value": other.value,
        "samples": other.samples,
        "ratio": figure.ratio(other) if other.value else None,
    }
