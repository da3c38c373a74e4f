"""`ledger payments link`: payments of an imported shop find their orders, by a rule."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.support.linking import Paid, Sold, Trade, opened

RunJson = Callable[..., Any]
ADA = "ada@example.com"
TRADE = Trade(
    [
        Sold("A1", ADA, "eur", 1250, 0),
        Sold("A2", ADA, "eur", 1250, 9),
        Sold("A3", None, "jpy", 900, 0),
    ],
    [
        Paid("pi_1", ADA, "eur", 1250, 5, label="A1", description="Order A1"),
        Paid("pi_2", ADA, "eur", 1250, 12, label="#A2", description="Order 7, once more: Order A2"),
        Paid("pi_3", ADA, "eur", 900, 0, label="A3"),
        Paid("pi_4", ADA, "eur", 900, 0, label="B-77"),
        Paid("pi_5", ADA, "jpy", 900, 0),
    ],
)


@pytest.fixture
def shop(database: Database) -> None:
    with opened(database, TRADE):
        pass


def test_payments_are_linked_once_and_count_for_their_orders(
    run: Run, run_json: RunJson, shop: None
) -> None:
    told = run("payments", "link", "--by", "metadata:shop_order", "--reason", "old shop").stdout
    assert told.splitlines()[-8:] == [
        "5 payments belong to no order, by metadata:shop_order:",
        "        2 linked",
        "        0 linked before",
        "        1 skipped",
        "            1 the order is in another currency",
        "        1 name an order that is not here",
        "             B-77, by pi_4",
        "        1 no order was found for",
    ]
    shown = {row["order_id"]: row["received_minor"] for row in run_json("order", "list")["items"]}
    assert shown == {"A1": 1250, "A2": 1250, "A3": 0}
    history = run_json("history", "order", "A1")["items"]
    reasons = [line["reason"] for line in history if line["actor"] == "operator"]
    assert reasons == [None, *["old shop (by metadata:shop_order)"] * 2]
    again = run_json("payments", "link", "--by", "metadata:shop_order")
    assert (again["linked"], again["unlinked"]) == (0, 3)
    run("verify")


def test_a_dry_run_names_each_and_links_none(
    run: Run, run_json: RunJson, shop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rule = "description:Order {order}"
    told = run("payments", "link", "--by", rule, "--dry-run").stdout
    assert all(len(line) <= 80 for line in told.splitlines()), told
    assert all(each in told for each in ("pi_1", "1 to link", "several orders fit"))
    document = run_json("payments", "link", "--by", rule, "--dry-run")
    assert (document["to_link"], document["skipped"]) == (1, 1)
    assert document["items"] == [
        {"payment_id": "pi_1", "order_id": "A1", "outcome": "to_link", "reason": None,
         "detail": None},
        {"payment_id": "pi_2", "order_id": None, "outcome": "skipped", "reason": "several_orders",
         "detail": "several orders fit"},
    ]  # fmt: skip
    assert all(row["payment_count"] == 0 for row in run_json("order", "list")["items"])


def test_payments_that_fit_twice_are_named_and_never_linked(
    run: Run, run_json: RunJson, shop: None
) -> None:
    document = run_json("payments", "link", "--by", "email-and-amount")
    assert (document["linked"], document["skipped"]) == (0, 2)
    assert {each["reason"] for each in document["items"]} == {"several_orders"}


def test_a_rule_that_is_none_is_wrong_usage(run: Run, shop: None) -> None:
    told = run("payments", "link", "--by", "regex:.*", code=2).output
    assert "metadata:KEY" in told
