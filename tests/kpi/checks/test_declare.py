"""The files of checks: complete heads, true words, bounded names."""

import re

import pytest

from kpi.checks.declare import Check, catalogue, parse
from projections.engine.registry import discover
from tests.kpi.books import CHECKS

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
