"""Single-row commits: PostgreSQL's own `pgbench`, the measure of what a commit costs here."""

import os
import random
import re
import subprocess
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from benchmarks.measuring import RATE, Sample
from benchmarks.server import Server, run_sql
from ledger.postgres.cluster import wheel_bin_folder

SINGLE_ROW_COMMITS: Final = "single-row commits"
CONNECTIONS: Final = 16
ROW_BYTES: Final = 2300

# Stored like an event: within the row, uncompressed.
TABLE: Final = """
create table single_rows (
    id bigint generated always as identity primary key,
    body text storage plain not null
) with (toast_tuple_target = 8160)
"""


class Commits:
    """Connections that each insert a row of 2.3 kB and commit, again and again."""

    def __init__(self, server: Server, seconds: int) -> None:
        database = server.empty_database()
        run_sql(database, TABLE)
        script = server.home / "single_row.sql"
        body = random.Random(1).randbytes(ROW_BYTES // 2).hex()
        script.write_text(f"insert into single_rows (body) values ('{body}');\n")  # noqa: S608 - our own digits
        at = conninfo_to_dict(database.admin_conninfo)
        self._command = [
            str(wheel_bin_folder() / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--file={script}"),
            *(f"--client={CONNECTIONS}", "--jobs=2", f"--time={seconds}"),
            *(f"--host={at['host']}", f"--port={at['port']}", f"--username={at['user']}"),
            str(at["dbname"]),
        ]

    def __call__(self, _turn: int) -> Sample:
        """Commits a second."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        run = subprocess.run(  # noqa: S603 - PostgreSQL's program with arguments that we made
            self._command, env=environment, capture_output=True, text=True, check=False
        )
        found = re.search(r"^tps = ([\d.]+)", run.stdout, re.MULTILINE)
        assert run.returncode == 0, run.stderr
        assert found is not None, run.stdout
        return {RATE: float(found[1])}
