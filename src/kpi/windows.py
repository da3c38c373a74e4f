"""Windows: whole days of the reporting zone, the last 7, 30 or 90 of them or any others."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.period import month
from ledger.errors import InvalidCommand, InvalidWindow

LENGTHS: Final = (7, 30, 90)
MAX_DAYS: Final = 3_660
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)


class Window(NamedTuple):
    """The days from `first` to `last`, both included; they begin and end at midnight."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days there are in it."""
        return (self.last - self.first).days + 1

    @property
    def previous(self) -> Window:
        """As many days, right before."""
        return ending(self.first - timedelta(days=1), self.days)

    def each_day(self) -> list[Window]:
        """A window for each of its days."""
        days = (self.first + timedelta(days=i) for i in range(self.days))
        return [Window(day, day) for day in days]


def ending(last: date, days: int) -> Window:
    """So many days up to a last one."""
    return Window(last - timedelta(days=days - 1), last)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The day of a time, as `ledger.business_day` cuts it."""
    return at.astimezone(zone).date()


def parse(
    today: date,
    *,
    window: str | None = None,
    first: str | None = None,
    last: str | None = None,
    period: str | None = None,
) -> Window:
    """What a caller asks for: the last 7, 30 (where nothing is said) or 90 days, dates, or a month.

    Raises `InvalidWindow` for any other number, for half of a range, and for one that is none.
    """
    if period is not None:
        if (window, first, last) != (None, None, None):
            raise InvalidWindow("Give a period, or a window, or from and to.")
        return _month(period)
    if first is None and last is None:
        return ending(today, _length(window or "30"))
    if window is not None:
        raise InvalidWindow("Give a window, or from and to, not both.")
    chosen = Window(_day("from", first), _day("to", last))
    if chosen.first > chosen.last:
        raise InvalidWindow(f"from ({chosen.first}) is later than to ({chosen.last}).")
    if chosen.days > MAX_DAYS:
        raise InvalidWindow(
            f"from and to are {chosen.days:,} days apart; {MAX_DAYS:,} are allowed."
        )
    return chosen


def _month(period: str) -> Window:
    try:
        asked = month(period)
    except InvalidCommand as error:
        raise InvalidWindow(str(error)) from None
    return Window(asked.first, asked.following.first - timedelta(days=1))


def _length(text: str) -> int:
    lengths = {str(length): length for length in LENGTHS}
    if text not in lengths:
        known = ", ".join(lengths)
        raise InvalidWindow(f"A window has {known} days, not {text[:20]!r}; or give from and to.")
    return lengths[text]


def _day(name: str, text: str | None) -> date:
    if not text:
        raise InvalidWindow.of_field(name, "give both dates, each like 2026-03-29.")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        told = f"{text[:20]!r} is no date; write one like 2026-03-29."
        raise InvalidWindow.of_field(name, told) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        told = f"give a day from {FIRST_DAY} to {LAST_DAY}, like 2026-03-29."
        raise InvalidWindow.of_field(name, told)
    return day
