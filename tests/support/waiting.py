"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable


def wait_for(met: Callable[[], object], seconds: float = 60) -> None:
    """Look again and again until it is so; so long as a machine that is busy may need."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
