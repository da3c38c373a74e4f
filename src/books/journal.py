"""Journals: the entries of whole months, which lead from one trial balance to another.

What postings of these days do not explain is `late`: amounts of closed months that were learnt of
after their close, which the trial balance counts in the first open month, or (where these months
are closed themselves) amounts that came since, which it does not have. Opening, entries and late
always add up to closing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

from books.months import trials
from books.trial import Balance, DictCursor, Trial
from ledger.domain.period import Month
from ledger.errors import InvalidWindow

Sums = dict[tuple[str, str], int]
"""Minor units by account and currency; above nothing is a debit."""

MOVED: Final = """
select account, currency, sum(debit_minor - credit_minor)::bigint as minor
from account_days
where day >= %(first)s and day < %(until)s
    and (%(currency)s::text is null or currency = %(currency)s)
group by account, currency
"""


class Frame(NamedTuple):
    """What stands around the entries of whole months, as the tables stand."""

    trials: list[Trial]
    """A month each, in their order."""
    opening: Sums
    closing: Sums
    moved: Sums
    """What postings of these days come to; 0 where they cancel out."""

    @property
    def late(self) -> Sums:
        """What entries of these days do not explain; by currency it sums up to 0."""
        accounts = {*self.opening, *self.closing, *self.moved}
        rests = {
            key: self.closing.get(key, 0) - self.opening.get(key, 0) - self.moved.get(key, 0)
            for key in sorted(accounts)
        }
        return {key: rest for key, rest in rests.items() if rest}

    @property
    def months(self) -> str:
        """Such as `2026-09`, or `2026-07 to 2026-09`."""
        first, last = self.trials[0].period, self.trials[-1].period
        return first if first == last else f"{first} to {last}"


def months_between(first: date, last: date) -> Iterator[Month]:
    """The months of which these are the first and the last day; raises InvalidWindow for others."""
    month, end = Month(first.year, first.month), last + timedelta(days=1)
    if first != month.first or end.day != 1:
        raise InvalidWindow(
            f"Books are kept by month, and {first} to {last} are no whole months: ask for a period"
            f" such as {month}, or for the first day of one month to the last of another."
        )
    while month.first < end:
        yield month
        month = month.following


def frame(cursor: DictCursor, first: date, last: date, currency: str | None = None) -> Frame:
    """The trial balances of whole months; raises InvalidWindow for others.

    Months before the books and months of them are never one frame.
    """
    months = list(months_between(first, last))
    made = trials(cursor, months[0], months[-1], currency)
    begins = made[0].begins
    if begins is not None and made[0].period < begins <= made[-1].period:
        raise InvalidWindow(
            f"The books begin with {begins}: ask for months from there on, or for months before."
        )
    days = {"first": first, "until": months[-1].following.first, "currency": currency}
    moved = cursor.execute(MOVED, days).fetchall()
    return Frame(
        made,
        {_key(each): each.opening_minor for each in made[0].balances if each.opening_minor},
        {_key(each): each.closing_minor for each in made[-1].balances if each.closing_minor},
        {(row["account"], row["currency"]): row["minor"] for row in moved},
    )


def _key(balance: Balance) -> tuple[str, str]:
    return balance.account, balance.currency
