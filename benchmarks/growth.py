"""Growth: the same rebuild over a log ten times as long."""

from typing import Final, NamedTuple

from benchmarks.logs import shop_log
from benchmarks.measuring import Figure, Goal, alternate
from benchmarks.processes import in_child
from benchmarks.rebuild import fill, rebuild_all
from benchmarks.server import Server

SMALL: Final = "the small log"
LARGE: Final = "the large log"
FLAT: Final = 1.2


class Scale(NamedTuple):
    """How much is measured, in events of each log."""

    rounds: int
    small: int
    large: int


FULL = Scale(rounds=3, small=100_000, large=1_000_000)
QUICK = Scale(rounds=1, small=10_000, large=50_000)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Events a second and peak memory of a rebuild over both logs, in turns."""
    small, large = server.database(), server.database()
    fill(small, shop_log("growth", scale.small))
    fill(large, shop_log("growth", scale.large))
    taken = alternate(
        scale.rounds,
        {
            SMALL: lambda _: in_child(rebuild_all, small),
            LARGE: lambda _: in_child(rebuild_all, large),
        },
    )
    return [
        Figure(
            what=f"rebuild of {scale.large:,} events, beside {scale.small:,}",
            unit="/s",
            samples=taken.of(LARGE),
            beside=taken.beside(SMALL),
            goals=(Goal("≥", 0.8, against=SMALL),),
        ),
        Figure(
            what="peak memory of its largest process",
            unit="MB",
            samples=taken.of(LARGE, "peak_mb"),
            beside=taken.beside(SMALL, quantity="peak_mb"),
            goals=(Goal("≤", FLAT, against=SMALL),),
        ),
    ]
