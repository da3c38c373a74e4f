"""Laws of trial balances: what is closed stays, and each month begins where the last one ended."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import settings

from books.months import over
from books.trial import Trial, trial
from ledger.domain.events import BooksPeriodClosed
from ledger.domain.period import (
    month,
    root_of,
)
from tests.books.desk import MONTHS, Desk
from tests.books.lives import some_money

SEEDS = range(settings().max_examples // 2)


def closings(found: Trial) -> dict[tuple[str, str], int]:
    return {(b.account, b.currency): b.closing_minor for b in found.balances if b.closing_minor}


def openings(found: Trial) -> dict[tuple[str, str], int]:
    return {(b.account, b.currency): b.opening_minor for b in found.balances if b.opening_minor}


def totals_of(found: list[Trial]) -> tuple[Counter[str], ...]:
    """Debits, credits and what came late, by account and currency, of all of these together."""
    sums = Counter[str](), Counter[str](), Counter[str]()
    for each in (balance for one in found for balance in one.balances):
        amounts = (each.debit_minor, each.credit_minor, each.late_minor)
        for one, amount in zip(sums, amounts, strict=True):
            one[f"{each.account} {each.currency}"] += amount
    return sums


def assert_lawful(desk: Desk) -> None:
    """Each month opens as the one before it closed; every currency's accounts sum to 0."""
    found = [desk.trial(period) for period in MONTHS]
    for earlier, later in pairwise(found):
        if "before" not in (earlier.state, later.state):
            assert openings(later) == closings(earlier), later.period
    lawful = [each for each in found if each.state != "before"]
    for first, last in combinations(lawful, 2):
        with desk.models.dicts() as cursor:
            whole = over(cursor, first.period, last.period)
        assert openings(whole) == openings(first)
        assert closings(whole) == closings(last)
        months = lawful[lawful.index(first) : lawful.index(last) + 1]
        assert totals_of([whole]) == totals_of(months), whole.months
        found.append(whole)
    for each in found:
        sums: Counter[str] = Counter()
        for balance in each.balances:
            sums[balance.currency] += balance.closing_minor
            assert balance.opening_minor + balance.debit_minor - balance.credit_minor == (
                balance.closing_minor
            )
        assert not any(sums.values()), each.period


def all_closing(desk: Desk) -> dict[tuple[str, str], int]:
    """What all postings up to the last month's end come to, whatever was closed."""
    rows = desk.models.rows(
        """
        select account, currency, sum(amount_minor)::bigint
        from postings
        where day < '2026-06-01'
        group by account, currency
        having sum(amount_minor) <> 0
        """
    )
    return {(account, currency): minor for account, currency, minor in rows}


def test_a_month_has_begun_by_the_time_that_is_asked_for(desk: Desk):
    """Also where a trial balance is made as of a time long past."""
    with desk.models.dicts() as cursor:
        for day, state in ((27, "not_begun"), (28, "not_begun"), (30, "open")):
            at = datetime(2026, 2, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)
            assert trial(cursor, "2026-03", at=at).state == state
        assert trial(cursor, "2026-03").state == "open"


@pytest.mark.parametrize("seed", SEEDS)
def test_each_month_opens_as_the_last_one_closed_whatever_comes_late(desk: Desk, seed: int):
    random = Random(seed)
    told = some_money(seed, lives=15)
    told = random.sample(told, len(told))
    sealed: dict[str, Trial] = {}
    for number, (minutes, fact) in enumerate(told):
        desk.models.take(fact, minutes=minutes)
        if number % 12 == 11:
            closed = desk.periods.closed
            if closed and random.randrange(3) == 0:
                desk.reopen(closed[-1])
                del sealed[closed[-1]]
            elif not closed or closed[-1] != MONTHS[-1]:
                period = str(month(closed[-1]).following) if closed else MONTHS[0]
                before = closings(desk.trial(period))
                desk.close(period)
                sealed[period] = desk.trial(period)
                assert closings(sealed[period]) == before
            assert_lawful(desk)
    assert_lawful(desk)
    assert {period: desk.trial(period) for period in sealed} == sealed
    if desk.periods.closed != tuple(MONTHS):
        assert closings(desk.trial(MONTHS[-1])) == all_closing(desk)


def test_a_refund_that_is_learnt_of_after_the_close_is_late_in_the_first_open_month(desk: Desk):
    """Named example: the closed trial balance stays as it was."""
    told = some_money(3, lives=20)
    for minutes, fact in told:
        desk.models.take(fact, minutes=minutes)
    desk.close("2026-03")
    closed = desk.trial("2026-03")
    late = some_money(4, lives=3)
    for minutes, fact in late:
        desk.models.take(fact, minutes=minutes)
    assert desk.trial("2026-03") == closed
    april = desk.trial("2026-04")
    assert any(balance.late_minor for balance in april.balances)
    assert openings(april) == closings(closed)
    desk.reopen("2026-03")
    again = desk.trial("2026-03")
    assert again.state == "open"
    assert closings(again) != closings(closed)
    assert not any(balance.late_minor for balance in desk.trial("2026-04").balances)


def test_a_close_names_the_root_of_its_balances(desk: Desk):
    for minutes, fact in some_money(5, lives=8):
        desk.models.take(fact, minutes=minutes)
    command = desk.close("2026-03")
    event = next(
        fact for _, fact in reversed(desk.models.said) if isinstance(fact, BooksPeriodClosed)
    )
    assert event.root == root_of(command.balances)
    assert len({balance.salt for balance in command.balances}) == len(command.balances)
    shown = desk.models.rows("select period, state, version, root from periods")
    assert shown == [("2026-03", "closed", 1, event.root)]
