"""status, migrate, follow; doctor has a file of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.postgres.database import Database
from projections.engine.registry import discover
from tests.app.cli.conftest import Run
from tests.webhooks.examples import charge, event

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
    assert "stock, stock_daily: it is ahead of the log" in said


def test_one_cause_is_said_once(run: Run, run_json: RunJson, database: Database) -> None:
    """As after the restore of an older backup: no read model follows, and of the lag none knows."""
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    with database.connect("projector") as conn:
        conn.execute("update read_models.projections set position = 9")
    said = " ".join(run("status", code=1).stdout.split())
    assert said.count("it is ahead of the log") == 1
    assert f"{len(discover().by_name)} do not follow: it is ahead of the log" in said
    assert "lag not known: no read model follows" in said


def test_a_table_that_somebody_removed_is_seen_before_an_event_comes_for_it(
    run: Run, run_json: RunJson, database: Database
) -> None:
    run("follow", "--once")
    with database.connect("projector") as conn:
        conn.execute("drop table read_models.wishes cascade")
    (gone,) = [p for p in run_json("status", code=1)["projections"] if p["state"] == "unbuilt"]
    assert gone["because"] == "its table wishes is gone; run `ledger rebuild wishlists`"
    run("rebuild", "wishlists")
    assert run_json("status")["ready"]


def test_what_stops_a_projection_is_told_with_its_cure_and_once(
    run: Run, run_json: RunJson, database: Database
) -> None:
    """A table that is gone, and one that may not be written, when an event comes for them."""
    run("follow", "--once")
    with database.connect("projector") as conn:
        conn.execute("drop table read_models.wishes cascade")
        conn.execute("revoke insert on read_models.products from ledger_projector")
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("follow", "--once", code=3)
    stopped = {p["name"]: p["because"] for p in run_json("status", code=1)["projections"]}
    assert stopped["wishlists"] == (
        'relation "wishes" does not exist (UndefinedTable); run `ledger rebuild wishlists`'
    )
    assert stopped["stock"] == (
        "permission denied for table products (InsufficientPrivilege); run `ledger rebuild stock`"
    )
    said = " ".join(run("status", code=1).stdout.split())
    assert said.count("permission denied for table products") == 1
    run("rebuild")
    assert run_json("status")["ready"]


def test_events_of_the_other_mode_are_counted(
    run: Run, run_json: RunJson, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in no figure; where all events are, doctor calls the setting wrong."""
    lines = [json.dumps(event("charge.succeeded", charge(), id=f"evt_{n}")) for n in range(2)]
    (environment / "events.jsonl").write_text("\n".join(lines))
    run("import", "events.jsonl")
    monkeypatch.setenv("LEDGER_MODE", "live")
    run("rebuild")
    assert run_json("status")["other_mode_events"] == 2
    assert "2 events of Stripe's other mode" in run("status").stdout
    (found,) = [each for each in run_json("doctor", code=1) if each["what"] == "other mode"]
    assert found["verdict"] == "wrong"
    assert found["found"].startswith("2 of 2 events are of Stripe's test mode, and counted nowhere")


def test_follow_once_says_where_it_stopped(run: Run, run_json: RunJson) -> None:
    assert "caught up at 0" in run("follow", "--once").stdout
    assert run_json("follow", "--once") == {"position": 0}


def test_migrate_lists_what_was_applied(run: Run, run_json: RunJson) -> None:
    names = [migration["name"] for migration in run_json("migrate")]
    assert names == sorted(names)
    assert names[-1] in run("migrate").stdout
