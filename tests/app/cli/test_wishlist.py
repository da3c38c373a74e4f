"""wishlist add, remove, show: by the same command handler as over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]


@pytest.fixture(autouse=True)
def products(run: Run) -> None:
    for sku in ("MUG", "LAMP"):
        run("stock", "define", sku, "--name", sku.title(), "--price", "12.50 gbp")


def test_a_wishlist_shows_what_was_added_last_first(run: Run, run_list: RunJson) -> None:
    assert run("wishlist", "add", "ann", "MUG").stdout == "added: ann:MUG (position 3)\n"
    run("wishlist", "add", "ann", "LAMP")
    run("wishlist", "add", "bob", "MUG")
    shown = run_list("wishlist", "show", "ann")
    assert [row["sku"] for row in shown] == ["LAMP", "MUG"]
    assert {row["customer_id"] for row in shown} == {"ann"}
    lines = run("wishlist", "show", "ann").stdout
    assert lines.index("LAMP") < lines.index("MUG")


def test_what_is_removed_is_gone_and_its_history_stays(
    run: Run, run_json: RunJson, run_list: RunJson
) -> None:
    run("wishlist", "add", "ann", "MUG")
    assert run_json("wishlist", "remove", "ann", "MUG") == {
        "id": "ann:MUG",
        "position": 4,
        "recorded": ["wishlist.removed.v1"],
    }
    assert run_list("wishlist", "show", "ann") == []
    past = run_list("history", "wish", "ann:MUG")
    assert [line["kind"] for line in past] == ["wishlist.added", "wishlist.removed"]


def test_what_nobody_sells_cannot_be_wished_for(run: Run) -> None:
    assert "'CUP' is listed" in run("wishlist", "add", "ann", "CUP", code=1).stderr
