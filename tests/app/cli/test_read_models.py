"""rebuild, verify, digest."""

import re
from collections.abc import Callable
from typing import Any, LiteralString

import pytest

from ledger.postgres.database import Database
from projections.engine.registry import discover
from tests.app.cli.conftest import Run
from tests.support.damage import tamper

RunJson = Callable[..., Any]


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """A shop with an order."""
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "40"),
        ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2"),
    )


CHANGED: LiteralString = (
    "update ledger.stored_events set leaf_hash = sha256(state) where notification_id = 1"
)


def forge(database: Database) -> None:
    """What an attacker, or a bug, would do to a read model."""
    with database.connect("projector") as conn:
        conn.execute("update read_models.orders set total_minor = 1 where order_id = 'A1'")


def verdict(findings: list[dict[str, str]]) -> str:
    """What the doctor says of the last proof; the tests' server has fsync off, so it exits 1."""
    (found,) = [each["verdict"] for each in findings if each["what"] == "last proof"]
    return found


class TestVerify:
    def test_its_last_line_is_the_verdict(self, run: Run) -> None:
        tables = len(discover().tables)
        *scope, line = run("verify").stdout.splitlines()
        assert line.startswith(
            f"verified: 4 events, {tables} tables equal to a rebuild from event 1,"
            " the log consistent in itself ("
        )
        begun = [each for each in scope if not each.startswith("  ")]
        assert [each.partition(":")[0] for each in begun] == [
            "ledger", "checked", "not checked", "compared where they stand", "not covered",
            "on record",
        ]  # fmt: skip

    @pytest.mark.parametrize("columns", [80, 120])
    def test_its_lines_are_broken_at_the_width_of_the_terminal(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        """Between words; what follows of a line is indented. A file has them whole."""
        monkeypatch.delenv("COLUMNS")
        whole = run("verify").stdout
        monkeypatch.setenv("COLUMNS", str(columns))
        broken = run("verify").stdout
        assert max(map(len, whole.splitlines())) > 120
        assert max(map(len, broken.splitlines())) <= columns
        joined = broken.replace("\n  ", " ").splitlines()
        assert joined[3] == whole.splitlines()[3]

    def test_it_names_the_first_difference_and_exits_1(self, run: Run, database: Database) -> None:
        run("verify")
        forge(database)
        ledger, first, *_, last = run("verify", code=1).stdout.splitlines()
        assert first == (
            "differs: table orders, key A1, column total_minor: live 1, rebuilt 2500"
            " (rows: 1 changed)"
        )
        assert ledger.startswith("ledger: the database ")
        assert re.match(
            r"NOT verified: \d+ tables compared, \d+ events? of the log looked at ", last
        )

    def test_the_document_says_the_same(self, run_json: RunJson, database: Database) -> None:
        assert run_json("verify")["holds"]
        forge(database)
        document = run_json("verify", code=1)
        assert not document["holds"]
        (difference,) = document["differences"]
        assert difference["first"]["column"] == "total_minor"

    def test_a_stopped_projection_is_not_proven(self, run: Run, database: Database) -> None:
        run("verify")
        with database.connect("projector") as conn:
            conn.execute(
                "update read_models.projections set stopped_at = 2, stopped_because = 'a bug'"
                " where name = 'stock'"
            )
        result = run("verify", code=1)
        assert "not proven: stock stopped: a bug" in result.stdout
        assert "stock: a bug" in result.stderr


def test_it_is_on_record_as_the_operators_and_spoils_no_later_look(
    run: Run, run_json: RunJson, run_list: RunJson
) -> None:
    """Everything that tells how the ledger is tells of it, and nothing lags behind it."""
    document = run_json("verify")
    assert (document["on_record"], document["not_on_record_because"]) == (True, None)
    position = document["recorded_at_position"]
    status = run_json("status")
    assert (status["head"], status["lag_events"]) == (position, 0)
    last = status["last_proof"]
    assert (last["holds"], last["position"], last["is_damage"]) == (True, 4, False)
    (line,) = run_list("audit", "--kind", "proof.finished")
    assert (line["position"], line["actor"]) == (position, "operator")
    assert last["by"] == line["actor_name"]
    assert run_json("verify")["position"] == position
    assert f"UTC by {last['by']}: held up to position {position}" in " ".join(
        run("status").stdout.split()
    )


def test_damage_that_it_found_is_told_until_it_is_mended(
    run: Run, run_json: RunJson, database: Database
) -> None:
    run("follow", "--once")
    forge(database)
    run("verify", code=1)
    status = run_json("status", code=1)["last_proof"]
    assert (status["holds"], status["is_damage"]) == (False, True)
    assert "orders" in status["suspects"]
    assert "did NOT hold" in run("status", code=1).stdout
    (found,) = [f for f in run_json("doctor", code=1) if f["what"] == "last proof"]
    assert found["verdict"] == "wrong"
    assert "tables that differ: orders; `ledger rebuild`, and then" in found["found"]

    run("rebuild")
    assert run_json("status")["last_proof"]["is_damage"] is False
    assert verdict(run_json("doctor", code=1)) == "note"
    run("verify")
    assert verdict(run_json("doctor", code=1)) == "fine"


def test_a_damaged_log_is_told_too(run: Run, run_json: RunJson, database: Database) -> None:
    tamper(database, CHANGED)
    assert run_json("verify", code=1)["on_record"]
    last = run_json("status", code=1)["last_proof"]
    assert last["log_is_damaged"]
    assert "compare it with a backup" in last["cure"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("revoke execute on function ledger.append from ledger_app", "ProgrammingError"),
        ("update ledger.head set position = 1", "The log is not the one that was read before"),
    ],
)
def test_it_has_its_answer_where_it_cannot_be_recorded(
    run: Run, run_json: RunJson, database: Database, spoil: LiteralString, why: str
) -> None:
    tamper(database, spoil)
    code = 1 if "head" in spoil else 0
    document = run_json("verify", code=code)
    assert document["holds"] is (code == 0)
    assert (document["on_record"], document["recorded_at_position"]) == (False, None)
    assert why in document["not_on_record_because"]
    assert "on record: no, " in run("verify", code=code).stdout


@pytest.mark.usefixtures("empty")
def test_an_empty_ledger_stays_empty(run: Run, run_json: RunJson) -> None:
    run("migrate")
    for _ in range(2):
        document = run_json("verify", code=1)
        assert (document["empty"], document["on_record"]) == (True, False)
    status = run_json("status")
    assert (status["head"], status["last_proof"]) == (0, None)
    assert "never made; `ledger verify` makes one" in run("status").stdout


def test_a_proof_that_breaks_off_is_on_record(
    run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, from_scratch: bool) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("projections.engine.verify.verify", broken)
    run("verify", code=1)
    last = run_json("status")["last_proof"]
    assert (last["holds"], last["found"]) == (None, ["ZeroDivisionError"])


class TestRebuild:
    def test_it_mends_what_was_changed(self, run: Run, database: Database) -> None:
        run("verify")
        forge(database)
        run("rebuild")
        run("verify")

    def test_it_says_what_it_did_not_check(self, run: Run) -> None:
        """It believes the log, be that whole or not."""
        assert run("rebuild", "stock").stdout.splitlines()[-1].startswith("not checked: ")

    def test_it_is_on_record_as_the_operators_and_leaves_no_lag(
        self, run_json: RunJson, run_list: RunJson
    ) -> None:
        document = run_json("rebuild", "stock", "--reason", "a wrong name")
        assert document["recorded_at_position"] == 6
        (line,) = run_list("audit", "--kind", "rebuild.finished")
        assert (line["position"], line["actor"]) == (6, "operator")
        assert (line["outcome"], line["reason"]) == ("done", "a wrong name")
        status = run_json("status")
        assert (status["head"], status["lag_events"]) == (6, 0)
        assert run_json("verify")["holds"]

    def test_one_that_breaks_is_on_record_as_failed(
        self, run: Run, run_list: RunJson, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("projections.engine.rebuild.rebuild", broken)
        run("rebuild", code=1)
        (line,) = run_list("audit", "--kind", "rebuild.failed")
        assert line["outcome"] == "failed"

    def test_what_was_never_built_takes_the_place_of_nothing(
        self, run_json: RunJson, database: Database
    ) -> None:
        """As after the restore of a dump without read models: then the log stays as it was."""
        tamper(database, "delete from read_models.projections")
        document = run_json("rebuild")
        assert (document["position"], document["on_record"]) == (4, False)
        assert run_json("status")["head"] == 4

    def test_it_believes_no_log_that_the_last_proof_found_damaged(
        self, run: Run, run_json: RunJson, run_list: RunJson, database: Database
    ) -> None:
        tamper(database, CHANGED)
        run("verify", code=1)
        refused = run_json("rebuild", code=3)
        assert refused["error"] == "RebuildRefused"
        assert "events that do not fit their hash: 1" in refused["detail"]
        assert "compare it with a backup" in refused["detail"]
        assert run_list("audit", "--kind", "rebuild.*") == []
        assert run_json("rebuild", "--believe-the-log")["on_record"]

    @pytest.mark.parametrize(
        ("damage", "error"),
        [
            ("update ledger.head set position = 3", "RebuildRefused"),
            ("update ledger.head set position = 0", "RebuildRefused"),
            ("delete from ledger.stored_events", "RebuildRefused"),
            ("delete from ledger.stored_events where notification_id = 2", "RebuildRefused"),
            ("delete from ledger.head", "LogDamaged"),
        ],
    )
    def test_it_believes_no_log_that_is_not_whole(
        self, run: Run, run_json: RunJson, database: Database, damage: LiteralString, error: str
    ) -> None:
        run("follow", "--once")
        tamper(database, damage)
        assert run_json("rebuild", code=3)["error"] == error

    def test_it_believes_no_log_that_was_emptied(
        self, run: Run, run_json: RunJson, database: Database
    ) -> None:
        run("follow", "--once")
        tamper(database, "delete from ledger.stored_events", "update ledger.head set position = 0")
        assert "do not rebuild" in run_json("rebuild", code=3)["detail"]

    def test_it_takes_names(self, run_json: RunJson) -> None:
        document = run_json("rebuild", "stock")
        assert {"stock", "stock_daily"} <= set(document["rebuilt"]) < set(discover().by_name)
        assert document["position"] == 4

    def test_what_others_made_is_named_and_stays(
        self, run: Run, run_json: RunJson, database: Database
    ) -> None:
        """A table among the read models is left alone; a view that is built on them refuses."""
        tamper(
            database,
            "create table read_models.scratch (x int)",
            "create schema bi",
            "create view bi.paid as select order_id from read_models.orders",
        )
        there = "table read_models.scratch"
        on_top = "view bi.paid (made of read_models.orders)"
        refused = run("rebuild", code=3)
        assert refused.stderr.splitlines()[-1] == (
            "RebuildBlocked: A rebuild makes read models again, and others build on them:"
            f" {on_top}. Nothing changed; drop what is named, rebuild, and create it again after"
            " that."
        )
        document = run_json("rebuild", "orders", code=3)
        assert document["error"] == "RebuildBlocked"
        assert on_top in document["detail"]
        assert f"not ours  {there}, {on_top}" in run("status").stdout.splitlines()
        assert run_json("status")["foreign"] == [there, on_top]
        found = {each["what"]: each for each in run_json("doctor", code=1)}
        assert found["not ours"]["found"].startswith(f"{there}: left alone")
        assert found["built on ours"]["found"].startswith(f"{on_top}: to be dropped")
        assert {found[what]["verdict"] for what in ("not ours", "built on ours")} == {"note"}
        told = f"not Ledger's, left alone: {there}, {on_top}"
        assert told in run("verify").stdout.splitlines()
        tamper(database, "drop view bi.paid")
        run("rebuild")
        assert run_json("verify")["foreign"] == [there]

    def test_a_name_that_is_none_cannot_run(self, run: Run) -> None:
        assert "There is no projection 'orderz'" in run("rebuild", "orderz", code=2).stderr


class TestDigest:
    def test_every_table_has_one_at_the_head(self, run_json: RunJson) -> None:
        tables = run_json("digest")["tables"]
        assert tables.keys() == discover().tables.keys()
        assert {table["position"] for table in tables.values()} == {4}

    def test_it_is_the_same_twice_and_changes_with_the_rows(
        self, run_json: RunJson, database: Database
    ) -> None:
        first = run_json("digest")
        assert run_json("digest") == first
        forge(database)
        changed = run_json("digest")["tables"]
        assert {n for n, t in changed.items() if t != first["tables"][n]} == {"orders"}

    def test_world_leaves_our_books_out(self, run_json: RunJson) -> None:
        plain, world = run_json("digest")["tables"], run_json("digest", "--world")["tables"]
        assert plain["audit"] != world["audit"]

    def test_for_people_it_is_a_table(self, run: Run) -> None:
        assert len(run("digest").stdout.splitlines()) == len(discover().tables) + 2
