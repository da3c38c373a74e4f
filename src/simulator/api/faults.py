"""Faults on demand: which request, counted from 1, goes wrong, and how."""

from collections.abc import Callable, Mapping
from enum import StrEnum


class Fault(StrEnum):
    """How a request goes wrong."""

    ERROR = "error"  # status 500; nothing was done
    LIMITED = "limited"  # status 429, with Retry-After
    BUSY = "busy"  # status 409, another call with this key is at work; nothing was done
    CUT = "cut"  # the connection ends within the answer; nothing was done
    LOST = "lost"  # it was done, and then the connection ends within the answer
    SLOW = "slow"  # the answer takes its time


Plan = Callable[[int], Fault | None]
"""The fault of the n-th request; the first one is 1."""


def none(_number: int) -> None:
    """All goes well."""


def every(counts: Mapping[Fault, int]) -> Plan:
    """Every n-th request: `every({Fault.ERROR: 7, Fault.CUT: 11})`; the first that fits counts."""

    def plan(number: int) -> Fault | None:
        return next((fault for fault, count in counts.items() if number % count == 0), None)

    return plan


def at(numbers: Mapping[int, Fault]) -> Plan:
    """Single requests: `at({3: Fault.LOST})`."""
    return numbers.get
