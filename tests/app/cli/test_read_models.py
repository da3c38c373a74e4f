"""rebuild, verify, digest."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.postgres.database import Database
from projections.engine.registry import discover
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]


@pytest.fixture
def shop(run: Run) -> None:
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("stock", "receive", "MUG", "40")
    run("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2")


def forge(database: Database) -> None:
    """What an attacker, or a bug, would do to a read model."""
    with database.connect("projector") as conn:
        conn.execute("update read_models.orders set total_minor = 1 where order_id = 'A1'")


@pytest.mark.usefixtures("shop")
class TestVerify:
    def test_its_last_line_is_the_verdict(self, run: Run) -> None:
        tables = len(discover().tables)
        *scope, line = run("verify").stdout.splitlines()
        assert line.startswith(
            f"verified: 4 events, {tables} tables equal to a rebuild from event 1,"
            " the log consistent in itself ("
        )
        assert [each.partition(":")[0] for each in scope] == [
            "ledger", "checked", "not checked", "not covered",
        ]  # fmt: skip

    def test_it_names_the_first_difference_and_exits_1(self, run: Run, database: Database) -> None:
        run("verify")
        forge(database)
        ledger, first, *_, last = run("verify", code=1).stdout.splitlines()
        assert first == (
            "differs: table orders, key A1, column total_minor: live 1, rebuilt 2500"
            " (rows: 1 changed)"
        )
        assert ledger.startswith("ledger: the database ")
        assert last.startswith("NOT verified")

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


@pytest.mark.usefixtures("shop")
class TestRebuild:
    def test_it_mends_what_was_changed(self, run: Run, database: Database) -> None:
        run("verify")
        forge(database)
        run("rebuild")
        run("verify")

    def test_it_takes_names(self, run_json: RunJson) -> None:
        document = run_json("rebuild", "stock")
        assert {"stock", "stock_daily"} <= set(document["rebuilt"]) < set(discover().by_name)
        assert document["position"] == 4

    def test_a_name_that_is_none_cannot_run(self, run: Run) -> None:
        assert "There is no projection 'orderz'" in run("rebuild", "orderz", code=2).stderr


@pytest.mark.usefixtures("shop")
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
