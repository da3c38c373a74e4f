"""What a price comes to in a month, worked out by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.mrr import Price, Tier, monthly, periods_a_month

TO_10, TO_20, ABOVE = (
    Tier(10, Decimal(100)),
    Tier(20, Decimal(80), Decimal(500)),
    Tier(None, Decimal(50)),
)
TIERS = (TO_10, TO_20, ABOVE)
SEATS = Price(interval="month", unit=Decimal(1000))
VOLUME = Price(interval="month", tiers=TIERS)
GRADUATED = Price(interval="month", tiers=TIERS, graduated=True)
BY_FIVES = Price(interval="month", unit=Decimal(1000), divide_by=5)
BY_FIVES_UP = Price(interval="month", unit=Decimal(1000), divide_by=5, round_up=True)


def every(interval: str, count: int = 1) -> Price:
    return Price(interval=interval, interval_count=count, unit=Decimal(1200))


@pytest.mark.parametrize(
    ("price", "quantity", "minor"),
    [
        pytest.param(SEATS, 1, 1000, id="a month"),
        pytest.param(SEATS, 3, 3000, id="times the quantity"),
        pytest.param(SEATS, 0, 0, id="none of it"),
        pytest.param(every("year"), 1, 100, id="a year: 1200 / 12"),
        pytest.param(every("week"), 1, 5200, id="a week: 1200 × 52 / 12"),
        pytest.param(every("day"), 1, 36500, id="a day: 1200 × 365 / 12"),
        pytest.param(every("month", 3), 2, 800, id="a quarter: 2 × 1200 / 3"),
        pytest.param(every("year", 2), 1, 50, id="two years: 1200 / 24"),
        pytest.param(every("week", 2), 1, 2600, id="two weeks: 1200 × 26 / 12"),
        pytest.param(
            Price(interval="month", unit=Decimal("0.5")), 3, Fraction(3, 2), id="half a penny"
        ),
        pytest.param(
            Price(interval="month", unit=Decimal(1000), metered=True), 9, 0, id="metered: nothing"
        ),
        pytest.param(BY_FIVES, 12, 2000, id="sold by fives, the rest not: 2 × 1000"),
        pytest.param(BY_FIVES_UP, 12, 3000, id="sold by fives, the rest too: 3 × 1000"),
        pytest.param(BY_FIVES_UP, 10, 2000, id="sold by fives, no rest"),
        pytest.param(VOLUME, 10, 1000, id="volume: 10 × 100"),
        pytest.param(VOLUME, 11, 1380, id="volume: 11 × 80 + 500"),
        pytest.param(VOLUME, 21, 1050, id="volume: 21 × 50"),
        pytest.param(GRADUATED, 10, 1000, id="graduated: 10 × 100"),
        pytest.param(GRADUATED, 11, 1580, id="graduated: 10 × 100 + 1 × 80 + 500"),
        pytest.param(GRADUATED, 25, 2550, id="graduated: 1000 + 10 × 80 + 500 + 5 × 50"),
        pytest.param(
            Price(interval="month", tiers=(Tier(5, flat=Decimal(900)),), graduated=True),
            0,
            900,
            id="graduated: the first flat amount is due for nothing at all",
        ),
    ],
)
def test_a_price_by_the_month(price: Price, quantity: int, minor: int | Fraction) -> None:
    assert monthly(price, quantity) == minor


@pytest.mark.parametrize(
    ("price", "quantity"),
    [
        pytest.param(Price(interval="month"), 7, id="tiers that the report leaves out"),
        pytest.param(Price(interval="month"), 0, id="also for none of it: tiers may be flat"),
        pytest.param(every("fortnight"), 1, id="an interval that Stripe did not have before"),
        pytest.param(
            Price(interval="month", tiers=(TO_10, TO_20), graduated=True), 21, id="beyond the tiers"
        ),
        pytest.param(
            Price(interval="month", tiers=(TO_10, TO_20)), 21, id="beyond them, by volume"
        ),
    ],
)
def test_what_is_not_known_is_not_nothing(price: Price, quantity: int) -> None:
    assert monthly(price, quantity) is None


def test_what_is_metered_counts_nothing_whatever_else_is_known() -> None:
    assert monthly(Price(interval="fortnight", metered=True), 9) == 0


@given(st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 36), st.integers(0, 999))
def test_a_year_of_it_is_twelve_months_of_it(interval: str, count: int, quantity: int) -> None:
    """Of 365 days or 52 weeks, exactly: no rounding on the way."""
    price = every(interval, count)
    periods_a_year = Fraction({"day": 365, "week": 52, "month": 12, "year": 1}[interval], count)
    assert periods_a_month(price) == periods_a_year / 12
    assert monthly(price, quantity) == 1200 * quantity * periods_a_year / 12


@given(st.integers(0, 40))
def test_graduated_tiers_cost_what_each_further_unit_adds(quantity: int) -> None:
    """100 each to 10, 80 each to 20 and 500 once, 50 each above."""
    added = [100] * 10 + [580] + [80] * 9 + [50] * 20
    assert monthly(GRADUATED, quantity) == sum(added[:quantity])
