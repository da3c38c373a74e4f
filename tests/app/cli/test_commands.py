"""order, stock, history: through the same desk as over HTTP."""

from collections.abc import Callable
from getpass import getuser
from typing import Any

import pytest

from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]

PLACE = ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2")


@pytest.fixture(autouse=True)
def mugs(run: Run) -> None:
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("stock", "receive", "MUG", "3", "--reason", "delivery note")


def test_an_order_has_the_listed_prices_and_reserves_stock(run: Run) -> None:
    assert run(*PLACE).stdout == "placed: A1 (position 4)\n"
    assert "not enough stock" in run(*PLACE[:3], "A2", *PLACE[4:], code=1).stderr.lower()


def test_an_order_without_an_id_gets_one(run_json: RunJson) -> None:
    document = run_json("order", "place", "--currency", "GBP", "--line", "MUG:1")
    assert len(document["id"]) == 32
    assert document["position"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--currency", "usd", "--line", "MUG:1"), 1, "no price in usd"),
        (("--currency", "gbp", "--line", "CUP:1"), 1, "'CUP' is listed"),
        (("--currency", "gbp", "--line", "MUG"), 2, "must be SKU:UNITS"),
        (("--currency", "gbp", "--line", "MUG:1", "--line", "MUG:1"), 1, "stands in two lines"),
        (("--currency", "gbp", "--line", "MUG:51"), 1, "50"),
        (("--currency", "gbp"), 2, "--line"),
    ],
)
def test_what_cannot_be_placed_says_why(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert words in run("order", "place", *arguments, code=code).stderr


def test_a_line_has_another_price_and_more_units_where_the_settings_allow_it(
    run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    wholesale = (*PLACE[:-1], "MUG:60:900")
    run("stock", "receive", "MUG", "60")
    assert "from 1 to 50" in run(*wholesale, code=1).stderr
    monkeypatch.setenv("LEDGER_MAX_UNITS_PER_LINE", "60")
    assert "is listed for 1250" in run(*wholesale, code=1).stderr
    monkeypatch.setenv("LEDGER_LISTED_PRICES_ONLY", "false")
    run(*wholesale)
    order = run_json("order", "show", "A1")
    assert order["total_minor"] == 54_000
    for wrong in ("MUG:1:x", "MUG:1:2:3", "MUG:1:-2", ":1"):
        assert "SKU:UNITS:PRICE" in run(*PLACE[:-1], wrong, code=2).stderr


def test_lines_of_one_sku_are_placed_shown_and_returned_by_their_ids(
    run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_REPEATED_SKUS", "true")
    monkeypatch.setenv("LEDGER_LISTED_PRICES_ONLY", "false")
    run(*PLACE, "--line", "MUG:1:0")
    run("order", "cancel", "A1")
    run(*PLACE[:3], "A2", *PLACE[4:-1], "MUG:1:0", "--line", "MUG:2:0")
    run("order", "fulfil", "A2")
    back = ("order", "return", "A2", "--reason", "chipped")
    assert "in the lines 1, 2" in run(*back, "--line", "MUG:1", code=1).stderr
    assert "must be LINE:UNITS" in run(*back, "--line-id", "2", code=2).stderr
    run(*back, "--line-id", "2:1")
    lines = run_json("order", "show", "A2")["lines"]
    assert [(line["line_id"], line["quantity"], line["returned"]) for line in lines] == [
        ("1", 1, 0),
        ("2", 2, 1),
    ]


def test_cancel_gives_the_stock_back_and_is_idempotent(run: Run) -> None:
    run(*PLACE)
    run("order", "cancel", "A1", "--reason", "changed her mind")
    run("order", "cancel", "A1")
    run(*PLACE[:3], "A2", *PLACE[4:])


def test_expire_ends_a_reservation(run: Run) -> None:
    run(*PLACE)
    assert run("order", "expire", "A1").stdout.startswith("expired: A1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fulfil", "A1"),
        ("refund", "A1", "5.00 gbp"),
        ("return", "A1", "--line", "MUG:1", "--reason", "too small"),
    ],
)
def test_what_the_state_does_not_allow_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    run(*PLACE)
    assert "A1" in run("order", *arguments, code=1).stderr


def test_a_payment_can_be_linked(run: Run) -> None:
    run(*PLACE)
    assert "link it as expected" in run("order", "link", "A1", "pi_3Q", code=1).stderr
    linked = run("order", "link", "A1", "pi_3Q", "--expected")
    assert linked.stdout.startswith("linked: A1")


def test_a_count_is_corrected_with_a_reason(run: Run) -> None:
    run("stock", "adjust", "MUG", "--change", "-1", "--reason", "broken")
    assert "--reason" in run("stock", "adjust", "MUG", "--change", "-1", code=2).stderr
    too_many = run("stock", "adjust", "MUG", "--change", "-9", "--reason", "broken", code=1)
    assert "available" in too_many.stderr


def test_an_amount_that_is_none_is_refused(run: Run) -> None:
    result = run("stock", "define", "CUP", "--name", "Cup", "--price", "12,50", code=1)
    assert "write an amount as" in result.stderr


def test_history_shows_every_event_of_an_object_in_order(run: Run, run_json: RunJson) -> None:
    run(*PLACE)
    run("order", "cancel", "A1", "--reason", "changed her mind")
    lines = run_json("history", "order", "A1")
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)
    kinds = [line["kind"] for line in lines]
    assert (kinds[0], kinds.count("order.canceled")) == ("order.placed", 1)
    shown = run("history", "order", "A1").stdout
    assert all(word in shown for word in ("order.canceled", "changed her mind", getuser()))
    assert {line["kind"] for line in run_json("history", "sku", "MUG")} >= {
        "stock.product_listed",
        "stock.received",
        "stock.reserved",
        "stock.released",
    }


def test_history_of_nothing_exits_1(run: Run) -> None:
    assert "No event names the order 'Z9'" in run("history", "order", "Z9", code=1).stderr


def test_history_knows_its_kinds(run: Run) -> None:
    assert "is none of" in run("history", "ordr", "A1", code=2).stderr
