"""Laws of own names: from a month on, and never for one that is closed."""

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from msgspec.structs import replace

from books.names import Mapped, Names
from ledger.domain.account_names import KINDS, OwnName, check_own
from ledger.domain.period import (
    ClosePeriod,
    MapAccount,
    NameCategory,
    Periods,
    ReopenPeriod,
    check,
    decide,
    evolve,
)
from ledger.errors import InvalidCommand, WrongState
from tests.projections.models import at

SEEDS = range(settings().max_examples)
MONTHS = [f"2026-{number:02d}" for number in range(1, 8)]
ACCOUNTS = ("income:sales", "expenses:platform", "acct_1:income:sales")


def some_name(random: Random) -> OwnName:
    return OwnName(
        random.choice((None, "4400", "1576")),
        random.choice((None, "Sales", "Input tax")),
        random.choice((None, *KINDS)),
    )


class Chart:
    """Periods, and what was mapped in them so far."""

    def __init__(self) -> None:
        self.periods = Periods()
        self.mapped: dict[tuple[str, str], OwnName] = {}

    @property
    def last(self) -> str:
        return self.periods.closed[-1] if self.periods.closed else ""

    def do(self, command: Any) -> None:
        check(command)
        for event in decide(command, self.periods):
            self.periods = evolve(self.periods, event)

    def close(self, period: str) -> None:
        after = (self.last, self.periods.versions[self.last]) if self.last else None
        self.do(
            ClosePeriod(
                period=period,
                at=at(0),
                zone="UTC",
                rules_version=1,
                position=1,
                balances=(),
                after=after,
            )
        )

    def map(self, account: str, period: str, own: OwnName) -> None:
        command = MapAccount(account=account, period=period, own=own, at=at(0))
        if period <= self.last:
            with pytest.raises(WrongState, match="keeps the names"):
                self.do(command)
            return
        if self.is_taken(account, period, own):
            with pytest.raises(WrongState, match=f"{own.code} is .* one code is one account"):
                self.do(command)
            return
        self.do(command)
        self.mapped[account, period] = own
        assert decide(command, self.periods) == []

    def is_taken(self, account: str, period: str, own: OwnName) -> bool:
        """Whether another account would have the code and not the name and kind, in any month."""
        if own.code is None or self.mapped.get((account, period)) == own:
            return False
        after = self.mapped | {(account, period): own}

        def called(name: str, shown: str) -> tuple[str | None, str | None, str]:
            months = [month for known, month in after if known == name and month <= shown]
            found = after[name, max(months)] if months else OwnName()
            kind = found.kind or name.removeprefix("acct_1:").partition(":")[0]
            return found.code, found.name, kind

        shown = [
            month
            for month in MONTHS
            if month >= period
            and not any(known == account and period < other <= month for known, other in after)
        ]
        return any(
            called(other, month)[0] == own.code and called(other, month) != called(account, month)
            for month in shown
            for other in ACCOUNTS
            if other != account
        )

    def names(self) -> Names:
        return Names(
            [
                Mapped(account, period, own.code, own.name, own.kind, "acc", None, None, at(0))
                for (account, period), own in sorted(self.mapped.items(), key=lambda item: item[0])
            ]
        )

    def plain(self, account: str, period: str) -> OwnName:
        """The latest of its own, else the latest of the shop's own account, else none."""
        for name in (account, account.removeprefix("acct_1:")):
            months = [month for known, month in self.mapped if known == name and month <= period]
            if months:
                return self.mapped[name, max(months)]
        return OwnName()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_closed_month_keeps_its_names_whatever_is_mapped(seed: int) -> None:
    random, chart = Random(seed), Chart()
    sealed: dict[str, dict[str, OwnName]] = {}
    for _ in range(40):
        following = [period for period in MONTHS if period > chart.last]
        chosen = random.randrange(6)
        if chosen == 0 and following:
            chart.close(following[0])
            found = chart.names()
            sealed[following[0]] = {each: found.of(each, following[0]) for each in ACCOUNTS}
        elif chosen == 1 and chart.last:
            del sealed[chart.last]
            chart.do(ReopenPeriod(period=chart.last, at=at(0)))
        else:
            chart.map(random.choice(ACCOUNTS), random.choice(MONTHS), some_name(random))
        found = chart.names()
        for period, closed in sealed.items():
            assert {each: found.of(each, period) for each in ACCOUNTS} == closed
        for period in MONTHS:
            for account in ACCOUNTS:
                assert found.of(account, period) == chart.plain(account, period)


def test_of_a_closed_month_no_category_is_named_and_others_once() -> None:
    chart = Chart()
    chart.close("2026-03")
    named = NameCategory(sku="MUG-*", period="2026-03", category="mugs", at=at(0))
    with pytest.raises(WrongState, match="from 2026-04 on"):
        chart.do(named)
    later = replace(named, period="2026-04")
    chart.do(later)
    assert decide(later, chart.periods) == []
    assert decide(replace(later, category=None), chart.periods)


@pytest.mark.parametrize(
    ("sku", "category"),
    [
        ("", "mugs"),
        ("*MUG", "mugs"),
        ("MUG**", "mugs"),
        ("a b", "mugs"),
        ("MUG", "a:b"),
        ("MUG", ""),
    ],
)
def test_what_is_no_sku_and_no_category_is_refused(sku: str, category: str) -> None:
    with pytest.raises(InvalidCommand):
        check(NameCategory(sku=sku, period="2026-04", category=category, at=at(0)))


@pytest.mark.parametrize("text", ["a:b", " a", "a  b", "a\n", "x" * 101])
def test_what_no_program_takes_as_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidCommand):
        check_own(OwnName(None, text, None))


def test_a_name_of_a_file_has_its_kind_first() -> None:
    name = "expenses:stripe:tax_on_fees"
    found = Names(
        [Mapped(name, "2026-03", "1576", "Input tax", "assets", "acc", None, None, at(0))]
    )
    assert found.path(name, "2026-03") == "assets:1576 Input tax"
    assert found.path(f"acct_1:{name}", "2026-04") == "acct_1:assets:1576 Input tax"
    assert found.path(name, "2026-02") == name
