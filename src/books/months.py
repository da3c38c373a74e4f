"""Trial balances over several months: from what the first begins with to what the last comes to."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from books.trial import Balance, Trial, trial
from ledger.domain.period import Month, month
from ledger.errors import InvalidCommand
from projections.engine.replay import DictCursor

MOST: Final = 120
"""So many months at most are one range."""


def over(
    cursor: DictCursor,
    period: str,
    to: str | None = None,
    currency: str | None = None,
    *,
    at: datetime | None = None,
) -> Trial:
    """The trial balance of a month, or of all from there `to` another, as `trial` makes them.

    Opening is that of the first month, closing that of the last; debits and credits are of all.
    Raises InvalidCommand for what is no month, and for months that are no one range.
    """
    first, last = month(period), month(to or period)
    if first == last:
        return trial(cursor, period, currency, at=at)
    several = 12 * (last.year - first.year) + last.number - first.number + 1
    if not 1 < several <= MOST:
        raise InvalidCommand.of_field("to", f"give a month after {period}, {MOST} in all at most.")
    made = trials(cursor, first, last, currency, at=at)
    if made[0].state == "before" and made[-1].state != "before":
        told = "the books begin in between: ask for months before that, or from there on."
        raise InvalidCommand.of_field("to", told)
    states = {each.state for each in made}
    return made[0]._replace(
        to_period=to,
        state=made[0].state if len(states) == 1 else "open",
        version=None,
        position=None,
        balances=_together(made),
    )


def trials(
    cursor: DictCursor,
    first: Month,
    last: Month,
    currency: str | None = None,
    *,
    at: datetime | None = None,
) -> list[Trial]:
    """A trial balance a month."""
    months = [first]
    while months[-1] < last:
        months.append(months[-1].following)
    return [trial(cursor, f"{each}", currency, at=at) for each in months]


def _together(made: list[Trial]) -> list[Balance]:
    """A balance an account and currency; each month opens with what the one before came to."""
    found: dict[tuple[str, str], Balance] = {}
    for each in (balance for one in made for balance in one.balances):
        before = found.get((each.currency, each.account))
        found[each.currency, each.account] = each._replace(
            opening_minor=before.opening_minor if before else each.opening_minor,
            debit_minor=each.debit_minor + (before.debit_minor if before else 0),
            credit_minor=each.credit_minor + (before.credit_minor if before else 0),
            late_minor=each.late_minor + (before.late_minor if before else 0),
        )
    return [found[key] for key in sorted(found)]
