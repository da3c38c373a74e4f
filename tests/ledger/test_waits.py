"""Work beside a block has the block's limits, and ends with it."""

import time

import pytest

from ledger import waits
from ledger.errors import Stopped


def long_work(steps: list[float]) -> None:
    """Goes on until it is told to stop, or for a minute."""
    for _ in range(6_000):
        waits.go_on()
        steps.append(waits.left())
        time.sleep(0.01)


def interrupted(steps: list[float]) -> None:
    """Ctrl-C, once the work has begun."""
    while not steps:
        time.sleep(0.01)
    raise KeyboardInterrupt


def test_what_runs_beside_a_block_ends_when_the_block_fails() -> None:
    """As by Ctrl-C: what is not waited for any longer is not worked at either."""
    steps = list[float]()
    with pytest.raises(KeyboardInterrupt), waits.beside(long_work, steps) as work:
        interrupted(steps)
    assert isinstance(work.exception(), Stopped)


def test_what_runs_beside_a_block_has_its_deadline_and_gives_its_answer() -> None:
    with waits.within(100), waits.beside(waits.left) as work:
        assert 0 < work.result() <= 100
