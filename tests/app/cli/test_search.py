"""search: what a text names, from the terminal."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "3"),
        ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2"),
    )


def test_objects_are_found_and_shown(run: Run, run_list: Callable[..., list[Any]]) -> None:
    assert [(hit["kind"], hit["id"]) for hit in run_list("search", "25.00", "gbp")] == [
        ("order", "A1")
    ]
    assert [hit["id"] for hit in run_list("search", "mug", "BLUE")] == ["MUG"]
    assert "25.00 GBP" in run("search", "a1").stdout
    assert "Nothing is called so." in run("search", "B7").stdout
    assert "write an id" in run("search", " ", code=2).stderr
    run("search", "x" * 160, "y" * 159)
    assert "write at most 320 characters" in run("search", "x" * 160, "y" * 160, code=2).stderr
