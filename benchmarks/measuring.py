"""What a benchmark hands back: figures, each with its samples and what stands beside it."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final, Literal

from msgspec import Struct

RATE: Final = "per_second"

Sample = dict[str, float]
"""What one repetition of one candidate gave: quantities by name."""

Candidate = Callable[[int], Sample]
"""One of those that take turns; called with the number of the turn."""


class Goal(Struct, frozen=True):
    """What a figure should be: within a limit, or within a multiple of what is beside it.

    One that is not `of_speed` is about being right, and holds on any machine at any load.
    """

    sign: Literal["≥", "≤", "<", "="]
    limit: float
    against: str = ""
    of_speed: bool = True

    def is_met_by(self, value: float) -> bool:
        """Whether a value, or its ratio to `against`, keeps the limit."""
        match self.sign:
            case "≥":
                return value >= self.limit
            case "≤":
                return value <= self.limit
            case "<":
                return value < self.limit
            case "=":
                return value == self.limit


class Beside(Struct, frozen=True):
    """The same quantity of another candidate, which took turns with the first one."""

    name: str
    samples: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median."""
        return median(self.samples)


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table: the median of its samples in `unit`."""

    what: str
    unit: str
    samples: tuple[float, ...]
    beside: tuple[Beside, ...] = ()
    goals: tuple[Goal, ...] = ()

    @property
    def value(self) -> float:
        """The median."""
        return median(self.samples)

    def ratio(self, other: Beside) -> float:
        """How many times the other's value this one is."""
        return self.value / other.value if other.value else float("inf")

    def meets(self, goal: Goal) -> bool:
        """Whether the figure keeps a goal."""
        if not goal.against:
            return goal.is_met_by(self.value)
        (other,) = (other for other in self.beside if other.name == goal.against)
        return goal.is_met_by(self.ratio(other))


class Taken(dict[str, list[Sample]]):
    """The samples of several candidates, by the candidate's name."""

    def of(self, name: str, quantity: str = RATE) -> tuple[float, ...]:
        """One quantity of one candidate, turn by turn."""
        return tuple(sample[quantity] for sample in self[name])

    def beside(self, *names: str, quantity: str = RATE) -> tuple[Beside, ...]:
        """One quantity of some candidates, to stand beside a figure."""
        return tuple(Beside(name, self.of(name, quantity)) for name in names)


def alternate(rounds: int, candidates: Mapping[str, Candidate]) -> Taken:
    """A B C, A B C, …: what slows the machine for a while slows every candidate."""
    taken = Taken({name: [] for name in candidates})
    for turn in range(rounds):
        for name, candidate in candidates.items():
            taken[name].append(candidate(turn))
    return taken


def timed(count: int, work: Callable[[], object]) -> Sample:
    """How many a second, where the work does `count` of them."""
    started = time.perf_counter()
    work()
    return {RATE: count / (time.perf_counter() - started)}
