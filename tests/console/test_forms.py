"""What people write in forms reaches the API as whole numbers, or is refused with a reason."""

import pytest

from console.api import Problem
from console.forms import minor_units, number, prices


@pytest.mark.parametrize(
    ("text", "read"),
    [("3", 3), (" 12 ", 12), ("-4", -4), ("", ""), ("x", "x"), ("1.5", "1.5"), ("²", "²")],
)
def test_a_number_is_read_and_anything_else_left_for_the_api_to_refuse(
    text: str, read: int | str
) -> None:
    assert number(text) == read


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("53,30", "gbp", 5330), ("12.5", "gbp", 1250), ("200", "jpy", 200), ("1", "kwd", 1000)],
)
def test_an_amount_is_read_in_minor_units(text: str, currency: str, minor: int) -> None:
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize("text", ["", "a lot", "1.234", "1 usd"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        minor_units(text, "gbp")
    assert refused.value.status == 422


def test_prices_are_read_by_currency() -> None:
    assert prices("12.50 GBP, 2000 jpy,") == {"gbp": 1250, "jpy": 2000}
    assert prices("12,50 GBP ,2 EUR") == {"gbp": 1250, "eur": 200}
