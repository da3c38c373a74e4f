"""Rules that link payments: how they are written, and which order a payment names by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.limits import MAX_TEXT, is_id
from ledger.domain.link_rule import LinkRule, parse_rule
from ledger.errors import InvalidCommand

ids = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}[A-Za-z0-9_-]", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(ids, words, words)
def test_a_pattern_finds_the_id_wherever_it_stands(name: str, before: str, after: str) -> None:
    rule = LinkRule("description", "Order {order}")
    assert rule.names(f"Order {name}") == (name,)
    assert name in rule.names(f"{before} Order {name} {after}")


@given(st.text(max_size=MAX_TEXT), words.filter(lambda word: "{order}" not in word))
def test_whatever_a_description_says_only_ids_are_named(line: str, word: str) -> None:
    for pattern in (f"{word}{{order}}", f"{{order}}{word}", f"{word}{{order}}{word}", "{order}"):
        assert all(is_id(name) for name in LinkRule("description", pattern).names(line))


@pytest.mark.parametrize(
    ("pattern", "line", "named"),
    [
        ("Order {order}", "Order 1001", "1001"),
        ("Order {order}", "Mugs & Tea – Order 1001 for Ada", "1001"),
        ("Order {order}", "It is for Order 1001.", "1001"),
        ("Order {order}", "Order #1001", None),
        ("Order #{order}", "Order #1001", "1001"),
        ("Order {order}", "MyOrder 1001", None),
        ("Order {order}", "order 1001", None),
        ("Order {order}", "Orders 1001", None),
        ("({order})", "A mug (1001)", "1001"),
        ("{order}-web", "1001-web", "1001"),
        ("{order} from", "1001 from York", "1001"),
        ("{order} from", "No 1001 from York", None),
        ("{order}", "1001", "1001"),
        ("{order}", "1001 mugs", None),
        ("Order {order}", "Order 1001, once more: Order 1001", "1001"),
        ("Order {order}", f"Order {'1' * 101}", None),
    ],
)
def test_a_pattern_by_example(pattern: str, line: str, named: str | None) -> None:
    assert LinkRule("description", pattern).names(line) == (() if named is None else (named,))


def test_a_description_of_two_orders_names_both() -> None:
    assert parse_rule("description:Order {order}").names("Order 1, Order 2") == ("1", "2")


@pytest.mark.parametrize(("said", "named"), [("1001", ("1001",)), (" #1001 ", ("1001",)), ("", ())])
def test_metadata_name_an_order_as_people_write_it(said: str, named: tuple[str, ...]) -> None:
    assert parse_rule("metadata:order").names(said) == named


@pytest.mark.parametrize(
    "text", ["metadata:order id", "description:Order #{order} of:", "email-and-amount"]
)
def test_a_rule_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_rule(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "metadata",
        "metadata:",
        f"metadata:{'k' * 41}",
        "description:",
        "description:Order",
        "description:{order}{order}",
        f"description:{'x' * 100}{{order}}",
        "email-and-amount:now",
        "regex:.*",
        "metadata:a\0b",
    ],
)
def test_a_rule_that_says_nothing_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(InvalidCommand, match="rule"):
        parse_rule(text)
