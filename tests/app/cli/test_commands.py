"""order, stock, history: by the same command handler as over HTTP."""

import re
from collections.abc import Callable
from getpass import getuser
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]

PLACE = ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2")


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """Three mugs."""
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "3", "--reason", "delivery note"),
    )


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
        (("--currency", "gbp", "--line", "MUG:1", "--line", "MUG:1"), 2, "stands in two lines"),
        (("--currency", "gbp", "--line", "MUG:51"), 2, "50"),
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
    assert "from 1 to 50" in run(*wholesale, code=2).stderr
    monkeypatch.setenv("LEDGER_MAX_UNITS_PER_LINE", "60")
    assert "is listed for 12.50 GBP, not for 9.00 GBP" in run(*wholesale, code=1).stderr
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
    assert "in the lines 1, 2" in run(*back, "--line", "MUG:1", code=2).stderr
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("order", "place", "--currency", "xyz", "--line", "MUG:1"),
        ("order", "place", "--currency", "gbp", "--line", "MUG:0"),
        ("order", "place", "--currency", "gbp", "--line", "MUG:1", "--email", "a\tb"),
        ("order", "refund", "A1", "lots"),
        ("order", "link", "A1", "not an id"),
        ("stock", "receive", "a b", "1"),
        ("stock", "receive", "MUG", "9999999999"),
        ("stock", "adjust", "MUG", "--change", "0", "--reason", "a recount"),
        ("stock", "define", "MUG", "--name", "", "--price", "1 gbp"),
        ("wishlist", "add", "", "MUG"),
        ("issues", "resolve", "paid_twice:A1", "--reason", ""),
        ("token", "issue", "customer", "--name", "Ann"),
    ],
    ids=" ".join,
)
def test_a_value_that_cannot_be_is_wrong_usage_in_plain_words(
    run: Run, run_json: RunJson, arguments: tuple[str, ...]
) -> None:
    """Whoever finds it, the terminal or the domain; the state of things has no part in it."""
    told = run(*arguments, code=2).stderr
    assert not re.search(r"Input should|type=|Traceback|\bNone\b|Struct", told)
    assert "." in told
    assert run_json(*arguments, code=2).keys() == {"error", "detail"}


def test_an_amount_that_is_none_is_refused(run: Run) -> None:
    result = run("stock", "define", "CUP", "--name", "Cup", "--price", "12,50", code=2)
    assert "write an amount as" in result.stderr


def test_history_shows_every_event_of_an_object_in_order(run: Run, run_list: RunJson) -> None:
    run(*PLACE)
    run("order", "cancel", "A1", "--reason", "changed her mind")
    lines = run_list("history", "order", "A1")
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)
    kinds = [line["kind"] for line in lines]
    assert (kinds[0], kinds.count("order.canceled")) == ("order.placed", 1)
    shown = run("history", "order", "A1").stdout
    assert all(word in shown for word in ("order.canceled", "changed her mind", getuser()))
    assert {line["kind"] for line in run_list("history", "sku", "MUG")} >= {
        "stock.product_listed",
        "stock.received",
        "stock.reserved",
        "stock.released",
    }


def test_history_of_nothing_exits_1(run: Run) -> None:
    assert "No event of order 'Z9' as of position" in run("history", "order", "Z9", code=1).stderr


def test_history_knows_its_kinds(run: Run) -> None:
    said = run("history", "ordr", "A1", code=2).stderr
    assert "did you mean order? There are " in said
    assert "did you mean refund?" in run("show", "refnd", "A1", code=2).stderr


def test_a_verb_that_had_nothing_to_do_says_so(run: Run, run_json: RunJson) -> None:
    run(*PLACE)
    assert run_json("order", "cancel", "A1")["recorded"][0] == "order.canceled.v1"
    said = run("order", "cancel", "A1").stdout
    assert said.startswith("nothing to record, it stands as before: A1 (position ")
    assert run_json("order", "cancel", "A1")["recorded"] == []


@pytest.mark.parametrize("price", ["20 zzz", "20 xxx"])
def test_a_price_in_no_currency_is_refused(run: Run, price: str) -> None:
    said = run("stock", "define", "CUP", "--name", "Cup", "--price", price, code=2).stderr
    assert f"there is no currency {price[3:]!r}" in " ".join(said.split())


def test_amounts_out_of_range_are_told_as_people_write_them(run: Run) -> None:
    said = run(*PLACE, "--discount", "99900", code=2).stderr
    assert "The discount is 999.00 GBP; it must be from 0.00 GBP to 25.00 GBP." in said


def test_an_empty_id_of_an_order_is_refused(run: Run) -> None:
    run("order", "place", "--id", "", "--currency", "gbp", "--line", "MUG:1", code=2)


def test_a_part_of_an_order_says_its_currency(run: Run) -> None:
    run(*PLACE)
    assert "12.50 GBP" in run("order", "show", "A1").stdout


def test_what_is_not_pending_cannot_expire(run: Run) -> None:
    run(*PLACE)
    run("order", "cancel", "A1")
    assert "only a pending one can expire" in run("order", "expire", "A1", code=1).stderr


def test_a_negative_number_is_told_from_an_option(run: Run) -> None:
    said = run("stock", "receive", "MUG", "-5", code=2).stderr
    assert "A negative number is not taken here" in said
    assert "No such option" not in said


def test_as_of_takes_a_date_and_names_itself(run: Run, run_json: RunJson) -> None:
    run(*PLACE)
    assert run_json("order", "show", "A1", "--as-of", "4")["order_id"] == "A1"
    assert run("order", "show", "A1", "--as-of", "2020-01-31", code=1).stderr.startswith("NotFound")
    said = run("order", "show", "A1", "--as-of", "yesterday", code=2).stderr
    assert "--as-of" in said
    assert "'yesterday' is no position and no time" in said


def test_an_end_of_a_span_that_is_no_time_is_told_by_its_option(run: Run) -> None:
    said = run("order", "list", "--filter", "placed_after=soon", code=2).stderr
    assert "--filter" in said
    assert "placed_after: give a date like 2026-03-01" in said
    assert "%2B" not in said
    assert "query." not in said
