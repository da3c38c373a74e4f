"""Laws of openings: the books begin with what accounts held, whatever came before."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import settings

from books.accounts import accounts
from books.journal import frame
from books.opening import opening
from books.postings import currencies, postings
from books.trial import Trial
from ledger.domain.events import OpeningBalance
from ledger.domain.period import ClosePeriod, EnterOpening, Periods, check, decide, month
from ledger.errors import InvalidCommand, InvalidWindow, NotReady, WrongState
from tests.books.desk import MONTHS, Desk
from tests.books.ledger import Account, on
from tests.books.lives import CURRENCIES, some_money
from tests.projections.models import at

SEEDS = range(settings().max_examples // 5)
BEGINS = MONTHS[1]
Key = tuple[str, str]


def held(random: Random) -> list[OpeningBalance]:
    names = ("assets:stripe:payments:available", "assets:disputes", "liabilities:sales_tax")
    return [
        OpeningBalance(account=name, currency=code, opening_minor=random.randrange(-9000, 9000))
        for name in random.sample(names, 2)
        for code in random.sample(CURRENCIES, 2)
    ]


def plain(desk: Desk, entered: list[OpeningBalance], period: str) -> dict[Key, int]:
    """What accounts come to at a month's end: what was entered, and all since, less what is left
    against equity."""
    sums: Counter[Key] = Counter()
    for each in entered:
        sums[each.account, each.currency] += each.opening_minor
        sums["equity:opening", each.currency] -= each.opening_minor
    first, until = month(BEGINS).first, month(period).following.first
    for account, code, day, minor in desk.models.rows(
        "select account, currency, day, amount_minor from postings"
    ):
        if first <= day < until:
            sums[account, code] += minor
    return {key: minor for key, minor in sums.items() if minor}


def openings(found: Trial) -> dict[Key, int]:
    return {(b.account, b.currency): b.opening_minor for b in found.balances if b.opening_minor}


def test_every_balance_that_stripe_names_is_worked_out_and_others_are_asked_for(
    account: Account,
) -> None:
    account.moved(on(9, 3), 30, "reserve_hold", balance="risk_reserved")
    account.moved(on(9, 4), -10, "issuing_transaction", balance="issuing")
    account.listed()
    issuing = {"available": [{"amount": 90, "currency": "eur"}]}
    kept = [{"amount": 55, "currency": "eur"}]
    account.holds(on(10, 2), issuing=issuing, connect_reserved=kept)

    def begun(*given: tuple[str, int]) -> dict[str, int]:
        balances = [
            OpeningBalance(account=name, currency="eur", opening_minor=minor)
            for name, minor in given
        ]
        with account.reading() as cursor:
            made = opening(cursor, account.log, "2024-09", balances, on(10, 3), from_stripe=True)
        return {each.account: each.opening_minor for each in made.balances}

    held = ("assets:stripe:risk_reserved:available", 0)
    waiting = ("assets:stripe:risk_reserved:pending", 0)
    with pytest.raises(NotReady, match=r"risk_reserved:available=0\.00 EUR"):
        begun()
    with pytest.raises(NotReady, match=r"0\.55 EUR in reserve.*assets:reserve=0\.55 EUR"):
        begun(held, waiting)
    assert begun(held, waiting, ("assets:reserve", 55)) == {
        "assets:stripe:issuing:available": 100,
        **dict([held, waiting]),
        "assets:reserve": 55,
    }


def closings(found: Trial) -> dict[Key, int]:
    return {(b.account, b.currency): b.closing_minor for b in found.balances if b.closing_minor}


@pytest.mark.parametrize("seed", SEEDS)
def test_months_begin_with_the_opening_whatever_is_learnt_of_the_time_before(
    desk: Desk, seed: int
) -> None:
    random = Random(seed)
    told = some_money(seed, lives=12)
    told = random.sample(told, len(told))
    entered = held(random)
    for minutes, fact in told[: len(told) // 3]:
        desk.models.take(fact, minutes=minutes)
    desk.begin(MONTHS[0], *held(random))
    desk.begin(BEGINS, *entered)
    for number, (minutes, fact) in enumerate(told[len(told) // 3 :]):
        desk.models.take(fact, minutes=minutes)
        if number % 12 == 11:
            closed = desk.periods.closed
            if closed and not random.randrange(3):
                desk.reopen(closed[-1])
            elif not closed or closed[-1] != MONTHS[-1]:
                period = str(month(closed[-1]).following) if closed else BEGINS
                before = closings(desk.trial(period))
                desk.close(period)
                assert closings(desk.trial(period)) == before
        _assert_lawful(desk, entered)


def _assert_lawful(desk: Desk, entered: list[OpeningBalance]) -> None:
    found = [desk.trial(period) for period in MONTHS[1:]]
    opened = {(each.account, each.currency): each.opening_minor for each in entered}
    told = openings(found[0])
    assert {key: told.get(key, 0) for key in opened} == opened
    assert {name for name, _ in told} <= {name for name, _ in opened} | {"equity:opening"}
    for earlier, later in pairwise(found):
        assert openings(later) == closings(earlier)
    for each in found:
        sums: Counter[str] = Counter()
        for balance in each.balances:
            sums[balance.currency] += balance.closing_minor
        assert not any(sums.values())
        assert each.begins == BEGINS
        assert each.state == "closed" or closings(each) == plain(desk, entered, each.period)
    assert desk.trial(MONTHS[0]).state == "before"


@pytest.mark.parametrize("seed", SEEDS)
def test_postings_journal_and_accounts_run_from_the_opening_on(desk: Desk, seed: int) -> None:
    random = Random(seed)
    entered = held(random)
    desk.begin(BEGINS, *entered)
    told = some_money(seed, lives=6)
    for number, (minutes, fact) in enumerate(random.sample(told, len(told))):
        desk.models.take(fact, minutes=minutes)
        if number == len(told) // 2:
            desk.close(BEGINS)
    with desk.models.dicts() as cursor:
        for period in MONTHS[1:]:
            first = month(period)
            around = frame(cursor, first.first, first.last)
            assert around.opening == openings(desk.trial(period))
            assert not any(
                sum(minor for (_, own), minor in around.late.items() if own == code)
                for code in CURRENCIES
            )
        with pytest.raises(InvalidWindow, match=f"begin with {BEGINS}"):
            frame(cursor, month(MONTHS[0]).first, month(BEGINS).last)
        now = {
            (each.account, code): minor
            for each in accounts(cursor, month(MONTHS[-1]).last)
            for code, minor in each.by_currency.items()
            if minor
        }
        assert now == plain(desk, entered, MONTHS[-1])
        for name in {each.account for each in entered}:
            for code in currencies(cursor, name):
                for period in MONTHS[1:]:
                    page = postings(cursor, name, period, code, limit=10_000)
                    running = page.balance.opening_minor
                    for each in page.postings:
                        assert f"{each.day:%Y-%m}" >= BEGINS
                        running += each.amount_minor if each.counts_in == period else 0
                    assert running + (page.otherwise_minor or 0) == page.balance.closing_minor


def test_the_first_month_of_the_books_is_closed_first_and_as_it_was_looked_at() -> None:
    opening = EnterOpening(period="2026-03", at=at(0), balances=())
    (event,) = decide(opening, Periods())
    begun = Periods(opening=event)  # pyright: ignore[reportArgumentType] - it is an opening
    assert decide(opening, begun) == []
    close = ClosePeriod(
        period="2026-03",
        at=at(0),
        zone="UTC",
        rules_version=1,
        position=1,
        balances=(),
        opening=1,
    )
    assert decide(close, begun)
    with pytest.raises(WrongState, match="An opening was entered in the meantime"):
        decide(close, Periods())
    other = ClosePeriod(
        period="2026-04",
        at=at(0),
        zone="UTC",
        rules_version=1,
        position=1,
        balances=(),
        opening=1,
    )
    with pytest.raises(WrongState, match="begin with 2026-03"):
        decide(other, begun)
    with pytest.raises(WrongState, match="reopen 2026-03"):
        decide(opening, Periods(closed=("2026-03",), opening=begun.opening))


@pytest.mark.parametrize("account", ["assets", "acct_1:wallet:x", "assets:stripe:payments", "a:b"])
def test_an_opening_of_what_is_no_account_is_refused(account: str) -> None:
    balance = OpeningBalance(account=account, currency="eur", opening_minor=1)
    with pytest.raises(InvalidCommand):
        check(EnterOpening(period="2026-03", at=at(0), balances=(balance,)))
