"""list and show: every read model that has a list, in the terminal."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.postgres.database import Database
from projections.engine.registry import discover
from tests.app.cli.conftest import Run
from tests.webhooks.examples import charge, event

RunJson = Callable[..., Any]
LISTINGS = [p for p in discover() if p.listing]


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """Two orders, one of them canceled."""
    place = ("order", "place", "--currency", "gbp", "--line", "MUG:2", "--id")
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "9"),
        (*place, "A1"),
        (*place, "A2"),
        ("order", "cancel", "A2"),
    )


@pytest.mark.usefixtures("empty")
def test_every_list_says_why_it_is_empty_and_what_is_not_there_up_to_where(
    run: Run, run_json: RunJson
) -> None:
    """What would fill it is a verb, a call, a setting or Stripe: something that one can do."""
    for projection in LISTINGS:
        listing = projection.listing
        assert listing
        kind, said = listing.link or projection.name, listing.filled_by
        assert re.search(r"`ledger [a-z -]+`|No event came twice", said), projection.name
        empty = f"No {listing.nouns} yet, as of position 0. {said}"
        assert " ".join(run("list", kind).stdout.split()) == empty
        nothing = {"items": [], "as_of_position": 0, "empty": empty}
        for name in {kind, projection.name}:
            assert run_json("list", name) == nothing
        not_there = f"No {listing.noun} 'nothing' as of position 0.\n"
        assert run("show", kind, "nothing", code=1).stderr == f"NotFound: {not_there}"


def test_every_answer_says_up_to_which_position_it_goes(run: Run, run_json: RunJson) -> None:
    """The same number, under the same name, whatever is looked at; to people in the same words."""
    head = run_json("status")["head"]
    for verb in (
        ("order", "list"),
        ("order", "show", "A1"),
        ("list", "sku"),
        ("show", "sku", "MUG"),
        ("history", "order", "A1"),
        ("explain", "order", "A1"),
        ("audit",),
        ("token", "list"),
        ("issues", "list"),
        ("wishlist", "show", "ann"),
        ("refund", "list"),
        ("refund", "carry-out", "--dry-run"),
        ("kpi", "show"),
    ):
        assert run_json(*verb)["as_of_position"] == head, verb
        assert f"as of position {head}" in run(*verb).stdout, verb
    for verb in (("order", "show", "A1"), ("explain", "order", "A1")):
        assert run_json(*verb, "--as-of", "4")["as_of_position"] == 4
        assert "as of position 4" in run(*verb, "--as-of", "4").stdout
    for verb in (("order", "show", "A2"), ("explain", "order", "A2")):
        told = run(*verb, "--as-of", "4", code=1).stderr
        assert told == "NotFound: No order 'A2' as of position 4.\n"


def test_a_list_that_was_cut_says_so(run: Run) -> None:
    assert run("order", "list", "--limit", "1").stdout.endswith("; there are more: --limit\n")
    assert "there are more" not in run("order", "list", "--limit", "2").stdout


def test_an_explanation_of_the_past_has_the_values_of_then(run_json: RunJson) -> None:
    then = run_json("explain", "order", "A2", "--as-of", "6")["fields"]["state"]
    now = run_json("explain", "order", "A2")["fields"]["state"]
    assert (then["value"], now["value"]) == ("pending", "canceled")
    assert [change["kind"] for change in then["changes"]] == ["order.placed"]


def test_orders_are_listed_with_their_amounts(run: Run, run_list: RunJson) -> None:
    text = run("order", "list").stdout
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["A2", "A1"]
    assert "25.00 GBP" in text
    (only,) = run_list("order", "list", "--filter", "state=canceled")
    assert only["order_id"] == "A2"
    nothing = run("list", "order", "--filter", "state=paid").stdout
    assert nothing == "No orders with state=paid, as of position 8.\n"


def test_an_order_is_shown_with_its_lines_now_and_then(
    run: Run, run_json: RunJson, run_list: RunJson
) -> None:
    assert run_json("order", "show", "A2")["state"] == "canceled"
    (placed, *_) = run_list("history", "order", "A2")
    assert run_json("order", "show", "A2", "--as-of", str(placed["position"]))["state"] == "pending"
    text = run("order", "show", "A1").stdout
    assert "Blue mug" in text
    assert "outstanding" in text
    assert "gbp" not in text, "codes of currencies are written in one way"


def test_products_are_listed_and_shown(run: Run, run_json: RunJson, run_list: RunJson) -> None:
    assert run_list("stock", "list")[0]["sku"] == "MUG"
    listed = run("stock", "list").stdout.split("\n")
    columns = ["sku", "name", "on", "hand", "committed", "reserved", "available", "preorder"]
    assert listed[0].split() == columns
    assert "Blue mug" in listed[2]
    assert run_json("stock", "show", "MUG") == run_json("show", "sku", "MUG")
    assert "12.50 GBP" in run("stock", "show", "MUG").stdout


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
    run("order", "link", "A1", "pi_1")
    assert run_json("show", "payment", "pi_1")["order_id"] == "A1"
    file.write_text(json.dumps(of["acct_2"]))
    run("import", str(file))
    for words in (["show"], ["history"], ["explain"]):
        assert "pi_1@acct_1, pi_1@acct_2" in run(*words, "payment", "pi_1", code=2).stderr
    assert "pi_1@acct_1, pi_1@acct_2" in run("order", "unlink", "A1", "pi_1", code=2).stderr
