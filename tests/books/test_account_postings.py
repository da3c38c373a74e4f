"""Laws of an account's postings: each counts in one month; pages run from opening to closing."""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings

from books.postings import Page, currencies, postings
from books.trial import trial
from ledger.domain.balance_facts import TransactionFact
from ledger.domain.events import TransactionClassified
from ledger.domain.period import month
from tests.books.desk import MONTHS, Desk
from tests.books.lives import some_money

SEEDS = range(settings().max_examples // 6)
ALL = 10_000
Key = tuple[str, str, int]


def pages(desk: Desk, account: str, period: str, currency: str, limit: int) -> list[Page]:
    with desk.models.dicts() as cursor:
        found = [postings(cursor, account, period, currency, limit=limit)]
        while found[-1].next:
            start = found[-1].next
            found.append(postings(cursor, account, period, currency, limit=limit, start=start))
    return found


def accounts(desk: Desk) -> list[tuple[str, str]]:
    return [(a, c) for a, c in desk.models.rows("select distinct account, currency from postings")]


def closed_now_and_then(desk: Desk, seed: int) -> None:
    """Months of money, told in any order, with closes between."""
    random = Random(seed)
    told = some_money(seed, lives=8)
    for number, (minutes, fact) in enumerate(random.sample(told, len(told))):
        desk.models.take(fact, minutes=minutes)
        if number % 15 == 14 and desk.periods.closed[-1:] != ("2026-04",):
            last = desk.periods.closed[-1:]
            desk.close(str(month(last[0]).following) if last else MONTHS[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_posting_counts_in_one_month_and_pages_make_the_whole(desk: Desk, seed: int) -> None:
    closed_now_and_then(desk, seed)
    for account, currency in accounts(desk):
        counted: Counter[Key] = Counter()
        for period in MONTHS:
            (whole,) = pages(desk, account, period, currency, ALL)
            parts = pages(desk, account, period, currency, 3)
            assert [each for page in parts for each in page.postings] == whole.postings
            assert parts[-1].otherwise_minor == whole.otherwise_minor
            assert whole.otherwise_minor is not None
            running = whole.balance.opening_minor
            for each in whole.postings:
                here = each.counts_in == period
                running += each.amount_minor if here else 0
                assert each.running_minor == running
                assert each.late == (each.counts_in != f"{each.day:%Y-%m}")
                counted[each.transaction_id, each.part, each.slot] += here
            assert running + whole.otherwise_minor == whole.balance.closing_minor
        every = desk.models.rows(
            "select transaction_id, part, slot, account, currency, day from postings"
        )
        mine = {
            (name, part, slot)
            for name, part, slot, its, code, day in every
            if (its, code) == (account, currency) and MONTHS[0] <= f"{day:%Y-%m}" <= MONTHS[-1]
        }
        assert counted == Counter(dict.fromkeys(mine, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_only_new_is_all_there_is_to_a_late_balance(desk: Desk, seed: int) -> None:
    """Where nothing known before a close changed since, postings explain every balance."""
    random = Random(seed)
    told = [t for t in some_money(seed, 8) if isinstance(t[1], TransactionFact)]
    named = {fact.transaction_id for _, fact in told if isinstance(fact, TransactionFact)}
    classified = TransactionClassified(transaction_id=min(named), against="expenses:misc")
    told = random.sample(told, len(told))
    for minutes, fact in told[: len(told) // 2]:
        desk.models.take(fact, minutes=minutes)
    desk.close(MONTHS[0])
    desk.close(MONTHS[1])
    for minutes, fact in [*told[len(told) // 2 :], (1, classified)]:
        desk.models.take(fact, minutes=minutes)
    late = 0
    for account, currency in accounts(desk):
        for period in MONTHS:
            (whole,) = pages(desk, account, period, currency, ALL)
            assert whole.otherwise_minor == 0, (account, currency, period)
            late += sum(each.late for each in whole.postings)
    assert late or len(told) < 8


def test_an_account_knows_its_currencies(desk: Desk) -> None:
    for minutes, fact in some_money(1, 12):
        desk.models.take(fact, minutes=minutes)
    with desk.models.dicts() as cursor:
        for account, currency in accounts(desk):
            assert currency in currencies(cursor, account)
        assert {b.account for b in trial(cursor, "2026-12").balances} <= {
            account for account, _ in accounts(desk)
        }
