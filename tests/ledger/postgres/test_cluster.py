"""A cluster is made whole, or not at all and with a reason."""

from pathlib import Path

import pytest

from ledger.errors import PostgresError
from ledger.postgres import cluster
from ledger.postgres.cluster import make_cluster, wheel_bin_folder
from ledger.postgres.unprivileged import Identity


def test_the_wheel_has_every_program_that_we_run() -> None:
    for program in ("initdb", "pg_ctl", "postgres"):
        assert (wheel_bin_folder() / program).is_file()


def test_without_the_wheel_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(PostgresError, match="DATABASE_URL"):
        wheel_bin_folder()


def test_a_failed_initdb_says_why_and_makes_no_data_folder(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in {
        "postgres": "echo 'postgres (PostgreSQL) 18.6'",
        "initdb": "echo 'no space left' >&2; exit 1",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    with (tmp_path / "lock").open("w") as lock, pytest.raises(PostgresError, match="no space left"):
        make_cluster(tmp_path / "data", programs, Identity(), lock.fileno())
    assert not (tmp_path / "data").exists()
