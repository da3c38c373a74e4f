"""The demo shop's seasons: how many orders there are on each of the ninety days before today."""

from datetime import UTC, datetime
from random import Random
from typing import Final

from simulator.goods import DAY

DAYS: Final = 90
SALE: Final = (9, 10, 12, 13, 14, 15)
"""Orders of each day of the sale, which began six days ago and is on today."""
SALE_PERCENT: Final = 15

_TENTHS_AT_FIRST: Final = 22
_WEEKDAYS_PERCENT: Final = (95, 80, 80, 90, 110, 135, 125)
"""Monday to Sunday, beside an average day."""
_QUIET_PERCENT: Final = 6


def midnight(now: int, days_ago: int) -> int:
    """When a day began, in seconds since 1970 (UTC); today's is that of no days ago."""
    return (now // DAY - days_ago) * DAY


def in_sale(days_ago: int) -> bool:
    """Whether a day was one of the sale's."""
    return days_ago <= len(SALE)


def orders_on(now: int, days_ago: int, random: Random) -> int:
    """How many orders a day brought: slowly more, most at the week's end, hardly any at times."""
    if in_sale(days_ago):
        return SALE[-days_ago]
    if random.randrange(100) < _QUIET_PERCENT:
        return random.randrange(2)
    weekday = datetime.fromtimestamp(midnight(now, days_ago), UTC).weekday()
    grown = _TENTHS_AT_FIRST * (2 * DAYS - days_ago) // DAYS
    return _rounded(grown * _WEEKDAYS_PERCENT[weekday] // 100, random)


def _rounded(tenths: int, random: Random) -> int:
    """A whole number that is right on average."""
    whole, rest = divmod(tenths, 10)
    return whole + (random.randrange(10) < rest)
