"""A log that was emptied, or has no head: nothing is erased, and everything says it in words."""

from collections.abc import Callable
from typing import Any, LiteralString

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.support.damage import TURN_BACK, tamper

RunJson = Callable[..., Any]

EMPTIED: tuple[LiteralString, ...] = (
    "truncate ledger.stored_events",
    "update ledger.head set position = 0",
)
GONE: LiteralString = "delete from ledger.head"
READERS = (("order", "list"), ("order", "show", "A1"), ("kpi", "show"), ("digest",), ("verify",))
OF_NO_USE = (("status",), ("order", "list"), ("kpi", "show"), ("checks", "run"))
WRITERS = (
    ("order", "place", "--id", "A2", "--currency", "gbp", "--line", "MUG:1"),
    ("stock", "receive", "MUG", "1"),
)
"""Verbs that exit 3, as where the database is away."""
LOST: tuple[tuple[LiteralString, ...], ...] = (
    ("delete from ledger.stored_events where notification_id > 3",),
    EMPTIED[:1],
)
"""Events are gone, and the head stands where it stood."""


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """A shop with an order."""
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "40"),
        ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2"),
    )


def standing(database: Database) -> list[Any]:
    """The rows of the read models, and how far each of those is."""
    with database.connect("reader") as conn:
        orders = conn.execute("select * from read_models.orders").fetchall()
        places = conn.execute(
            "select name, position, stopped_at from read_models.projections order by name"
        )
        return [*orders, *places]


def call(run: Run, *arguments: str) -> tuple[int, str]:
    """Run it, whatever its exit code; a traceback is none of ours, and fails."""
    for code in (0, 1, 3):
        try:
            result = run(*arguments, code=code)
        except AssertionError:
            continue
        assert "Traceback" not in result.output
        return code, " ".join(result.output.split())
    raise AssertionError(arguments)


@pytest.mark.parametrize("damage", [EMPTIED, ("truncate ledger.stored_events", GONE), EMPTIED[1:]])
def test_no_verb_erases_read_models_of_a_log_that_lost_its_events_or_head(
    run: Run, database: Database, damage: tuple[LiteralString, ...]
) -> None:
    """Where the log is put right again, they go on as if nothing had been."""
    before = standing(database)
    with database.connect("reader") as conn:
        kept = conn.execute("select position, recorded_at from ledger.head").fetchone()
    tamper(database, *damage)
    for verb in READERS:
        code, _ = call(run, *verb)
        assert code > 0, verb
        assert standing(database) == before, verb
    if damage == EMPTIED[1:]:
        assert kept is not None
        tamper(database, TURN_BACK)
        run("order", "list")
        run("verify")


def test_a_log_that_was_emptied_is_damage_wherever_it_is_asked(
    run: Run, run_json: RunJson, database: Database
) -> None:
    tamper(database, *EMPTIED)
    document = run_json("verify", code=1)
    assert (document["empty"], document["holds"], document["on_record"]) == (False, False, False)
    assert {halted["state"] for halted in document["halted"]} == {"ahead"}
    said = run("verify", code=1).stdout
    assert "read models ahead: it is ahead of the log, which ends at 0, and took in" in said
    assert "on record: no, nothing is appended to a log that was emptied" in said
    assert said.splitlines()[-1].startswith("NOT verified")
    assert "do not rebuild" in " ".join(said.split())
    for verb in ("status", "doctor"):
        told = " ".join(run(verb, code=1).stdout.split())
        assert "restore the log from a backup, and do not rebuild" in told
    assert run_json("status", code=1)["head"] == 0
    assert "The log ends at 0, and the read models do not" in run("order", "list", code=3).stderr


@pytest.mark.parametrize("damage", [*LOST, EMPTIED])
def test_nothing_is_appended_to_a_log_that_lost_events(
    run: Run, database: Database, damage: tuple[LiteralString, ...]
) -> None:
    """It would hide what is missing: a new order's events at the place of those that are gone."""
    tamper(database, *damage)
    with database.connect("reader") as conn:
        before = conn.execute("select count(*) from ledger.stored_events").fetchone()
        code, told = call(run, "stock", "define", "CUP", "--name", "Cup", "--price", "5 gbp")
        assert (code, told.count("LogDamaged: The log is damaged: its head is gone, or")) == (3, 1)
        assert conn.execute("select count(*) from ledger.stored_events").fetchone() == before


@pytest.mark.parametrize("damage", LOST)
def test_a_head_that_stands_beyond_the_last_event_is_told_by_every_verb(
    run: Run, run_json: RunJson, database: Database, damage: tuple[LiteralString, ...]
) -> None:
    tamper(database, *damage)
    for verb in OF_NO_USE:
        code, told = call(run, *verb)
        assert (code, told.count("LogDamaged: The log is damaged: its head is gone, or")) == (3, 1)
    document = run_json("verify", code=1)
    assert "missing" in document["log"]["faults"]
    assert document["on_record"] is False


def test_without_a_head_every_verb_says_one_sentence_and_the_cure(
    run: Run, run_json: RunJson, database: Database
) -> None:
    tamper(database, GONE)
    for verb in (*OF_NO_USE, *WRITERS):
        code, told = call(run, *verb)
        assert (code, told.count("LogDamaged: The log is damaged: its head is gone")) == (3, 1)
        assert "restore the log from a backup" in told
    (found,) = [each for each in run_json("doctor", code=1) if each["what"] == "LogDamaged"]
    assert found["verdict"] == "wrong"

    document = run_json("verify", code=1)
    assert document["halted"] == document["differences"] == []
    (fault,) = document["log"]["faults"]["head"]
    assert fault["detail"] == "ledger.head has 0 rows instead of one"
    assert document["not_on_record_because"].startswith("The log is damaged: its head is gone")
