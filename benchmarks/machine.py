"""The machine that a measurement belongs to."""

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct


class Machine(Struct, frozen=True, kw_only=True):
    """What a reader must know to judge the figures; memory in GB (10⁹ bytes)."""

    date: str
    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    postgresql: str

    def sentence(self) -> str:
        """All of it in one line."""
        return (
            f"{self.date}: {self.cores} cores of {self.cpu}, {self.memory_gb:.0f} GB,"
            f" {self.system}, Python {self.python}, PostgreSQL {self.postgresql}"
        )


def this_machine(postgresql: str) -> Machine:
    """The machine as it is now."""
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=postgresql,
    )


def _cpu() -> str:
    with suppress(FileNotFoundError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
