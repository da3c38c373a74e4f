"""list and show: every read model that has a list, in the terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projections.engine.registry import discover
from tests.app.cli.conftest import Run
from tests.webhooks.examples import charge, event

RunJson = Callable[..., Any]
LISTINGS = [p for p in discover() if p.listing]


@pytest.fixture
def orders(run: Run) -> None:
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("stock", "receive", "MUG", "9")
    for order_id in ("A1", "A2"):
        run("order", "place", "--id", order_id, "--currency", "gbp", "--line", "MUG:2")
    run("order", "cancel", "A2")


def test_every_list_can_be_listed_and_asked_for_one(run: Run, run_json: RunJson) -> None:
    for projection in LISTINGS:
        assert projection.listing
        kind = projection.listing.link or projection.name
        assert run_json("list", kind) == run_json("list", projection.name) == []
        assert projection.name in run("show", kind, "nothing", code=1).stderr


@pytest.mark.usefixtures("orders")
def test_orders_are_listed_with_their_amounts(run: Run, run_json: RunJson) -> None:
    text = run("order", "list").stdout
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["A2", "A1"]
    assert "25.00 gbp" in text
    (only,) = run_json("order", "list", "--filter", "state=canceled")
    assert only["order_id"] == "A2"
    assert run("list", "order", "--filter", "state=paid").stdout == "none\n"


@pytest.mark.usefixtures("orders")
def test_an_order_is_shown_with_its_lines_now_and_then(run: Run, run_json: RunJson) -> None:
    assert run_json("order", "show", "A2")["state"] == "canceled"
    (placed, *_) = run_json("history", "order", "A2")
    assert run_json("order", "show", "A2", "--as-of", str(placed["position"]))["state"] == "pending"
    text = run("order", "show", "A1").stdout
    assert "Blue mug" in text
    assert "outstanding" in text


@pytest.mark.usefixtures("orders")
def test_products_are_listed_and_shown(run: Run, run_json: RunJson) -> None:
    assert run_json("stock", "list")[0]["sku"] == "MUG"
    listed = run("stock", "list").stdout.split("\n")
    columns = ["sku", "name", "on", "hand", "committed", "reserved", "available", "preorder"]
    assert listed[0].split() == columns
    assert "Blue mug" in listed[2]
    assert run_json("stock", "show", "MUG") == run_json("show", "sku", "MUG")
    assert "12.50 gbp" in run("stock", "show", "MUG").stdout


def test_what_does_not_exist_is_refused_with_what_does(run: Run) -> None:
    assert "order" in run("list", "invoicez", code=2).stderr
    assert "state" in run("list", "order", "--filter", "colour=red", code=2).stderr


def test_a_span_that_ends_before_it_begins_is_wrong_usage(run: Run) -> None:
    ends = ("--filter", "placed_after=2026-03-02", "--filter", "placed_before=2026-03-01")
    assert "2026-03-02 is later than placed_before" in run("order", "list", *ends, code=2).stderr
    assert "subscription" in run("history", "ordr", "A1", code=2).stderr
    assert "subscription" in run("explain", "charge", "ch_1", code=2).stderr


def test_an_id_alone_names_the_only_account_that_has_it(
    run: Run, run_json: RunJson, tmp_path: Path
) -> None:
    """Of several, none is guessed at; a payment is linked by the same rule."""
    file = tmp_path / "events.jsonl"
    of = {
        account: event("charge.succeeded", charge(metadata={}), account=account)
        for account in ("acct_1", "acct_2")
    }
    file.write_text(json.dumps(of["acct_1"]))
    run("import", str(file))
    assert run_json("show", "payment", "pi_1")["payment_id"] == "pi_1@acct_1"
    for verb in ("history", "explain"):
        assert run_json(verb, "payment", "pi_1") == run_json(verb, "payment", "pi_1@acct_1")
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "10.00 gbp")
    run("stock", "receive", "MUG", "9")
    run("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:1")
    run("order", "link", "A1", "pi_1")
    assert run_json("show", "payment", "pi_1")["order_id"] == "A1"
    file.write_text(json.dumps(of["acct_2"]))
    run("import", str(file))
    for words in (["show"], ["history"], ["explain"]):
        assert "pi_1@acct_1, pi_1@acct_2" in run(*words, "payment", "pi_1", code=2).stderr
    assert "pi_1@acct_1, pi_1@acct_2" in run("order", "unlink", "A1", "pi_1", code=2).stderr
