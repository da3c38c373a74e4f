"""status, migrate, follow; doctor has a file of its own."""

from collections.abc import Callable
from typing import Any

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]

STOP = """
update read_models.projections
set stopped_at = 1, stopped_because = 'KeyError at stock.py:7'
where name = 'stock'
"""


def test_status_shows_head_lag_and_versions(run: Run, run_json: RunJson) -> None:
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    document = run_json("status")
    assert (document["head"], document["lag_events"], document["ready"]) == (1, 1, True)
    assert document["waiting_since"]
    assert document["versions"].keys() == {"ledger", "python", "postgresql"}
    run("follow", "--once")
    document = run_json("status")
    assert (document["lag_events"], document["waiting_since"]) == (0, None)
    assert {p["position"] for p in document["projections"]} == {1}


def test_status_says_what_is_stopped_and_why(
    run: Run, run_json: RunJson, database: Database
) -> None:
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    with database.connect("projector") as conn:
        conn.execute(STOP)
    (stopped,) = [p for p in run_json("status", code=1)["projections"] if p["state"] == "stopped"]
    assert (stopped["name"], stopped["stopped_at"]) == ("stock", 1)
    assert "KeyError at stock.py:7" in run("status", code=1).stdout


def test_status_and_follow_say_that_read_models_are_ahead_of_the_log(
    run: Run, run_json: RunJson, database: Database
) -> None:
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    with database.connect("projector") as conn:
        conn.execute("update read_models.projections set position = 2 where name = 'stock'")
    (ahead,) = [p for p in run_json("status", code=1)["projections"] if p["state"] == "ahead"]
    assert (ahead["name"], ahead["position"]) == ("stock", 2)
    assert "which ends at 1" in ahead["because"]
    said = " ".join(run("follow", "--once", code=3).output.split())
    assert "stock: it is ahead of the log" in said


def test_follow_once_says_where_it_stopped(run: Run, run_json: RunJson) -> None:
    assert "caught up at 0" in run("follow", "--once").stdout
    assert run_json("follow", "--once") == {"position": 0}


def test_migrate_lists_what_was_applied(run: Run, run_json: RunJson) -> None:
    names = [migration["name"] for migration in run_json("migrate")]
    assert names == sorted(names)
    assert names[-1] in run("migrate").stdout
