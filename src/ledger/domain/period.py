"""Periods of the books: months that are closed one after the other, and the last one reopened.

A closed period's balances stand in an event and never change. What is learnt of it later counts in
the first open period; or a person reopens it, and it is closed once more as its next version.

Where not all is known of the time before the first period, a person enters what accounts held then.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import ClassVar, Final, NamedTuple, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain import merkle
from ledger.domain.account_names import OwnName, check_account, check_own
from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import (
    BooksAccountMapped,
    BooksBalancesListed,
    BooksCategoryNamed,
    BooksOpeningEntered,
    BooksPeriodClosed,
    BooksPeriodReopened,
    OpeningBalance,
    SealedBalance,
)
from ledger.domain.limits import MAX_MINOR, check_between, check_currency, check_id
from ledger.domain.posting_rules import AT_STRIPE, BALANCES, MINIMUM_HELD, OPENING, PAYING_OUT
from ledger.errors import InvalidCommand, NotReady, WrongState

_PERIOD: Final = re.compile(r"(?!9999)[1-9]\d{3}-(0[1-9]|1[0-2])")
"""Of the last year that a date can have, no month is one: its last one has none after it."""

EVERY: Final = "*"
"""After the beginning of SKUs: all that begin so."""
MAX_CATEGORY: Final = 50

_HELD_AT_STRIPE: Final = {
    MINIMUM_HELD,
    PAYING_OUT,
    *(
        f"{AT_STRIPE}{kind}:{state}"
        for kind in (*BALANCES.values(), "other")
        for state in ("pending", "available")
    ),
}

PeriodEvent = (
    BooksAccountMapped
    | BooksBalancesListed
    | BooksCategoryNamed
    | BooksOpeningEntered
    | BooksPeriodClosed
    | BooksPeriodReopened
)


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
    def last(self) -> date:
        """Its last day."""
        return self.following.first - timedelta(days=1)

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
    on the close `after` (its month and version), or on none, and on the `opening` of that version
    (0: none was entered). `unready` says, each with its cure, what must be put right before.
    """

    zone: str
    rules_version: int
    position: int
    balances: tuple[SealedBalance, ...]
    after: tuple[str, int] | None = None
    opening: int = 0
    unready: tuple[str, ...] = ()


class ReopenPeriod(_PeriodCommand, frozen=True, kw_only=True):
    """Open the month again that was closed last."""


class EnterOpening(_PeriodCommand, frozen=True, kw_only=True):
    """Begin the books with a month: accounts held these balances before its first day.

    What a currency's balances do not sum up to is booked against `equity:opening`. What is known of
    the time before is no part of the books any more.
    """

    balances: tuple[OpeningBalance, ...]


class MapAccount(_PeriodCommand, frozen=True, kw_only=True):
    """Say what the shop's own chart of accounts has for an account from a month on.

    Nothing of it: the name of the books counts again.
    """

    account: str
    own: OwnName


class NameCategory(_PeriodCommand, frozen=True, kw_only=True):
    """Say of which category the sales of a product are from a month on; of none: None.

    `sku` is one, or what SKUs begin with (`MUG-*`). An exact one counts before the longest
    beginning.
    """

    sku: str
    category: str | None


PeriodCommand = ClosePeriod | ReopenPeriod | EnterOpening | MapAccount | NameCategory


class Periods(Struct, frozen=True):
    """The months that are closed, in their order, how often each was so far, and the opening.

    `names` are what accounts were mapped to, by account and the first month for which it counts;
    `categories` are of which category sales of a product are, by SKU and such a month.
    """

    closed: tuple[str, ...] = ()
    versions: dict[str, int] = {}
    opening: BooksOpeningEntered | None = None
    names: dict[tuple[str, str], BooksAccountMapped] = {}
    categories: dict[tuple[str, str], BooksCategoryNamed] = {}


def evolve(periods: Periods, event: PeriodEvent) -> Periods:
    """The periods after an event of their stream."""
    match event:
        case BooksPeriodClosed(period=period, version=version):
            return replace(
                periods,
                closed=(*periods.closed, period),
                versions={**periods.versions, period: version},
            )
        case BooksPeriodReopened():
            return replace(periods, closed=periods.closed[:-1])
        case BooksOpeningEntered():
            return replace(periods, opening=event)
        case BooksAccountMapped(account=account, period=period):
            return replace(periods, names={**periods.names, (account, period): event})
        case BooksCategoryNamed(sku=sku, period=period):
            return replace(periods, categories={**periods.categories, (sku, period): event})
        case BooksBalancesListed():
            return periods
        case _:
            assert_never(event)


def decide(command: PeriodCommand, periods: Periods) -> Sequence[PeriodEvent]:
    """Close the next month, reopen the last closed one, enter an opening, name what is booked.

    Raises WrongState for another month, and NotReady while something must be put right before.
    """
    last = periods.closed[-1] if periods.closed else None
    match command:
        case ClosePeriod():
            return _close(command, periods, last)
        case ReopenPeriod(period=period):
            if last is None or period not in periods.closed:
                raise WrongState(_not_closed(period, periods.closed))
            if period != last:
                raise WrongState(f"{last} is closed on what {period} came to; reopen {last} first.")
            return [BooksPeriodReopened(period=period, version=periods.versions[period])]
        case EnterOpening():
            return _open(command, periods, last)
        case MapAccount():
            return _map(command, periods, last)
        case NameCategory():
            return _name_category(command, periods, last)
        case _:
            assert_never(command)


class OutOfTurn(NamedTuple):
    """Why a month is not the one that is closed next, and the cure; `code` is for programs."""

    code: str
    says: str
    cure: str


def out_of_turn(period: str, closed: Sequence[str], begins: str | None) -> OutOfTurn | None:
    """Why a month is not closed next, after those that are; None where it is its turn.

    `begins` is the month whose opening a person entered, if one did.
    """
    asked = month(period)
    if not closed:
        return None if begins is None else _beside_opening(asked, begins)
    first, last = closed[0], closed[-1]
    if period in closed:
        cure = f"To change it: `ledger books reopen {last}`."
        return OutOfTurn("closed", f"{period} is closed already.", cure)
    if asked < month(first):
        cure = f"Reopen {last} and those before it, and begin with {period}."
        says = f"{period} lies before {first}, the first month that was closed."
        return OutOfTurn("before", says, cure)
    following = str(month(last).following)
    if period == following:
        return None
    says = f"{following} is open, and months are closed in their order."
    return OutOfTurn("out_of_order", says, f"First: `ledger books close {following}`.")


def _beside_opening(asked: Month, begins: str) -> OutOfTurn | None:
    says = f"The books begin with {begins}, as its opening was entered."
    if asked < month(begins):
        return OutOfTurn("before", says, f"Begin them earlier: `ledger books begin {asked}`.")
    if asked > month(begins):
        cure = f"First: `ledger books close {begins}`; or begin them later: `ledger books begin"
        return OutOfTurn("out_of_order", says, f"{cure} {asked}`.")
    return None


def _not_closed(period: str, closed: Sequence[str]) -> str:
    if closed and month(period) < month(closed[0]):
        return f"{period} is not closed: it lies before {closed[0]}, the first month that was."
    return f"{period} is not closed; `ledger books periods` lists the months that are."


def _close(command: ClosePeriod, periods: Periods, last: str | None) -> list[PeriodEvent]:
    period = command.period
    begins = periods.opening.period if periods.opening else None
    if told := out_of_turn(period, periods.closed, begins):
        raise WrongState(f"{told.says} {told.cure}")
    if command.unready:
        raise NotReady(f"{period} cannot be closed yet. {' '.join(command.unready)}")
    if command.after != (None if last is None else (last, periods.versions[last])):
        raise WrongState("Another month was closed or reopened in the meantime; close it again.")
    if command.opening != (periods.opening.version if periods.opening else 0):
        raise WrongState("An opening was entered in the meantime; look at it, then close it again.")
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


def _open(command: EnterOpening, periods: Periods, last: str | None) -> list[BooksOpeningEntered]:
    if last is not None:
        raise WrongState(
            f"{periods.closed[0]} is closed on what accounts held before; reopen {last} and those"
            " before it, then enter the opening."
        )
    known, balances = periods.opening, balanced(command.balances)
    if known is not None and (known.period, known.balances) == (command.period, balances):
        return []
    version = 1 if known is None else known.version + 1
    return [BooksOpeningEntered(period=command.period, version=version, balances=balances)]


def _map(command: MapAccount, periods: Periods, last: str | None) -> list[BooksAccountMapped]:
    if last is not None and month(command.period) <= month(last):
        raise WrongState(
            f"{last} is closed, and keeps the names that it was closed with; map the account from"
            f" {month(last).following} on, or reopen {last}."
        )
    own = command.own
    mapped = BooksAccountMapped(
        account=command.account, period=command.period, code=own.code, name=own.name, kind=own.kind
    )
    if periods.names.get((command.account, command.period)) == mapped:
        return []
    _check_code(mapped, periods.names)
    return [mapped]


def _check_code(
    mapped: BooksAccountMapped, names: Mapping[tuple[str, str], BooksAccountMapped]
) -> None:
    """Raise WrongState where another account has the code, in a month for which it counts.

    Accounts that have the same name and kind too are one account in the shop's own chart.
    """
    if mapped.code is None:
        return
    later = [p for a, p in names if a == mapped.account and p > mapped.period]
    until = min(later, default=None)
    for account in sorted({a for a, _ in names} - {mapped.account}):
        months = sorted(p for a, p in names if a == account)
        before = [p for p in months if p <= mapped.period][-1:]
        during = [p for p in months if p > mapped.period and (until is None or p < until)]
        for since in (*before, *during):
            other = names[account, since]
            if other.code == mapped.code and _called(other) != _called(mapped):
                first, (name, kind) = max(since, mapped.period), _called(other)
                raise WrongState(
                    f"{mapped.code} is {name or 'without a name'}, of {kind}, in {first}:"
                    f" {account} has that code, and one code is one account. Give the same name and"
                    " kind or another code, or take that one back before: `ledger books map"
                    f" {account} --from {first} --ours`."
                )


def _called(mapped: BooksAccountMapped) -> tuple[str | None, str]:
    """The name and the kind that an account has in the shop's own chart."""
    return mapped.name, mapped.kind or check_account(mapped.account).partition(":")[0]


def _name_category(
    command: NameCategory, periods: Periods, last: str | None
) -> list[BooksCategoryNamed]:
    if last is not None and month(command.period) <= month(last):
        raise WrongState(
            f"{last} is closed, and keeps the categories that it was closed with; name the category"
            f" from {month(last).following} on, or reopen {last}."
        )
    named = BooksCategoryNamed(sku=command.sku, period=command.period, category=command.category)
    return [] if periods.categories.get((command.sku, command.period)) == named else [named]


def balanced(balances: Sequence[OpeningBalance]) -> tuple[OpeningBalance, ...]:
    """These and what is left of each currency as equity; sorted, without what is nothing."""
    rests: dict[tuple[str, str], int] = {}
    for each in balances:
        owner = each.account.partition(":")[0]
        equity = f"{owner}:{OPENING}" if owner.startswith("acct_") else OPENING
        key = (equity, each.currency)
        rests[key] = rests.get(key, 0) - each.opening_minor
    sums = {(each.account, each.currency): each.opening_minor for each in balances}
    for key, rest in rests.items():
        sums[key] = sums.get(key, 0) + rest
    return tuple(
        OpeningBalance(account=account, currency=currency, opening_minor=minor)
        for (account, currency), minor in sorted(sums.items())
        if minor
    )


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
    """Raise InvalidCommand for what is no month, no account, and balances that do not foot."""
    month(command.period)
    if isinstance(command, ReopenPeriod):
        return
    if isinstance(command, EnterOpening):
        _check_opening(command.balances)
        return
    if isinstance(command, MapAccount):
        check_account(command.account)
        check_own(command.own)
        return
    if isinstance(command, NameCategory):
        _check_category(command)
        return
    sums: dict[str, int] = {}
    for each in command.balances:
        opening, debit, credit, closing = amounts(each)
        if opening + debit - credit != closing:
            raise InvalidCommand(f"{each.account} in {each.currency} does not foot")
        sums[each.currency] = sums.get(each.currency, 0) + closing
    if uneven := [currency for currency, total in sums.items() if total]:
        raise InvalidCommand(f"accounts in {', '.join(uneven)} do not sum to 0")


def _check_category(command: NameCategory) -> None:
    if command.sku != EVERY:
        check_id("SKU", command.sku.removesuffix(EVERY), field="sku")
    if command.category is not None:
        check_id("category", command.category, MAX_CATEGORY)


def _check_opening(balances: Sequence[OpeningBalance]) -> None:
    known: set[tuple[str, str]] = set()
    for each in balances:
        name = check_account(each.account)
        if name.startswith(AT_STRIPE) and name not in _HELD_AT_STRIPE:
            raise InvalidCommand(
                f"Stripe keeps nothing in {name}; it is one of {', '.join(sorted(_HELD_AT_STRIPE))}"
            )
        check_currency(each.currency)
        check_between(
            "opening_minor", each.opening_minor, -MAX_MINOR, MAX_MINOR, currency=each.currency
        )
        if (each.account, each.currency) in known:
            raise InvalidCommand(f"{each.account} in {each.currency} is there twice; say it once")
        known.add((each.account, each.currency))


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
