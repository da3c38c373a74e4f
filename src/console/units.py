"""The units of a chart: how its values are written, and the round numbers along its axis."""

from __future__ import annotations

from itertools import count
from typing import Final, NamedTuple

from ledger.domain.money import decimals

MOST_TICKS: Final = 5


class Unit(NamedTuple):
    """How whole numbers are written: so many of their digits behind the point, then a sign.

    A chart counts in whole numbers: money in minor units, per cent in hundredths.
    """

    digits: int = 0
    sign: str = ""

    @property
    def one(self) -> int:
        """The whole number that is written as 1."""
        return 10**self.digits

    def number(self, value: int, *, whole: bool = False) -> str:
        """A value without its sign, or with nothing behind the point where it is `whole`."""
        units, rest = divmod(abs(value), self.one)
        fraction = "" if whole or not self.digits else f".{rest:0{self.digits}d}"
        return f"{'−' if value < 0 else ''}{units:,}{fraction}"

    def write(self, value: int | None) -> str:
        """A value for people, `1,250.00 GBP`; a dash for none."""
        return "–" if value is None else f"{self.number(value)} {self.sign}".rstrip()


PERCENT: Final = Unit(2, "%")


def unit_of(name: str, currency: str | None) -> Unit:
    """The unit of a figure of the contract."""
    match name:
        case "money":
            assert currency is not None, "money has a currency"
            return Unit(decimals(currency), currency.upper())
        case "percent":
            return PERCENT
        case _:
            return Unit()


def whole(value: float | None, unit: Unit) -> int | None:
    """A figure as the API tells it, as a chart counts it: only per cent are no whole numbers."""
    if value is None:
        return None
    if unit is PERCENT:
        return round(value * unit.one)
    assert isinstance(value, int), "money and counts are whole"
    return value


def ticks(low: int, high: int, one: int = 1) -> range:
    """The round numbers of an axis, few of them, that begin below all values and end above.

    They lie 1, 2 or 5 times a power of ten apart, and 0 is one of them. Where every value is 0
    the axis goes up to `one`.
    """
    low, high = min(low, 0), max(high, 0)
    high = high if high > low else one
    for step in (factor * 10**power for power in count() for factor in (1, 2, 5)):
        first, last = low // step, -(-high // step)
        if last - first <= MOST_TICKS:
            return range(first * step, last * step + 1, step)
    raise AssertionError("steps grow without end")
