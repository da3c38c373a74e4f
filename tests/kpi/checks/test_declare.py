"""The files of checks: complete heads, true words, bounded names."""

import re
from datetime import timedelta

import pytest

from app.cli.docs.checks import page
from kpi.checks.ask import Limits
from kpi.checks.declare import Check, catalogue, parse
from projections.engine.registry import discover
from tests.kpi.builder import CHECKS

GOOD = """-- Which orders are odd?
-- severity: low
-- reference: order_id
-- reads: orders
-- sentence: Order {order_id} is odd: {total_minor}.
select order_id, currency, total_minor
from orders
"""
EACH = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)


def test_a_file_is_a_check() -> None:
    check = parse("odd_orders", GOOD)
    assert (check.question, check.severity, check.kind) == ("Which orders are odd?", "low", "order")
    assert check.columns == {"order_id", "currency", "total_minor"}


@pytest.mark.parametrize(
    "spoilt",
    [
        GOOD.replace("-- severity: low\n", ""),
        GOOD.replace("low", "awful"),
        GOOD.partition("\n")[2],
        GOOD.replace("-- reads", "-- reeds"),
    ],
)
def test_a_head_that_is_not_complete_is_no_check(spoilt: str) -> None:
    with pytest.raises(AssertionError):
        parse("odd_orders", spoilt)


WAITING = GOOD.replace("-- sentence", "-- waits: 1 hour, pending_payment\n-- sentence") + (
    "where made_at < %(now)s - %(waits)s and waiting_at < %(now)s - %(pending_payment)s"
)


def test_a_check_says_how_long_it_waits() -> None:
    check = parse("odd_orders", WAITING)
    assert (check.waits, check.limits) == (timedelta(hours=1), ("pending_payment",))
    assert Limits(pending_payment=timedelta(days=2)).told(check) == "1 hour, 2 days"
    assert Limits().told(parse("odd_orders", GOOD)) == ""


@pytest.mark.parametrize(
    "spoilt",
    [
        WAITING.replace("1 hour, ", ""),
        WAITING.replace(", pending_payment", ""),
        WAITING.replace("%(waits)s", "interval '1 hour'"),
        WAITING.replace("- %(waits)s", ""),
        WAITING.replace("1 hour, ", "1 hour, 2 hours, "),
        WAITING.replace("1 hour, ", "a while, "),
        GOOD + "where made_at < %(now)s - interval '1 hour'",
    ],
)
def test_a_wait_that_the_head_does_not_say_is_no_check(spoilt: str) -> None:
    with pytest.raises(AssertionError):
        parse("odd_orders", spoilt)


@EACH
def test_a_wait_is_a_time_that_there_is(check: Check) -> None:
    assert {*check.limits} <= {*Limits._fields}


def test_the_page_says_how_long_a_check_waits() -> None:
    shown = page([parse("odd_orders", WAITING), parse("plain", GOOD)])
    assert "Waits 1 hour, 21 days before it names one (`LEDGER_PENDING_PAYMENT_DAYS`)." in shown
    assert shown.count("Waits") == 1


@pytest.mark.parametrize("name", ["Odd", "odd-orders", "o" * 31, ""])
def test_a_name_fits_into_a_streams(name: str) -> None:
    with pytest.raises(AssertionError):
        parse(name, GOOD)


@EACH
def test_a_question_is_one(check: Check) -> None:
    assert check.question.startswith("Which ")
    assert check.question.endswith("?")
    assert check.sentence.endswith(".")
    assert f"{{{check.reference}}}" in check.sentence


@EACH
def test_a_check_names_the_read_models_that_it_asks(check: Check) -> None:
    """Otherwise it would trust one that stopped; every check rests on `issues`, too."""
    owner = {table.name: p.name for p in discover() for table in p.tables}
    owner |= {"stock_levels": "stock"}
    asked = set(re.findall(r"\b(?:from|join) (\w+)", check.sql)) & owner.keys()
    assert {owner[table] for table in asked} | {"issues"} == {*check.reads, "issues"}


@EACH
def test_sql_is_written_as_all_of_ours(check: Check) -> None:
    code = re.sub(r"--.*|'[^']*'", "", check.sql)
    assert code == code.lower()
    assert "select *" not in code


def test_the_worst_come_first() -> None:
    order = ["high", "medium", "low"]
    found = [order.index(check.severity) for check in catalogue()]
    assert found == sorted(found)
