"""Periods of the books: months that are closed one after the other, and the last one reopened.

A closed period's balances stand in an event and never change. What is learnt of it later counts in
the first open period; or a person reopens it, and it is closed once more as its next version.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain import merkle
from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import (
    BooksBalancesListed,
    BooksPeriodClosed,
    BooksPeriodReopened,
    SealedBalance,
)
from ledger.errors import InvalidCommand, NotReady, WrongState

_PERIOD: Final = re.compile(r"(?!9999)[1-9]\d{3}-(0[1-9]|1[0-2])")
"""Of the last year that a date can have, no month is one: its last one has none after it."""

PeriodEvent = BooksBalancesListed | BooksPeriodClosed | BooksPeriodReopened


class Month(Struct, frozen=True, order=True):
    """A month; a period of the books begins with its first day and ends before the next one's."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def preceding(self) -> "Month":
        """The month before it."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    @property
    def following(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def month(period: str) -> Month:
    """The month that is written `2026-09`; raises InvalidCommand for anything else."""
    if not _PERIOD.fullmatch(period):
        raise InvalidCommand(f"{period!r} is no period; write a month as 2026-09")
    year, _, number = period.partition("-")
    return Month(int(year), int(number))


class _PeriodCommand(Command, frozen=True, kw_only=True):
    NEEDS_REASON: ClassVar = True

    period: str

    @property
    def stream(self) -> str:
        """All periods are one stream: they are closed in their order."""
        return "periods"


class ClosePeriod(_PeriodCommand, frozen=True, kw_only=True):
    """Close a month: these are its balances, as of a position of the log.

    `balances` are all accounts in all currencies that anything ever moved in, each with a salt of
    16 random bytes in hexadecimal digits; `zone` is the one in which its days are cut. They follow
    on the close `after` (its month and version), or on none. `unready` says, each with its cure,
    what must be put right before.
    """

    zone: str
    rules_version: int
    position: int
    balances: tuple[SealedBalance, ...]
    after: tuple[str, int] | None = None
    unready: tuple[str, ...] = ()


class ReopenPeriod(_PeriodCommand, frozen=True, kw_only=True):
    """Open the month again that was closed last."""


PeriodCommand = ClosePeriod | ReopenPeriod


class Periods(Struct, frozen=True):
    """The months that are closed, in their order, and how often each was closed so far."""

    closed: tuple[str, ...] = ()
    versions: dict[str, int] = {}


def evolve(periods: Periods, event: PeriodEvent) -> Periods:
    """The periods after an event of their stream."""
    match event:
        case BooksPeriodClosed(period=period, version=version):
            return Periods((*periods.closed, period), {**periods.versions, period: version})
        case BooksPeriodReopened():
            return replace(periods, closed=periods.closed[:-1])
        case BooksBalancesListed():
            return periods
        case _:
            assert_never(event)


def decide(command: PeriodCommand, periods: Periods) -> Sequence[PeriodEvent]:
    """Close the next month, or reopen the last closed one.

    Raises WrongState for another month, and NotReady while something must be put right before.
    """
    last = periods.closed[-1] if periods.closed else None
    match command:
        case ClosePeriod():
            return _close(command, periods, last)
        case ReopenPeriod(period=period):
            if last is None or month(period) > month(last):
                raise WrongState(f"{period} is not closed.")
            if period != last:
                raise WrongState(f"{last} is closed on what {period} came to; reopen {last} first.")
            return [BooksPeriodReopened(period=period, version=periods.versions[period])]
        case _:
            assert_never(command)


def _close(command: ClosePeriod, periods: Periods, last: str | None) -> list[PeriodEvent]:
    period = command.period
    if last is not None and month(period) <= month(last):
        raise WrongState(f"{period} is closed already; to change it, reopen {last}.")
    if last is not None and (following := str(month(last).following)) != period:
        raise WrongState(f"{following} is open; months are closed in their order.")
    if command.unready:
        raise NotReady(f"{period} cannot be closed yet. {' '.join(command.unready)}")
    if command.after != (None if last is None else (last, periods.versions[last])):
        raise WrongState("Another month was closed or reopened in the meantime; close it again.")
    version = periods.versions.get(period, 0) + 1
    return [
        BooksBalancesListed(period=period, version=version, balances=command.balances),
        BooksPeriodClosed(
            period=period,
            version=version,
            zone=command.zone,
            rules_version=command.rules_version,
            position=command.position,
            root=root_of(command.balances),
        ),
    ]


def root_of(balances: Sequence[SealedBalance]) -> str:
    """The RFC 6962 root of balances sorted by account and currency, in hexadecimal digits.

    An entry is the salt, account, currency, opening, debit, credit and closing, one a line.
    """
    entries = [
        "\n".join(map(str, (b.salt, b.account, b.currency, *amounts(b)))).encode()
        for b in sorted(balances, key=lambda b: (b.account, b.currency))
    ]
    return merkle.root(entries).hex()


def amounts(balance: SealedBalance) -> tuple[int, int, int, int]:
    """Opening, debit, credit and closing."""
    return (
        balance.opening_minor,
        balance.debit_minor,
        balance.credit_minor,
        balance.closing_minor,
    )


def check(command: PeriodCommand) -> None:
    """Raise InvalidCommand for what is no month, and for balances that do not foot."""
    month(command.period)
    if isinstance(command, ReopenPeriod):
        return
    sums: dict[str, int] = {}
    for each in command.balances:
        opening, debit, credit, closing = amounts(each)
        if opening + debit - credit != closing:
            raise InvalidCommand(f"{each.account} in {each.currency} does not foot")
        sums[each.currency] = sums.get(each.currency, 0) + closing
    if uneven := [currency for currency, total in sums.items() if total]:
        raise InvalidCommand(f"accounts in {', '.join(uneven)} do not sum to 0")


AGGREGATE = Aggregate(
    initial=Periods(),
    events=PeriodEvent,
    evolve=evolve,
    stream_id=lambda _event: "periods",
    commands=PeriodCommand,
    key="stream",
    decide=lambda command, periods, _: decide(command, periods),
    check=check,
    answer=lambda command: {"period": command.period},
)
