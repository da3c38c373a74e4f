"""Run the trial: `python -m tests.soak --rounds 60`; exits 1 where anything was lost."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.soak.books import Findings, examine
from tests.soak.clients import Acknowledged, fill_shelves, load
from tests.soak.faults import FAULTS
from tests.soak.services import World, world

SERVICES: Final = 3
RECOVER_SECONDS: Final = 120
CONSOLE: Final = Console(width=80, highlight=False, markup=False)


@dataclass
class Line:
    """The rounds of one fault: what was acknowledged in them, and how long the wait was."""

    rounds: int = 0
    webhooks: int = 0
    commands: int = 0
    lost: int = 0
    longest: float = 0.0


@dataclass
class Trial:
    """A world under load, and what was seen of it."""

    world: World
    known: Acknowledged
    seconds: float
    hold: float
    lines: dict[str, Line] = field(default_factory=dict)
    missing: int = 0

    def round(self, number: int) -> Findings:
        """Load, a fault, and load again until all who were struck acknowledge; then a look."""
        name = list(FAULTS)[number % len(FAULTS)]
        # Not the fault's own turn: each fault comes to each service.
        turn = number // len(FAULTS) % len(self.world.services)
        webhooks, commands = self.known.counts()
        time.sleep(self.seconds)
        waited = self._strike(name, turn)
        found = examine(self.world.database, self.known.entries(), quiet=False)
        now_webhooks, now_commands = self.known.counts()
        line = self.lines.setdefault(name, Line())
        line.rounds += 1
        line.webhooks += now_webhooks - webhooks
        line.commands += now_commands - commands
        line.lost += max(found.lost - self.missing, 0)
        line.longest = max(line.longest, waited)
        self.missing = found.lost
        CONSOLE.print(
            f"{number + 1:>4}  {name:<18}  {now_webhooks:>7,} webhooks  {now_commands:>6,} commands"
            f"  {found.lost} lost  {waited:5.1f} s"
        )
        return found

    def _strike(self, name: str, turn: int) -> float:
        """Strike; seconds until each service that was struck acknowledged again."""
        struck, since = FAULTS[name](self.world, turn, self.hold)
        deadline = time.monotonic() + RECOVER_SECONDS
        while not all(self.known.last(service) > since for service in struck):
            assert time.monotonic() < deadline, f"no acknowledgement {RECOVER_SECONDS} s after it"
            assert not self.known.refusals, self.known.refusals
            time.sleep(0.02)
        return max(self.known.last(service) for service in struck) - since


def run(rounds: int, seconds: float, hold: float) -> bool:
    """Whether nothing was lost, nothing stored twice, and the proof holds."""
    with world(SERVICES) as made:
        known = Acknowledged(SERVICES)
        fill_shelves(made, known)
        trial = Trial(made, known, seconds, hold)
        with load(made, known):
            found = [trial.round(number) for number in range(rounds)]
        last = examine(made.database, known.entries(), quiet=True)
        proven, told = made.verify()
        CONSOLE.print(_table(trial.lines, *known.counts(), last.lost))
        faults = [*found, last]
        _say(faults, known, proven=proven, told=told)
        return proven and not any(faults) and not known.refusals


def _say(found: list[Findings], known: Acknowledged, *, proven: bool, told: str) -> None:
    uneven = Counter(stream for each in found for stream in each.uneven)
    CONSOLE.print(f"Stored twice or unasked: {max(each.doubled for each in found)}")
    CONSOLE.print(f"Streams whose versions are not 1..n: {len(uneven)} {', '.join(uneven)}")
    CONSOLE.print(f"Refused for good: {len(known.refusals)}")
    CONSOLE.print("\n".join(known.refusals), end="")
    CONSOLE.print("ledger verify holds" if proven else f"ledger verify does not hold:\n{told}")


def _table(lines: dict[str, Line], webhooks: int, commands: int, lost: int) -> Table:
    """All lines; the last one counts what was acknowledged before and after the rounds as well."""
    table = Table(width=80)
    table.add_column("fault")
    for head in ("rounds", "webhooks", "commands", "lost", "longest wait"):
        table.add_column(head, justify="right")
    for name, line in lines.items():
        table.add_row(name, *_cells(line))
    longest = max((line.longest for line in lines.values()), default=0.0)
    rounds = sum(line.rounds for line in lines.values())
    table.add_section()
    table.add_row("all", *_cells(Line(rounds, webhooks, commands, lost, longest)))
    return table


def _cells(line: Line) -> tuple[str, ...]:
    counts = (line.rounds, line.webhooks, line.commands, line.lost)
    return *(f"{number:,}" for number in counts), f"{line.longest:.1f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=4, help="load before each fault")
    parser.add_argument("--hold", type=float, default=8, help="how long what is held is held")
    given = parser.parse_args()
    return 0 if run(given.rounds, given.seconds, given.hold) else 1


if __name__ == "__main__":
    sys.exit(main())
