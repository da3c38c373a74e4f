"""Money: Stripe's decimals, reading and writing, and splits that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.money import (
    MAX_MINOR,
    decimals,
    format_money,
    parse_money,
    parse_prices,
    split,
    step_minor,
    with_code,
)
from ledger.errors import InvalidCommand

# fmt: off
WITHOUT = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
    "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
]
# fmt: on
WITH_THREE = ["bhd", "jod", "kwd", "omr", "tnd"]
WITH_TWO = ["usd", "eur", "gbp", "chf", "ugx", "isk", "huf", "twd"]
CURRENCIES = [*WITHOUT, *WITH_THREE, *WITH_TWO]


@pytest.mark.parametrize(
    ("currency", "expected"),
    [(c, 0) for c in WITHOUT] + [(c, 3) for c in WITH_THREE] + [(c, 2) for c in WITH_TWO],
)
def test_decimals_are_stripes(currency: str, expected: int) -> None:
    assert decimals(currency) == expected


def test_no_point_is_guessed_in_a_currency_that_is_not_known() -> None:
    assert format_money(1250, "xyz") == "1250 XYZ"


@pytest.mark.parametrize(
    ("currency", "expected"), [("usd", 1), ("jpy", 1), ("kwd", 10), ("isk", 100), ("ugx", 100)]
)
def test_the_smallest_charge(currency: str, expected: int) -> None:
    assert step_minor(currency) == expected


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1250, "gbp", "12.50 GBP"),
        (5, "usd", "0.05 USD"),
        (-5, "usd", "-0.05 USD"),
        (0, "eur", "0.00 EUR"),
        (1250, "jpy", "1250 JPY"),
        (-5, "jpy", "-5 JPY"),
        (1250, "kwd", "1.250 KWD"),
        (50000, "ugx", "500.00 UGX"),
        (MAX_MINOR, "usd", "10000000000000.00 USD"),
    ],
)
def test_written_and_read_back(amount_minor: int, currency: str, text: str) -> None:
    assert format_money(amount_minor, currency) == text
    assert parse_money(text) == (amount_minor, currency)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 gbp", (1200, "gbp")),
        ("12.5 GBP", (1250, "gbp")),
        ("  7   jpy ", (7, "jpy")),
        ("1.2 bhd", (1200, "bhd")),
        ("007 usd", (700, "usd")),
        ("53,30 gbp", (5330, "gbp")),
        ("12,5 EUR", (1250, "eur")),
        ("1,250 gbp", (125_000, "gbp")),
        ("1,250,000.50 gbp", (125_000_050, "gbp")),
        ("1,250 JPY", (1250, "jpy")),
        ("1,25 KWD", (1250, "kwd")),
        ("1,250.5 kwd", (1_250_500, "kwd")),
    ],
)
def test_people_may_leave_decimals_out(text: str, expected: tuple[int, str]) -> None:
    assert parse_money(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12.50",
        "gbp",
        "gbp 12.50",
        "0,505 gbp",
        "1234,567 gbp",
        "1,23,456 gbp",
        "1.250,50 eur",
        "1,250 kwd",
        ",50 gbp",
        "12, gbp",
        "1e3 usd",
        "12.505 usd",
        "1.5 jpy",
        "1.234 kwd",
        "5.50 isk",
        "0.01 ugx",
        ". usd",
        "1. usd",
        ".5 usd",
        "--1 usd",
        "+1 usd",
        "١٢ usd",
        "² usd",
        "1_000 usd",
        "nan usd",
        "10000000000000.01 usd",
        "9" * 5000 + " usd",
        "1 u5d",
        "1 üsd",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidCommand):
        parse_money(text)


@given(st.integers(-(10**9), 10**9), st.sampled_from(CURRENCIES))
def test_reading_undoes_writing(steps: int, currency: str) -> None:
    """Every amount that can be charged survives being written and read."""
    amount_minor = steps * step_minor(currency)
    assert parse_money(format_money(amount_minor, currency)) == (amount_minor, currency)


@pytest.mark.parametrize(
    ("amount_minor", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (5, [2, 3], [2, 3]),
        (1, [1, 1], [1, 0]),
        (10, [0, 1], [0, 10]),
        (7, [5, 3, 2], [4, 2, 1]),
        (0, [1, 2], [0, 0]),
    ],
)
def test_split(amount_minor: int, weights: list[int], parts: list[int]) -> None:
    assert split(amount_minor, weights) == parts


@given(
    st.integers(-MAX_MINOR, MAX_MINOR),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any),
)
def test_a_split_loses_nothing_and_is_fair(amount_minor: int, weights: list[int]) -> None:
    """The parts add up to the whole, and none is a minor unit or more away from its share."""
    parts = split(amount_minor, weights)
    assert sum(parts) == amount_minor
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - amount_minor * weight) < sum(weights)


def test_a_currency_has_one_price() -> None:
    assert parse_prices(["12.50 gbp", "2000 jpy"]) == {"gbp": 1250, "jpy": 2000}
    with pytest.raises(InvalidCommand, match="two prices in usd"):
        parse_prices(["5 usd", "6 USD"])


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("fees gbp", "gbp", "fees GBP"),
        ("gbp before the first order", "gbp", "GBP before the first order"),
        ("order-gbp-1", "gbp", "order-gbp-1"),
        ("fees gbp", "eur", "fees gbp"),
        ("fees gbp", None, "fees gbp"),
    ],
)
def test_a_code_in_a_text_is_written_in_capitals(
    text: str, currency: str | None, expected: str
) -> None:
    assert with_code(text, currency) == expected
