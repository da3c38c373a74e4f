"""Workers end with the process that they work for, whatever ends it, and without a word."""

import gc
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.workers import uncollected
from tests.support.waiting import wait_for

WORK = """
import sys, time
from pathlib import Path

from ledger.workers import spread

folder = Path(sys.argv[1])

def stand_still(number):
    (folder / f"{number}.begun").touch()
    time.sleep(120)

if __name__ == "__main__":
    (folder / "started").touch()
    list(spread(stand_still, [(1,), (2,)]))
"""


@pytest.mark.parametrize("moment", ["started", "1.begun"])
def test_ctrl_c_at_a_terminal_ends_workers_at_once_and_in_silence(
    tmp_path: Path, moment: str
) -> None:
    """A terminal gives it to all processes: those that began to import printed tracebacks."""
    script = tmp_path / "work.py"
    script.write_text(WORK)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path], stderr=subprocess.PIPE, text=True, process_group=0
    )
    wait_for((tmp_path / moment).exists, 60)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)  # workers have its other end, too: they ended
    assert process.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1, "the one of the process itself"
    assert said.endswith("\nKeyboardInterrupt\n")


@pytest.mark.parametrize("before", [True, False])
def test_garbage_is_looked_for_after_a_task_as_before_it(before: bool) -> None:
    """Whatever ends the task; `ledger serve` and a cluster's worker go on for months."""
    was_on = gc.isenabled()
    (gc.enable if before else gc.disable)()
    during = True
    try:
        with suppress(ZeroDivisionError), uncollected():
            during = gc.isenabled()
            _ = 1 / 0
        assert (during, gc.isenabled()) == (False, before)
    finally:
        (gc.enable if was_on else gc.disable)()
