"""event: one event as it is stored, and the bytes that its hash is of."""

import base64
import hashlib
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.support.damage import superuser


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    return after(("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"))


def leaf_of(database: Database, position: int) -> str:
    query = "select encode(leaf_hash, 'hex') from ledger.stored_events where notification_id = %s"
    with database.connect("reader") as conn:
        row = conn.execute(query, [position]).fetchone()
    assert row is not None
    return row[0]


def test_an_event_is_shown_and_that_is_on_record(
    run: Run, run_json: Callable[..., Any], run_list: Callable[..., list[Any]], database: Database
) -> None:
    found = run_json("event", "1", "--reason", "audit of 2026")
    assert (found["source"], found["data"]["name"]) == ("stock/MUG", "Blue mug")
    assert (found["leaf_hash"], found["leaf_hash_fits"]) == (leaf_of(database, 1), True)
    (line,) = run_list("audit", "--kind", "evidence.*")
    assert (line["reason"], line["correlation"]) == ("audit of 2026", "stock/MUG")
    assert "Blue mug" in run("event", "1").stdout
    assert len(run_list("audit", "--kind", "evidence.*")) == 2
    assert "No event '99'" in run("event", "99", code=1).stderr


def test_its_bytes_have_the_hash_in_the_log(
    run: Run, run_json: Callable[..., Any], database: Database
) -> None:
    """As `sha256sum` says; where the event was changed, its bytes have another one."""
    data = run("event", "1", "--bytes").stdout_bytes
    said = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    assert said.split()[0].decode() == leaf_of(database, 1)
    document = run_json("event", "1", "--bytes")
    assert base64.b64decode(document["bytes"]) == data
    with superuser(database) as conn:
        conn.execute("update ledger.stored_events set topic = 'x' where notification_id = 1")
    changed = run("event", "1", "--bytes").stdout_bytes
    assert hashlib.sha256(changed).hexdigest() != leaf_of(database, 1)
    assert run_json("event", "1")["leaf_hash_fits"] is False
