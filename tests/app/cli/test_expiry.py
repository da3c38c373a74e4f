"""`ledger expire`: due orders are shown, or end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.order_expiry import REASON
from ledger.log import Log
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]


@pytest.fixture
def orders(run: Run) -> list[str]:
    """More orders than one batch takes, placed just now."""
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("stock", "receive", "MUG", "9")
    placed = ["A1", "A2", "A3"]
    for order in placed:
        run("order", "place", "--id", order, "--currency", "gbp", "--line", "MUG:1")
    return placed


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "now", lambda _: datetime.now(UTC) + timedelta(hours=1))


def test_nothing_is_due_while_reservations_last(
    run: Run, run_json: RunJson, orders: list[str]
) -> None:
    assert run("expire").stdout == "expired: 0\n"
    assert run_json("expire", "--dry-run") == {"due": []}


@pytest.mark.usefixtures("an_hour_later")
def test_a_dry_run_changes_nothing(run: Run, run_json: RunJson, orders: list[str]) -> None:
    before = run_json("status")["head"]
    assert run_json("expire", "--dry-run") == {"due": orders}
    assert run("expire", "--dry-run").stdout == "due: 3\n  A1\n  A2\n  A3\n"
    assert run_json("status")["head"] == before


@pytest.mark.usefixtures("an_hour_later")
def test_all_that_are_due_expire_once_batch_after_batch(
    run: Run,
    run_json: RunJson,
    orders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    run_list: RunJson,
) -> None:
    """No follower runs beside it: each batch is taken in before the next look."""
    monkeypatch.setattr("app.order_expiry.BATCH", 2)
    assert sorted(run_json("expire")["expired"]) == orders
    assert run_json("expire") == {"expired": []}
    (expired,) = [e for e in run_list("history", "order", "A1") if e["kind"] == "order.expired"]
    assert (expired["actor"], expired["reason"]) == ("operator", REASON)
